//! `assay audit`

use super::Context;
use super::error::CliError;
use super::lab::Lab;
use super::output::{counted, print, print_json};
use super::{reconcile, verify};
use assay_production::deploy::open;
use assay_production::gate::Host;
use assay_production::reconcile::Outcome;
use assay_production::reconcile::reconcile as compare;
use serde_json::{Value, json};

/// Audit everything: ledger, deploy repository, live table; and walk each live row back
///
/// For each live row it shows who approved it, the trial, the data and the engine that made it,
/// and how many other trials were tried to find it.
///
/// Example: assay audit --full
#[derive(Debug, Default, clap::Args)]
pub struct Args {
    /// Replay every log from its first entry
    #[arg(long)]
    full: bool,
}

/// One live strategy, walked back.
fn story(outcome: &Outcome, lab: &Lab) -> Result<Vec<Value>, CliError> {
    let mirror = lab.mirror()?;
    let mut out = Vec::new();
    for d in &outcome.deployments {
        let p = &d.config.promotion;
        let study = lab.study(&mirror, Some(&p.study_id)).ok();
        let tried =
            study.as_ref().and_then(|s| s.statistics.get("trials_lineage").and_then(Value::as_f64)).map(|t| t as u64);
        out.push(json!({
            "strategy": p.strategy,
            "version": p.version,
            "status": outcome.status(&p.strategy),
            "config_sha256": d.sha256,
            "author": p.author,
            "approved_by": d.approvers,
            "commit": d.commit,
            "study": p.study_name,
            "trial": p.trial_id,
            "trials_tried_on_this_data": tried,
            "data_hash": p.data_hash,
            "generated_data": p.generated_data,
            "engine_version": d.config.environment.engine_version,
            "source_commit": d.config.environment.source_commit,
            "ledger": d.config.ledger.as_ref().map(|l| json!({"origin": l.origin, "size": l.size, "root": l.root})),
        }));
    }
    Ok(out)
}

pub fn run(cx: &Context, args: Args) -> Result<(), CliError> {
    let lab = cx.lab()?;
    let (entries, findings) = verify::findings(&lab.ledger_dir())?;
    let mut host = Host::open(&lab.gate_dir())?;
    host.full = args.full;
    let (host_entries, host_findings) = verify::findings(&host.dir().join("ledger"))?;
    let repo = reconcile::repo_of(&host)?;
    let mut live = open(&host.settings.live, &host.settings.genesis_policy_sha256.to_string())?;
    let (outcome, _) = compare(&repo, &host, live.as_mut(), assay_ledger::log::system_clock(), false)?;
    let story = story(&outcome, &lab)?;
    let all: Vec<_> = findings.iter().chain(&host_findings).collect();
    if cx.json {
        print_json(
            &json!({"entries": entries, "host_entries": host_entries, "findings": all, "live": story, "changes": outcome.changes}),
        );
    } else {
        print(&format!("lab ledger: {entries} entries, {}", counted(findings.len(), "finding")));
        print(&format!("deploy log: {host_entries} entries, {}", counted(host_findings.len(), "finding")));
        print(&format!(
            "deploy branch at {}: signatures, approvals, evidence and policy verify",
            &outcome.commit[..12]
        ));
        for s in &story {
            print(&tell(s));
        }
        for c in &outcome.changes {
            print(&format!("live table: {}", json!(c)));
        }
    }
    match (all.first(), outcome.changes.iter().find(|c| c.is_drift())) {
        (Some(f), _) => Err(CliError::Verification(format!("entry {}: {}: {}", f.seq, f.reason, f.detail))),
        (None, Some(c)) => Err(CliError::Verification(format!(
            "{} was changed behind git's back; `assay reconcile` heals it",
            c.strategy()
        ))),
        (None, None) => Ok(()),
    }
}

fn tell(s: &Value) -> String {
    let text = |k: &str| s[k].as_str().map_or_else(|| s[k].to_string(), str::to_string);
    let approved: Vec<&str> = s["approved_by"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let generated = if s["generated_data"] == json!(true) { " (GENERATED)" } else { "" };
    format!(
        "\n{} v{} is live: {}\n  config    {}\n  proposed  by {}, approved by {}\n  trial     {} of {}, one of {} tried on this data\n  data      {}{generated}\n  engine    {} at {}\n  evidence  {} entries of {}",
        text("strategy"),
        s["version"],
        text("status"),
        text("config_sha256"),
        text("author"),
        approved.join(", "),
        s["trial"],
        text("study"),
        text("trials_tried_on_this_data"),
        text("data_hash"),
        text("engine_version"),
        text("source_commit"),
        s["ledger"]["size"],
        s["ledger"]["origin"].as_str().unwrap_or_default()
    )
}
