//! `assay audit`

use super::Context;
use super::active::halted_lines;
use super::output::{counted, harmless, print, print_json, say};
use super::place::Place;
use assay_lab::LabError;
use assay_lab::audit::{Audit, Story, audit};
use assay_production::reconcile::Status;
use serde_json::json;

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
    #[command(flatten)]
    place: Place,
}

/// Audits a clone: the branch from the pinned policy on, every log, the host's log, and how they fit together.
fn of_clone(cx: &Context, args: &Args) -> Result<(), LabError> {
    let clone = args.place.verified(cx)?;
    let host = clone.host_log()?.map(|log| (log.origin.clone(), log.len()));
    let mut odd = if host.is_some() { clone.oddities()? } else { vec!["the host's log is not here".into()] };
    if host.is_some() {
        odd.extend(clone.unsaid()?);
    }
    let live: Vec<_> = clone.live.iter().filter(|c| !c.retired).collect();
    if cx.json {
        let row = |c: &&assay_production::gate::InForce| {
            json!({"strategy": c.strategy, "version": c.version, "config_sha256": c.sha256, "author": c.author,
                "approved_by": c.approvers, "commit": c.commit})
        };
        print_json(&json!({
            "head": clone.head, "versions": clone.ever.len(), "logs": clone.logs, "host_log": host, "findings": odd,
            "dependents": clone.dependents, "halted": clone.halted(None)?.keys().collect::<Vec<_>>(), "live": live.iter().map(row).collect::<Vec<_>>(),
        }));
    } else {
        print(&format!(
            "deploy branch at {}: {}, each verified from the pinned policy on",
            &clone.head[..12],
            counted(clone.ever.len(), "version")
        ));
        clone
            .logs
            .iter()
            .for_each(|(origin, len)| print(&format!("log {}: {} entries verified", harmless(origin), len)));
        host.iter()
            .for_each(|(origin, len)| print(&format!("host's log {}: {} entries verified", harmless(origin), len)));
        if let Some(key) = clone.host_vkey()?.filter(|_| clone.host_key.is_none()) {
            let what =
                "nothing here vouches for the key of the host's log: compare it with the host's own, and name it";
            say(&format!("{what}: --host-key '{}'", harmless(&key)));
        }
        for d in live {
            print(&format!(
                "{} v{} by {}, approved by {}: {}",
                d.strategy,
                d.version,
                d.author,
                d.approvers.join(", "),
                d.sha256
            ));
        }
        halted_lines(&clone.halted(None)?, false).iter().for_each(|line| print(line));
        odd.iter().for_each(|words| print(&harmless(words)));
        clone.dependents.iter().for_each(|d| print(&format!("{} v{} was {}", d.strategy, d.version, d.what)));
    }
    match odd
        .first()
        .cloned()
        .or_else(|| clone.dependents.first().map(|d| format!("{} v{} was {}", d.strategy, d.version, d.what)))
    {
        Some(words) => Err(LabError::Verification(words)),
        None => Ok(()),
    }
}

pub fn run(cx: &Context, args: Args) -> Result<(), LabError> {
    if args.place.is_clone(cx) {
        return of_clone(cx, &args);
    }
    let found = audit(&cx.lab()?, args.full)?;
    if cx.json {
        print_json(&json!({
            "entries": found.entries, "host_entries": found.host_entries, "findings": found.findings,
            "live": found.live, "halted": found.halted.keys().collect::<Vec<_>>(), "changes": found.compared.changes, "dependents": found.compared.dependents,
        }));
    } else {
        show(&found);
    }
    let drift = found.compared.changes.iter().find(|c| c.is_drift());
    let dependent = found.compared.dependents.first();
    match (found.findings.first(), drift) {
        (Some(f), _) => Err(LabError::Verification(format!("entry {}: {}: {}", f.seq, f.reason, f.detail))),
        (None, Some(c)) => {
            Err(LabError::Verification(format!("{} was changed behind git's back; {}", c.strategy(), c.way_out())))
        }
        (None, None) if dependent.is_some() => Err(LabError::Verification(
            "what is live rests on people or keys that do not count any more: promote it again, roll it back, or \
             retire it"
                .into(),
        )),
        (None, None) => Ok(()),
    }
}

fn show(found: &Audit) {
    let hosts = found.findings.len() - found.own_findings;
    print(&format!(
        "lab ledger: {}, {}",
        counted(found.entries as usize, "entry"),
        counted(found.own_findings, "finding")
    ));
    print(&format!("deploy log: {}, {}", counted(found.host_entries as usize, "entry"), counted(hosts, "finding")));
    let at = &found.compared.commit[..12];
    print(&format!("deploy branch at {at}: signatures, approvals, evidence and policy verify"));
    for story in &found.live {
        print(&tell(story));
    }
    halted_lines(&found.halted, false).iter().for_each(|line| print(line));
    for change in &found.compared.changes {
        print(&harmless(&format!("live table: {change}")));
    }
    for d in &found.compared.dependents {
        print(&format!("{} v{} was {}", d.strategy, d.version, d.what));
    }
}

fn tell(s: &Story) -> String {
    let generated = if s.generated_data { " (GENERATED)" } else { "" };
    let tried = s.trials_tried_on_this_data.map_or("an unknown number".into(), |n| n.to_string());
    let evidence = s.ledger.as_ref().map_or("none".into(), |l| format!("{} entries of {}", l.size, l.origin));
    let lines = [
        match s.status {
            Status::Retired => format!("\n{} v{} is in force: retired, nothing of it is live", s.strategy, s.version),
            status => format!("\n{} v{} is live: {status:?}", s.strategy, s.version),
        },
        format!("  config    {}", s.config_sha256),
        format!("  proposed  by {}, approved by {}", s.author, s.approved_by.join(", ")),
        format!("  trial     {} of {}, one of {tried} tried on this data", s.trial, s.study),
        format!("  data      {}{generated}", s.data_hash),
        format!("  engine    {} at {}", s.engine_version, s.source_commit),
        format!("  evidence  {evidence}"),
    ];
    lines.join("\n")
}
