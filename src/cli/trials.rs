//! `assay trials` and `assay trial`

use super::Context;
use super::complete;
use super::declare;
use super::later;
use super::output::{again_from_the_top, brief, counted, one_line, print, print_json, table};
use assay_lab::reproduce::own;
use assay_lab::study::{Figures, of_trial, seen_later};
use assay_lab::trial::{board, chosen, pick, study};
use assay_lab::{Lab, LabError, Session};
use assay_research::mirror::query::{Order, StudyRow, TrialRow, front};
use assay_shared::event::study::FoldFact;
use assay_shared::metric::Metric;
use assay_shared::statistic::ALIKE;
use assay_shared::strategy::Value;
use serde_json::json;
use std::time::{Duration, Instant};

/// How often a listing that is watched is shown again.
const AGAIN: Duration = Duration::from_secs(2);

/// List a study's trials, best first
///
/// Example: assay trials trend-walkforward --limit 20
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Study name or id [default: the newest]
    #[arg(add = complete::studies())]
    study: Option<String>,
    /// By number instead of best first
    #[arg(long)]
    all: bool,
    /// How many
    #[arg(long, default_value_t = 20)]
    limit: u32,
    /// Of a study of several objectives, those that no other trial beats in all of them
    #[arg(long, conflicts_with = "all")]
    front: bool,
    /// Show them again every few seconds, until the study is complete
    #[arg(long, conflicts_with = "json")]
    watch: bool,
}

/// Which trial is meant.
#[derive(Debug, clap::Args)]
pub struct Which {
    /// Trial: STUDY:NUMBER, NUMBER, or STUDY for its best [default: the best of the newest]
    #[arg(add = complete::trials())]
    trial: Option<String>,
    /// Study name or id [default: the newest]
    #[arg(long, add = complete::studies())]
    study: Option<String>,
}

impl Which {
    /// The study and the number that are meant, as far as they are named.
    pub fn chosen(&self, lab: &Lab) -> Result<(Option<String>, Option<u32>), LabError> {
        chosen(lab, self.trial.as_deref(), self.study.as_deref(), None)
    }
}

/// Look at one trial
#[derive(Debug, clap::Subcommand)]
pub enum One {
    /// Show a trial: parameters, folds, figures, and its place in the ledger
    ///
    /// Example: assay trial show trend-walkforward:42
    Show {
        #[command(flatten)]
        which: Which,
    },
    /// Run a trial of your own again, on both engines, and compare it with what was recorded, to the last bit
    ///
    /// Ends with 1 and names the first figure that differs. Of a proposal somebody else does it: `assay reproduce`.
    ///
    /// Example: assay trial reproduce trend-walkforward:17
    Reproduce {
        #[command(flatten)]
        which: Which,
    },
    /// Declare trials that were made with other tools on the same prices, so that they count
    ///
    /// They are counted in a file: a database of Optuna (SQLite), results of freqtrade's hyperopt or backtesting (JSON), or a
    /// CSV table with a row for each trial. From then on they stand beside every study on prices that overlap, in the deflated
    /// Sharpe ratio, and at the gate for every proposal that is made from then on. What they gave is not taken: nobody could check it.
    ///
    /// Example: assay trial import optuna.db --symbols BTCUSDT,ETHUSDT --from 2021-01-01 --to 2024-12-31
    Import(declare::Import),
}

/// Which guardrails a trial breaks, and by how much.
pub fn broken(t: &TrialRow, required: &[String]) -> Option<String> {
    let words = |(at, by): (usize, &f64)| {
        let s = if *by == 1.0 { "" } else { "s" };
        match at {
            0 => format!("{by} trade{s} fewer out of sample than min_trades"),
            1 => format!("{by} liquidation{s} more in a window, in or out of sample, than max_liquidations"),
            2 => format!("{by} undecided bar{s} more than max_undecided_bars"),
            at => format!("{} does not hold", required.get(at - 3).map_or("what is required", String::as_str)),
        }
    };
    let found: Vec<String> = t.constraints.iter().enumerate().filter(|(_, by)| **by > 0.0).map(words).collect();
    (!found.is_empty()).then(|| found.join("; "))
}

