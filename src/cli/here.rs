//! `assay` alone: where one stands, and what comes next.

use super::Context;
use super::active::halted_lines;
use super::output::{counted, print, print_json};
use assay_lab::halted::standing;
use assay_lab::live::{When, rows};
use assay_lab::review::proposals;
use assay_lab::{Lab, LabError, folder};
use assay_research::mirror::query::StudyRow;
use serde_json::json;

/// Proposals that are named.
const NAMED: usize = 5;

/// What a lab holds.
struct Here {
    entries: u64,
    snapshots: usize,
    studies: Vec<StudyRow>,
    proposals: Vec<String>,
    /// What is live, by strategy and version, where the live table is here and answers.
    live: Option<Result<Vec<(String, i64)>, String>>,
    /// What of it is halted, in words.
    halted: Vec<String>,
}

pub fn run(cx: &Context) -> Result<(), LabError> {
    let dir = folder::find(cx.lab.as_deref())?;
    if !dir.join("assay.toml").is_file() {
        if cx.json {
            print_json(&json!({"lab": null, "next": "assay init lab --person NAME"}));
            return Ok(());
        }
        print("there is no lab here, nor above\n");
        print("  assay guide start               the first ten minutes");
        print("  assay init lab --person NAME    a lab of your own");
        print("  assay demo                      the whole way once, in a folder lab/");
        print("  assay --help                    every command");
        return Ok(());
    }
    let lab = cx.lab()?;
    let here = look(&lab)?;
    let next = next(&here);
    if cx.json {
        let live = here.live.as_ref().map(|live| match live {
            Ok(rows) => json!(rows.iter().map(|(s, v)| json!({"strategy": s, "version": v})).collect::<Vec<_>>()),
            Err(e) => json!({"unknown": e}),
        });
        print_json(&json!({
            "lab": lab.dir, "person": lab.config.person, "entries": here.entries, "snapshots": here.snapshots,
            "studies": here.studies, "proposals": here.proposals, "live": live, "halted": here.halted, "next": next,
        }));
        return Ok(());
    }
    show(&lab, &here);
    print(&format!("\nnext: {next}"));
    Ok(())
}

fn look(lab: &Lab) -> Result<Here, LabError> {
    let mirror = lab.mirror()?;
    let live = (lab.config.deploy.is_none() && !lab.is_without_gate()).then(|| {
        let found = lab.gate().and_then(|host| rows(&host, When::Now));
        found
            .map(|rows| rows.into_iter().filter(|r| !r.is_retired()).map(|r| (r.strategy, r.version)).collect())
            .map_err(|e| e.to_string())
    });
    let halted = match &live {
        Some(Ok(_)) => halted_lines(&lab.gate().and_then(|host| standing(&host)).unwrap_or_default(), false),
        _ => Vec::new(),
    };
    Ok(Here {
        halted,
        entries: lab.log()?.len(),
        snapshots: mirror.snapshots()?.len(),
        studies: mirror.studies()?,
        proposals: proposals(&lab.repo()?, true)?,
        live,
    })
}

fn show(lab: &Lab, here: &Here) {
    let name = lab.dir.file_name().map_or_else(|| lab.dir.display().to_string(), |n| n.to_string_lossy().into_owned());
    let (entries, snapshots) = (counted(here.entries as usize, "entry"), counted(here.snapshots, "snapshot"));
    print(&format!("lab {name} of {}, {entries}, {snapshots}", lab.config.person));
    if let Some(s) = here.studies.first() {
        let state = if s.closed { "complete" } else { "not complete" };
        let best = s.best_score.map_or("none feasible".into(), |score| format!("best score {score:.4}"));
        let kind = if s.generated { ", GENERATED data" } else { "" };
        print(&format!(
            "{}; the newest: {}, {}, {state}, {best}{kind}",
            counted(here.studies.len(), "study"),
            s.name,
            counted(s.trials as usize, "trial")
        ));
    }
    for branch in here.proposals.iter().take(NAMED) {
        print(&format!("proposed: {branch}"));
    }
    if here.proposals.len() > NAMED {
        print(&format!("and {} more: assay review", counted(here.proposals.len() - NAMED, "proposal")));
    }
    match &here.live {
        None => {}
        Some(Ok(rows)) if rows.is_empty() => print("nothing is live"),
        Some(Ok(rows)) => {
            let all: Vec<String> = rows.iter().map(|(strategy, version)| format!("{strategy} v{version}")).collect();
            print(&format!("live: {}", all.join(", ")));
            here.halted.iter().for_each(|line| print(line));
        }
        Some(Err(e)) => print(&format!("what is live is not known: {e}")),
    }
}

/// The command that most people would give now.
fn next(here: &Here) -> String {
    match (here.studies.first(), here.proposals.first()) {
        _ if here.snapshots == 0 => "assay data import DIR (see `assay guide data`)".into(),
        (_, Some(branch)) => format!("assay review {branch}"),
        (None, _) => "assay strategy new NAME, then assay study run NAME.toml".into(),
        (Some(s), _) if !s.closed => format!("assay study resume {}", s.name),
        (Some(s), _) => format!("assay trials {} (or `assay study page {0}`)", s.name),
    }
}
