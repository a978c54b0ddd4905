//! `assay trials` and `assay trial`

use super::Context;
use super::error::CliError;
use super::lab::Lab;
use super::output::{print, print_json, table};
use assay_research::mirror::query::{Order, TrialRow};
use serde_json::{Value, json};

/// List a study's trials, best first
///
/// Example: assay trials trend-walkforward --limit 20
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Study name or id [default: the newest]
    study: Option<String>,
    /// By number instead, failed ones included
    #[arg(long)]
    all: bool,
    /// How many
    #[arg(long, default_value_t = 20)]
    limit: u32,
}

/// Which trial is meant.
#[derive(Debug, clap::Args)]
pub struct Which {
    /// Trial number [default: the best]
    pub number: Option<u32>,
    /// Study name or id [default: the newest]
    #[arg(long)]
    pub study: Option<String>,
}

/// Look at one trial
#[derive(Debug, clap::Subcommand)]
pub enum One {
    /// Show a trial: parameters, folds, figures, and its place in the ledger
    ///
    /// Example: assay trial show 42 --study trend-walkforward
    Show {
        #[command(flatten)]
        which: Which,
    },
}

fn figure(t: &TrialRow, name: &str, show: fn(f64) -> String) -> String {
    t.metrics.get(name).map_or("-".into(), |v| show(*v))
}

fn percent(v: f64) -> String {
    format!("{:.1}%", v * 100.0)
}

fn params(t: &TrialRow) -> String {
    let short = |v: &Value| {
        v.as_f64().map_or(v.to_string(), |f| if f.fract() == 0.0 { format!("{f:.0}") } else { format!("{f:.3}") })
    };
    t.params
        .as_object()
        .map(|m| m.iter().map(|(k, v)| format!("{k}={}", short(v))).collect::<Vec<_>>().join(" "))
        .unwrap_or_default()
}

/// Prints a study's best trials and its statistics.
pub fn leaderboard(lab: &Lab, study: &str, limit: u32, json_wanted: bool) -> Result<(), CliError> {
    let mirror = lab.mirror()?;
    let s = lab.study(&mirror, Some(study))?;
    let rows = mirror.trials(&s.study_id, Order::Best, limit)?;
    if json_wanted {
        print_json(&json!({"study": s, "trials": rows}));
        return Ok(());
    }
    if s.generated {
        print("GENERATED DATA: the figures say nothing about real trading");
    }
    listing(&rows);
    let tried = s.statistics.get("trials_lineage").and_then(Value::as_f64).unwrap_or(f64::from(s.trials));
    let completed = s.completed;
    print(&format!("\n{} trials ({completed} with a score), {tried:.0} ever tried on this data", s.trials));
    let stat =
        |name: &str| s.statistics.get(name).and_then(Value::as_f64).map_or("undefined".into(), |v| format!("{v:.3}"));
    if s.closed {
        print(&format!(
            "of the best: deflated Sharpe ratio {} (probability that it is real), PSR {}, probability of overfitting {}",
            stat("dsr"),
            stat("psr"),
            stat("pbo")
        ));
    }
    Ok(())
}

fn listing(rows: &[TrialRow]) {
    let row = |t: &TrialRow| {
        let state = match t.violation {
            Some(v) if v > 0.0 => "infeasible".to_string(),
            _ => t.state.to_lowercase(),
        };
        vec![
            t.number.to_string(),
            t.score.map_or("-".into(), |s| format!("{s:.4}")),
            figure(t, "cagr", percent),
            figure(t, "sharpe", |v| format!("{v:.2}")),
            figure(t, "max_drawdown", percent),
            figure(t, "trades", |v| format!("{v:.0}")),
            figure(t, "liquidations", |v| format!("{v:.0}")),
            state,
            t.reason.clone().unwrap_or_else(|| params(t)),
        ]
    };
    let head = ["trial", "score", "CAGR", "Sharpe", "max DD", "trades", "liq.", "state", "parameters"];
    print(&table(&head, &rows.iter().map(row).collect::<Vec<_>>()));
}

pub fn run(cx: &Context, args: Args) -> Result<(), CliError> {
    let lab = cx.lab()?;
    let mirror = lab.mirror()?;
    let study = lab.study(&mirror, args.study.as_deref())?;
    if !args.all {
        return leaderboard(&lab, &study.study_id, args.limit, cx.json);
    }
    let rows = mirror.trials(&study.study_id, Order::Number, args.limit)?;
    if cx.json {
        print_json(&rows)
    } else {
        listing(&rows)
    }
    Ok(())
}

/// A trial of a study by number (or its best), and the study.
pub fn pick(
    lab: &Lab,
    study: Option<&str>,
    number: Option<u32>,
) -> Result<(assay_research::mirror::query::StudyRow, TrialRow), CliError> {
    let mirror = lab.mirror()?;
    let s = lab.study(&mirror, study)?;
    let none = || {
        CliError::usage(
            format!("the study '{}' has no feasible trial", s.name),
            "see `assay trials --all` for the reasons",
        )
    };
    let number = number.or(s.best).ok_or_else(none)?;
    let missing =
        || CliError::usage(format!("the study '{}' has no trial {number}", s.name), format!("it has {}", s.trials));
    let t = mirror.trial(&s.study_id, number)?.ok_or_else(missing)?;
    Ok((s, t))
}

pub fn show(cx: &Context, args: One) -> Result<(), CliError> {
    let One::Show { which } = args;
    let (s, t) = pick(&cx.lab()?, which.study.as_deref(), which.number)?;
    if cx.json {
        print_json(&json!({"study": s.name, "trial": t}));
        return Ok(());
    }
    print(&format!("trial {} of {} ({}), ledger entry {}", t.number, s.name, t.state.to_lowercase(), t.seq));
    if let Some(reason) = &t.reason {
        print(&format!("reason: {reason}"));
    }
    print(&format!("parameters: {}", params(&t)));
    let number = |v: &Value| v.as_f64().map_or("undefined".into(), |f| format!("{f:.4}"));
    let fold = |(i, f): (usize, &Value)| {
        vec![
            (i + 1).to_string(),
            number(&f["in_sample"]),
            number(&f["out_of_sample"]),
            f["is_trades"].to_string(),
            f["oos_trades"].to_string(),
        ]
    };
    let folds: Vec<_> = t.folds.as_array().into_iter().flatten().enumerate().map(fold).collect();
    print(&table(&["fold", "in sample", "out of sample", "trades in", "trades out"], &folds));
    let metric = |(k, v): (&String, &f64)| vec![k.clone(), format!("{v:.6}")];
    print(&table(&["out-of-sample figure", "value"], &t.metrics.iter().map(metric).collect::<Vec<_>>()));
    print(&format!("identity {}\nstream   {}", t.identity, t.stream_hash.unwrap_or_default()));
    Ok(())
}