fn figure(t: &TrialRow, metric: Metric, show: fn(f64) -> String) -> String {
    t.metrics.get(metric.name()).map_or("-".into(), |v| show(*v))
}

fn percent(v: f64) -> String {
    format!("{:.1}%", v * 100.0)
}

pub fn params(t: &TrialRow) -> String {
    t.params
        .iter()
        .map(|(k, v)| match v.number() {
            number if number.is_nan() || matches!(v, Value::Truth(_)) => format!("{k}={v}"),
            number => format!("{k}={}", brief(number)),
        })
        .collect::<Vec<_>>()
        .join(" ")
}

/// Prints a study's (or the newest's) best trials and its statistics.
pub fn leaderboard(cx: &Context, lab: &Lab, study: Option<&str>, limit: u32) -> Result<(), LabError> {
    let found = board(lab, study, Order::Best, limit)?;
    let s = &found.study;
    let figures = of_trial(lab, &s.study_id, None)?;
    let seen = seen_later(lab, &s.study_id)?;
    if cx.json {
        let later: Vec<_> = seen.iter().map(|s| later::to_json(&s.run, &s.looked)).collect();
        let figures = figures.map(|f| if s.generated { f.without_probabilities() } else { f });
        print_json(&json!({"study": s, "trials": found.trials, "best": figures, "later": later}));
        return Ok(());
    }
    if s.generated {
        print("GENERATED DATA: the figures say nothing about real trading");
    }
    listing(s, &found.trials);
    print(&format!("\n{} ({} with a score)", counted(s.trials as usize, "trial"), s.completed));
    if !s.closed {
        print(&format!("the study is not complete: it is running, or `assay study resume {}` goes on", s.name));
    }
    match &figures {
        Some(_) if s.generated => print("no deflated Sharpe ratio is given for generated data: nothing on it is real"),
        Some(figures) => statistics(figures),
        None if !s.closed && s.completed == 0 => {}
        None => {
            print("no trial is feasible: there is nothing to give a probability of");
            let failed = found.trials.iter().filter(|t| t.state == "FAIL");
            if let Some(why) = failed.clone().find_map(|t| t.reason.as_ref()) {
                print(&format!("{} failed, the first: {}", counted(failed.count(), "trial"), one_line(why)));
            }
        }
    }
    if !seen.is_empty() {
        let seen: Vec<_> = seen.iter().map(|s| (&s.run, &s.looked)).collect();
        print(&format!("\n{}", later::words(&seen)));
    }
    Ok(())
}

/// What is known of a trial, with what it was counted from.
fn statistics(f: &Figures) {
    let show = |v: Option<f64>| v.map_or("undefined".into(), |v| format!("{v:.3}"));
    if let Some(s) = &f.statistics {
        print(&format!(
            "trial {}: beside {} (variance of their Sharpe ratios per bar, or of chance where that is more, \
             {:.3e}),\nits deflated Sharpe ratio is {} (the probability that its Sharpe ratio is above what the best of \
             so many would have by chance);\nalone, it is above zero with probability {}; minimum track record {} of {} bars",
            f.trial,
            s.beside(),
            s.variance,
            show(s.dsr),
            show(s.psr),
            s.min_track_record.map_or("undefined".into(), |v| format!("{v:.0}")),
            s.bars
        ));
    }
    if let (Some(e), Some(s)) = (&f.effective, &f.statistics) {
        let year_bars = f.bars_of_a_year;
        print(&format!(
            "those of its study that are known move together with a mean correlation of {:.2}: as different ones they are \
             worth {:.0} ({} groups that correlate by {ALIKE} or more)",
            e.correlation, e.trials, e.clusters
        ));
        if let Some(years) = f.min_backtest_years {
            print(&format!(
                "the best of {} trials without any edge shows its Sharpe ratio by chance on up to {years:.1} years; there are {:.1}",
                s.trials,
                s.bars / year_bars
            ));
        }
    }
    match (f.pbo, f.unfinished) {
        (None, 1..) => print(&format!(
            "probability of overfitting: unknown until the {} pruned trials are finished (`assay study finish`)",
            f.unfinished
        )),
        (pbo, _) => {
            print(&format!("probability that a choice by Sharpe ratio among them is overfitted: {}", show(pbo)))
        }
    }
}

