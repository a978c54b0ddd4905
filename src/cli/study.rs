//! `assay study`

use super::Context;
use super::announce::{announce, settings};
use super::complete;
use super::later;
use super::output::{print, print_json, say, table};
use super::trials;
use super::walk;
use assay_lab::Lab;
use assay_lab::LabError;
use assay_lab::begin;
use assay_lab::study::{
    Budget, Changes, Ended, Seed, Seen, extend, finish_pruned, forward, jobs, open, open_vault, page, plain_study,
    points, read_strategy, read_study, ready, reopen, run_within as work, seeded,
};
use assay_lab::trial;
use assay_research::mirror::query::StudyRow;
use clap::builder::TypedValueParser;
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;

/// Run, resume and list studies
#[derive(Debug, clap::Subcommand)]
pub enum Args {
    /// Run a study: every trial a signed event
    ///
    /// Ctrl-C stops between batches; `study resume` goes on to the very same trials.
    ///
    /// Example: assay study run configs/strategies/trend.toml configs/studies/walkforward.toml
    Run(RunArgs),
    /// Write a study file to begin with: every setting with what it means
    ///
    /// Example: assay study new first-look
    New {
        /// Name of the study
        name: String,
        /// File to write [default: the name with .toml]
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Go on with a study that was stopped or killed
    ///
    /// Example: assay study resume trend-walkforward
    Resume {
        /// Name or id [default: the newest]
        #[arg(add = complete::studies())]
        study: Option<String>,
        /// Threads
        #[arg(long, value_parser = threads())]
        jobs: Option<usize>,
        #[command(flatten)]
        limits: Limits,
        /// Ask the witness at this address for the seed that it was opened to get [default: `witness` in assay.toml]
        #[arg(long, value_name = "URL")]
        witness: Option<String>,
        /// That witness's verifier key
        #[arg(long, value_name = "VKEY")]
        witness_key: Vec<String>,
    },
    /// Give a complete study further trials, or points of your own to try
    ///
    /// The search goes on from what it knows. Each further trial counts like the others, and the study is closed again at
    /// its end.
    ///
    /// Example: assay study extend trend-walkforward --trials 200 --try fast=12,slow=96 --try best:other-study
    Extend {
        /// Name or id [default: the newest]
        #[arg(add = complete::studies())]
        study: Option<String>,
        /// Further trials [default: as many as points]
        #[arg(long, required_unless_present = "points")]
        trials: Option<u32>,
        /// A point that is tried first: NAME=VALUE,… (the others at their defaults), `best:STUDY`, or `live`; repeat for
        /// several
        #[arg(long = "try", value_name = "POINT", id = "points", add = complete::points())]
        points: Vec<String>,
        /// Threads
        #[arg(long, value_parser = threads())]
        jobs: Option<usize>,
        #[command(flatten)]
        limits: Limits,
    },
    /// Run the pruned trials of a complete study to their end
    ///
    /// What was thrown away early is part of what the study chose from: the probability of overfitting is known
    /// only then. `promote` does this where the policy asks for that figure.
    ///
    /// Example: assay study finish trend-walkforward
    Finish {
        /// Name or id [default: the newest]
        #[arg(add = complete::studies())]
        study: Option<String>,
        /// Threads
        #[arg(long, value_parser = threads())]
        jobs: Option<usize>,
    },
    /// Write a study's page: how the search went, what decides, and how much the best is worth
    ///
    /// One HTML file without scripts, which loads nothing.
    ///
    /// Example: assay study page trend-walkforward --out page.html
    Page {
        /// Name or id [default: the newest]
        #[arg(add = complete::studies())]
        study: Option<String>,
        /// File to write [default: study-NAME.html]
        #[arg(long)]
        out: Option<PathBuf>,
        /// Write over it though it is something else
        #[arg(long)]
        force: bool,
    },
    /// Choose a trial on the past of each fold, and run it over the bars that follow: walk-forward optimisation
    ///
    /// The study's best is chosen with all folds in view. This is what choosing the best in sample again and again, with
    /// nothing else known, makes of the same bars: each fold begins flat with what the folds before have left.
    ///
    /// Example: assay study walk trend-walkforward
    Walk {
        /// Name or id [default: the newest]
        #[arg(add = complete::studies())]
        study: Option<String>,
    },
    /// Run a trial over the vault: the last bars, which no trial of its study saw
    ///
    /// Each opening is an event and counts: a trial that is chosen by its vault was not proved by it. The account
    /// begins flat, with its own cash.
    ///
    /// Example: assay study vault trend-walkforward
    Vault {
        /// Study, or STUDY:NUMBER [default: the newest]
        #[arg(add = complete::trials())]
        study: Option<String>,
        /// Trial number [default: the best]
        #[arg(long)]
        trial: Option<u32>,
    },
    /// Run a trial over bars that began after its study was opened: nobody can have looked at them
    ///
    /// Example: assay study forward trend-walkforward --data 0123abcd
    Forward {
        /// Study, or STUDY:NUMBER [default: the newest]
        #[arg(add = complete::trials())]
        study: Option<String>,
        /// Trial number [default: the best]
        #[arg(long)]
        trial: Option<u32>,
        /// Data hash, or its beginning [default: the newest snapshot]
        #[arg(long, add = complete::snapshots())]
        data: Option<String>,
    },
    /// List studies, or show one with its best trials
    ///
    /// Example: assay study show trend-walkforward
    #[command(alias = "list")]
    Show {
        /// Name or id
        #[arg(add = complete::studies())]
        study: Option<String>,
    },
}

/// More threads than this only stand in each other's way.
const MAX_JOBS: i64 = 512;

/// Reads a number of threads.
pub fn threads() -> impl TypedValueParser<Value = usize> {
    clap::value_parser!(u16).range(1..=MAX_JOBS).map(usize::from)
}

/// How far to go now. The study stays open: `study resume` goes on to the very same trials.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct Limits {
    /// Stop after this time: 90s, 30m, 8h, 2d
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    time: Option<Duration>,
    /// Stop when the best feasible trial has this score
    #[arg(long = "until", value_name = "SCORE", allow_negative_numbers = true, value_parser = finite)]
    target: Option<f64>,
}

