//! `assay reconcile`

use super::Context;
use super::active::halted_lines;
use super::notify::of_changes;
use super::output::{harmless, print, print_json, say, table};
use super::watch::watch;
use assay_lab::LabError;
use assay_lab::halted;
use assay_lab::host::reconcile_once;
use assay_production::deploy::Change;
use assay_production::gate::{Host, InForce};
use assay_production::reconcile::{Reconciled, Status};
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;

/// Bring the live table in line with the deploy branch; find and heal drift
///
/// Everything is verified again first. Safe to run twice, late or from a timer.
///
/// Example: assay reconcile --gate deploy.git/assay
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The gate's folder [default: the lab's]
    #[arg(long)]
    gate: Option<PathBuf>,
    /// Only compare; change nothing
    #[arg(long)]
    check: bool,
    /// Replay every log from its first entry
    #[arg(long)]
    full: bool,
    /// Go on and on, until Ctrl-C or SIGTERM
    #[arg(long, conflicts_with_all = ["check", "full"])]
    watch: bool,
    /// Seconds between two rounds
    #[arg(long, default_value_t = 30, requires = "watch", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    every: u64,
    /// Serve /healthz and /metrics (Prometheus) here, such as 127.0.0.1:9464
    #[arg(long, value_name = "ADDRESS", requires = "watch")]
    listen: Option<String>,
}

pub fn run(cx: &Context, args: Args) -> Result<(), LabError> {
    let mut host = match &args.gate {
        Some(dir) => Host::open(dir)?,
        None => cx.lab()?.gate()?,
    };
    host.full = args.full;
    if args.watch {
        return watch(cx, &host, Duration::from_secs(args.every), args.listen.as_deref());
    }
    let outcome = reconcile_once(&host, !args.check, &cx.session)?;
    show(cx, &outcome, !args.check);
    of_changes(host.dir(), &outcome.changes);
    let odd = halted::odd(&host)?;
    if !cx.json {
        halted_lines(&halted::standing(&host)?, false).iter().for_each(|line| print(line));
    }
    odd.wrong.iter().chain(&odd.unsigned).for_each(|words| say(words));
    if args.check && !odd.wrong.is_empty() {
        return Err(LabError::Verification("the table of halts says what nobody may; see `assay halt --list`".into()));
    }
    if args.check && !outcome.dependents.is_empty() {
        return Err(LabError::Verification(
            "what is live rests on people or keys that do not count any more: promote it again, roll it back, or retire it"
                .into(),
        ));
    }
    if let Some(drift) = outcome.changes.iter().find(|c| args.check && c.is_drift()) {
        let what = format!("the live table was changed behind git's back; {}", drift.way_out());
        return Err(LabError::Verification(what));
    }
    Ok(())
}

fn show(cx: &Context, outcome: &Reconciled, written: bool) {
    if cx.json {
        let row =
            |c: &InForce| json!({"strategy": c.strategy, "version": c.version, "status": outcome.status(&c.strategy)});
        let rows: Vec<_> = outcome.live.iter().map(row).collect();
        print_json(
            &json!({"commit": outcome.commit, "strategies": rows, "changes": outcome.changes, "written": written,
                "dependents": outcome.dependents}),
        );
        return;
    }
    let healed = |c: &InForce| {
        let own = outcome.changes.iter().filter(|change| change.strategy() == c.strategy);
        written && own.clone().any(|c| matches!(c, Change::Heal { .. } | Change::PutBack { .. }))
    };
    let row = |c: &InForce| {
        let status = match outcome.status(&c.strategy) {
            Status::OutOfSync if healed(c) => "Healed".into(),
            Status::Pending if written => "Deployed".into(),
            status => format!("{status:?}"),
        };
        vec![c.strategy.clone(), c.version.to_string(), status, c.approvers.join(",")]
    };
    print(&table(&["strategy", "version", "status", "approved by"], &outcome.live.iter().map(row).collect::<Vec<_>>()));
    for change in &outcome.changes {
        say(&harmless(&change.to_string()));
    }
    outcome.dependents.iter().for_each(|d| say(&d.to_string()));
}