fn listing(study: &StudyRow, rows: &[TrialRow]) {
    let (also, required) = study.expressions();
    let row = |t: &TrialRow| {
        let state = match t.violation {
            Some(v) if v > 0.0 => "infeasible".to_string(),
            _ => t.state.to_lowercase(),
        };
        let shown = |v: Option<f64>| v.map_or("-".into(), |v| format!("{v:.4}"));
        let mut out = vec![t.number.to_string(), shown(t.score)];
        out.extend((0..also.len()).map(|k| shown(t.also.get(k).copied())));
        out.extend([
            figure(t, Metric::Cagr, percent),
            figure(t, Metric::Sharpe, |v| format!("{v:.2}")),
            figure(t, Metric::MaxDrawdown, percent),
            figure(t, Metric::Trades, |v| format!("{v:.0}")),
            figure(t, Metric::Liquidations, |v| format!("{v:.0}")),
            state,
            match t.reason.clone().or_else(|| broken(t, &required)) {
                Some(why) => format!("{}; {why}", params(t)),
                None => params(t),
            },
        ]);
        out
    };
    let mut head = vec!["trial", "score"];
    head.extend(also.iter().map(String::as_str));
    head.extend(["CAGR", "Sharpe", "max DD", "trades", "liq.", "state", "parameters"]);
    print(&table(&head, &rows.iter().map(row).collect::<Vec<_>>()));
}

pub fn run(cx: &Context, args: Args) -> Result<(), LabError> {
    let lab = cx.lab()?;
    if args.watch {
        return watch(cx, &lab, &args);
    }
    listed(cx, &lab, &args)
}

/// Shows the trials again and again while a study runs.
fn watch(cx: &Context, lab: &Lab, args: &Args) -> Result<(), LabError> {
    let _watched = cx.session.stop.watch();
    // That the mirror lags behind a study that runs is no news.
    let session = Session { stop: cx.session.stop.clone(), ..Session::silent() };
    let lab = &Lab::open(&lab.dir, &session)?;
    loop {
        // The study that was the newest when this began, or another one that began since.
        let row = study(&lab.mirror()?, args.study.as_deref())?;
        again_from_the_top(|| listed(cx, lab, args))?;
        if row.closed || cx.session.stop.requested() {
            return Ok(());
        }
        let until = Instant::now() + AGAIN;
        while Instant::now() < until && !cx.session.stop.requested() {
            std::thread::sleep(Duration::from_millis(50));
        }
        if cx.session.stop.requested() {
            return Ok(());
        }
    }
}

fn listed(cx: &Context, lab: &Lab, args: &Args) -> Result<(), LabError> {
    if args.front {
        return pareto(cx, lab, args.study.as_deref(), args.limit);
    }
    if !args.all {
        return leaderboard(cx, lab, args.study.as_deref(), args.limit);
    }
    let found = board(lab, args.study.as_deref(), Order::Number, args.limit)?;
    if cx.json {
        print_json(&found.trials);
    } else {
        listing(&found.study, &found.trials);
    }
    Ok(())
}