/// Reads a score.
fn finite(text: &str) -> Result<f64, String> {
    let found = text.parse().ok().filter(|v: &f64| v.is_finite());
    found.ok_or_else(|| "write a score as a number, such as 1.5".into())
}

/// Reads a time.
fn time(text: &str) -> Result<Duration, String> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let seconds = match &text[number.len()..] {
        "s" => Some(1.0),
        "m" => Some(60.0),
        "h" => Some(3600.0),
        "d" => Some(86_400.0),
        _ => None,
    };
    let found = seconds.and_then(|unit| Some(number.parse::<f64>().ok()? * unit)).filter(|s| *s > 0.0 && *s < 1e8);
    found.map(Duration::from_secs_f64).ok_or_else(|| "write a time as 90s, 30m, 8h or 2d".into())
}

/// How to run a study.
#[derive(Debug, Clone, clap::Args)]
pub struct RunArgs {
    /// Strategy file
    pub strategy: PathBuf,
    /// Study file [default: a study of the strategy's name in which every setting is the default]
    pub settings: Option<PathBuf>,
    /// Data hash, or its beginning [default: the newest snapshot]
    #[arg(long, add = complete::snapshots())]
    pub data: Option<String>,
    /// Hash of a registered rule book, or its beginning [default: the one that the snapshot is bound to]
    #[arg(long, value_name = "HASH")]
    pub rulebook: Option<String>,
    /// Name instead of the file's
    #[arg(long)]
    pub name: Option<String>,
    /// Number of trials instead of the file's
    #[arg(long)]
    pub trials: Option<u32>,
    /// A point that is tried first: NAME=VALUE,… (the others at their defaults), `best:STUDY`, or `live`; repeat for several
    #[arg(long = "try", value_name = "POINT", add = complete::points())]
    pub points: Vec<String>,
    /// Seed instead of the file's
    #[arg(long, conflicts_with = "witness")]
    pub seed: Option<u64>,
    /// Let the witness at this address give the seed instead: out of reach of everybody who does not run that witness.
    /// It counts where it is the first witness of the policy
    /// [default: `witness` in assay.toml, unless --seed names one]
    #[arg(long, value_name = "URL")]
    pub witness: Option<String>,
    /// That witness's verifier key [default: `witnesses` in assay.toml, else those of the policy]
    #[arg(long, value_name = "VKEY")]
    pub witness_key: Vec<String>,
    /// Threads [default: cores − 1, at most 6, at least 1]
    #[arg(long, value_parser = threads())]
    pub jobs: Option<usize>,
    #[command(flatten)]
    limits: Limits,
}