/// Prints the Pareto front of a study of several objectives, the best of the first one first.
fn pareto(cx: &Context, lab: &Lab, study: Option<&str>, limit: u32) -> Result<(), LabError> {
    let found = board(lab, study, Order::Best, u32::MAX)?;
    let (also, _) = found.study.expressions();
    if also.is_empty() {
        let what = format!("the study '{}' has one objective, and so no front", found.study.name);
        return Err(LabError::usage(what, "give it several: [objective] also = [\"max_drawdown\"]"));
    }
    let all = front(&found.trials);
    let shown = &all[..all.len().min(limit as usize)];
    if cx.json {
        print_json(&json!({"study": found.study, "objectives": also, "front": all.len(), "trials": shown}));
        return Ok(());
    }
    if found.study.generated {
        print("GENERATED DATA: the figures say nothing about real trading");
    }
    if all.is_empty() {
        print("no trial is feasible, so there is no front; `assay trials --all` says why");
        return Ok(());
    }
    listing(&found.study, shown);
    print(&format!(
        "\n{} of {} trials are on the front: no other feasible one is as good in every objective and better in one",
        all.len(),
        found.study.trials
    ));
    Ok(())
}

pub fn one(cx: &Context, args: One) -> Result<(), LabError> {
    match args {
        One::Show { which } => show(cx, &which),
        One::Reproduce { which } => again(cx, &which),
        One::Import(args) => declare::import(cx, args),
    }
}

fn again(cx: &Context, which: &Which) -> Result<(), LabError> {
    let lab = cx.lab()?;
    let (study, number) = which.chosen(&lab)?;
    let (number, stream) = own(&lab, study.as_deref(), number)?;
    if cx.json {
        print_json(&json!({"trial": number, "same": true, "stream_hash": stream.map(|s| s.to_string())}));
        return Ok(());
    }
    let what = match stream {
        Some(stream) => format!("every figure, and the stream {} on both engines", stream.short()),
        None => "as far as it went: it was not completed, and has no stream".into(),
    };
    print(&format!("trial {number} is what was recorded: {what}"));
    Ok(())
}

fn show(cx: &Context, which: &Which) -> Result<(), LabError> {
    let lab = cx.lab()?;
    let (study, number) = which.chosen(&lab)?;
    let (s, t) = pick(&lab, study.as_deref(), number)?;
    if cx.json {
        print_json(&json!({"study": s.name, "trial": t}));
        return Ok(());
    }
    print(&format!("trial {} of {} ({}), ledger entry {}", t.number, s.name, t.state.to_lowercase(), t.seq));
    if let Some(reason) = &t.reason {
        print(&format!("reason: {reason}"));
    }
    let (also, required) = s.expressions();
    if let Some(score) = t.score {
        print(&format!("score {score:.6}"));
    }
    for (text, value) in also.iter().zip(&t.also) {
        print(&format!("objective {text}: {value:.6}"));
    }
    if let Some(words) = broken(&t, &required) {
        print(&format!("infeasible, and never the best: {words}"));
    }
    if s.generated {
        print("GENERATED DATA: the figures say nothing about real trading");
    }
    print(&format!("parameters: {}", params(&t)));
    let number = |v: Option<f64>| v.map_or("undefined".into(), |f| format!("{f:.4}"));
    let fold = |(i, f): (usize, &FoldFact)| {
        vec![
            (i + 1).to_string(),
            number(f.in_sample),
            number(f.out_of_sample),
            f.is_trades.to_string(),
            f.oos_trades.to_string(),
        ]
    };
    let folds: Vec<_> = t.folds.iter().enumerate().map(fold).collect();
    print(&table(&["fold", "in sample", "out of sample", "trades in", "trades out"], &folds));
    let metric = |(k, v): (&String, &f64)| vec![k.clone(), format!("{v:.6}")];
    print(&table(&["out-of-sample figure", "value"], &t.metrics.iter().map(metric).collect::<Vec<_>>()));
    print(&format!("identity {}\nstream   {}", t.identity, t.stream_hash.unwrap_or_default()));
    Ok(())
}