pub fn run(cx: &Context, args: Args) -> Result<(), LabError> {
    if let Args::New { name, out } = &args {
        let path = begin::study(name, out.as_deref())?;
        print(&path.display().to_string());
        say(&format!("run it with `assay study run STRATEGY.toml {}`", path.display()));
        return Ok(());
    }
    let lab = cx.lab()?;
    let (mut opened, (wanted, limits), (witness, keys)) = match args {
        Args::Run(a) => {
            let changes = Changes { name: a.name, trials: a.trials, seed: a.seed };
            let strategy = read_strategy(&a.strategy)?;
            let study = match &a.settings {
                Some(path) => read_study(path, changes)?,
                None => plain_study(&strategy.file.name, changes)?,
            };
            study.left_out().iter().for_each(|note| say(&format!("note: {note}")));
            let named = a.seed.is_some() || (a.witness.is_none() && lab.config.witness.is_none());
            let seed = if named { Seed::Named } else { Seed::Wanting };
            if !named {
                ready(&lab, a.witness.as_deref(), &a.witness_key)?;
            }
            let points = points(&lab, &strategy, &a.points)?;
            if points.len() > study.trials as usize {
                let what = format!("{} points for {} trials", points.len(), study.trials);
                return Err(LabError::usage(what, "give it as many trials at least: --trials"));
            }
            let opened = open(&lab, strategy, study, seed, a.data.as_deref(), a.rulebook.as_deref(), &points)?;
            (opened, (a.jobs, a.limits), (a.witness, a.witness_key))
        }
        Args::Resume { study, jobs, limits, witness, witness_key } => {
            let row = trial::study(&lab.mirror()?, study.as_deref())?;
            (reopen(&lab, &row.study_id)?, (jobs, limits), (witness, witness_key))
        }
        Args::Extend { study, trials, points: said, jobs, limits } => {
            let row = trial::study(&lab.mirror()?, study.as_deref())?;
            let mut opened = reopen(&lab, &row.study_id)?;
            let points = points(&lab, &opened.strategy, &said)?;
            let trials = trials.unwrap_or(points.len() as u32);
            extend(&lab, &mut opened, trials, &points)?;
            (opened, (jobs, limits), (None, Vec::new()))
        }
        other => return show(cx, &lab, other),
    };
    if let Some(by) = seeded(&lab, &mut opened, witness.as_deref(), &keys)? {
        say(&format!("{by} gave the seed of '{}'", opened.study.name));
    }
    announce(&opened, jobs(wanted))?;
    let (name, budget) = (&opened.study.name, Budget { time: limits.time, target: limits.target });
    match work(&lab, &opened, jobs(wanted), budget)? {
        Ended::Complete => {}
        Ended::Already => say(&format!("the study '{name}' is complete")),
        Ended::Paused(done) => say(&format!(
            "{done} of {} trials are recorded, as far as was asked for; go on with `assay study resume {name}`",
            opened.study.trials
        )),
    }
    trials::leaderboard(cx, &lab, Some(&opened.study.name), 8)
}

/// What computes no trial of a study that is not complete.
fn show(cx: &Context, lab: &Lab, args: Args) -> Result<(), LabError> {
    match args {
        Args::Finish { study, jobs: wanted } => {
            let row = trial::study(&lab.mirror()?, study.as_deref())?;
            let done = finish_pruned(lab, &reopen(lab, &row.study_id)?, jobs(wanted))?;
            say(&format!("{done} pruned trials were finished"));
            trials::leaderboard(cx, lab, Some(&row.study_id), 8)
        }
        Args::Page { study, out, force } => {
            let named = |out: Option<PathBuf>| -> Result<PathBuf, LabError> {
                let name = trial::study(&lab.mirror()?, study.as_deref())?.name;
                let plain = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
                Ok(out.unwrap_or_else(|| format!("study-{}.html", name.chars().map(plain).collect::<String>()).into()))
            };
            let out = named(out)?;
            page(lab, study.as_deref(), &out, force, |seen| {
                let runs = || seen.iter().map(|s| (&s.run, &s.looked));
                (later::HEAD.map(String::from).to_vec(), later::rows(runs()), later::worth(runs()))
            })?;
            print(&out.display().to_string());
            Ok(())
        }
        Args::Walk { study } => walk::show(cx, study.as_deref()),
        Args::Vault { study, trial: number } => {
            let (study, number) = trial::chosen(lab, study.as_deref(), None, number)?;
            let row = trial::study(&lab.mirror()?, study.as_deref())?;
            seen(cx, &open_vault(lab, &reopen(lab, &row.study_id)?, number)?)
        }
        Args::Forward { study, trial: number, data } => {
            let (study, number) = trial::chosen(lab, study.as_deref(), None, number)?;
            let row = trial::study(&lab.mirror()?, study.as_deref())?;
            seen(cx, &forward(lab, &reopen(lab, &row.study_id)?, number, data.as_deref())?)
        }
        Args::Show { study: None } => list(cx, &lab.mirror()?.studies()?),
        Args::Show { study: Some(name) } => {
            if !cx.json {
                settings(lab, &trial::study(&lab.mirror()?, Some(&name))?.study_id)?;
            }
            trials::leaderboard(cx, lab, Some(&name), 20)
        }
        Args::Run(_) | Args::New { .. } | Args::Resume { .. } | Args::Extend { .. } => Ok(()),
    }
}

fn seen(cx: &Context, seen: &Seen) -> Result<(), LabError> {
    if cx.json {
        print_json(&json!({"run": later::to_json(&seen.run, &seen.looked)}));
        return Ok(());
    }
    if seen.generated {
        print("GENERATED DATA: the figures say nothing about real trading");
    }
    print(&later::words(&[(&seen.run, &seen.looked)]));
    Ok(())
}

fn list(cx: &Context, rows: &[StudyRow]) -> Result<(), LabError> {
    if cx.json {
        print_json(&rows);
        return Ok(());
    }
    let row = |s: &StudyRow| {
        let state = if s.closed { "closed" } else { "open" };
        let best = s.best_score.map_or("-".into(), |b| format!("{b:.4}"));
        let kind = if s.generated { "GENERATED" } else { "real" };
        vec![
            s.study_id[..12].into(),
            s.name.clone(),
            s.strategy.clone(),
            kind.into(),
            s.trials.to_string(),
            s.completed.to_string(),
            best,
            state.into(),
        ]
    };
    print(&table(
        &["id", "name", "strategy", "data", "trials", "completed", "best", "state"],
        &rows.iter().map(row).collect::<Vec<_>>(),
    ));
    Ok(())
}
