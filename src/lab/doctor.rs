//! Whether a lab is in order: folder, keys, ledger, mirror, hooks, live table.

use crate::error::LabError;
use crate::folder::Lab;
use crate::history::refuse_behind;
use crate::hooks;
use crate::kept;
use crate::table;
use assay_ledger::Log;
use assay_production::repository::Repo;
use assay_research::mirror::Mirror;
use assay_research::mirror::look::Seen;

/// One check: its name, and what is there or what is wrong.
pub type Check = (&'static str, Result<String, String>);

fn mirror(lab: &Lab) -> Result<String, String> {
    let log = lab.log().map_err(|e| e.to_string())?;
    let (_, seen) = Mirror::look(&lab.mirror_path(), &log).map_err(|e| e.to_string())?;
    match seen {
        Seen::Current => Ok(format!("at entry {}", log.len())),
        Seen::Behind(entries) => Ok(format!("{entries} behind; `assay mirror update` brings it up")),
        Seen::Unreadable(why) => Err(format!("cannot be read ({why}); `assay mirror rebuild` makes it anew")),
    }
}

fn snapshots(lab: &Lab) -> Result<String, String> {
    // A store that is named has what is not here.
    let (all, missing) = kept::missing(lab).map_err(|e| e.to_string())?;
    match (&missing[..], &lab.config.snapshots) {
        ([], _) => Ok(format!("{all} registered, all there")),
        (some, Some(store)) => Ok(format!("{all} registered, {} of them in {store} alone, if there", some.len())),
        ([first, ..], None) => Err(format!(
            "of {all} registered, {} missing or damaged, such as {}: import the same data again with `assay data import`",
            missing.len(),
            first.short()
        )),
    }
}

/// How long the ledger is, which must hold what is remembered of it.
fn ledger(lab: &Lab) -> Result<String, LabError> {
    let log = lab.log()?;
    refuse_behind(&log, &lab.session)?;
    Ok(format!("{} entries", log.len()))
}

fn deploy_branch(lab: &Lab, repo: &Repo) -> Result<String, LabError> {
    let main = "refs/heads/main";
    let (here, there) = (repo.tip(main), Repo::open(&lab.deploy_path())?.tip(main));
    Ok(match here == there {
        true => "main is where the lab's is".into(),
        false => "main is not where the lab's is; the next `assay deploy` brings the lab's up".into(),
    })
}

/// How long the host's log is, which must hold what is remembered of it.
fn deploy_log(lab: &Lab) -> Result<String, LabError> {
    let log = Log::open(&lab.gate()?.dir().join("ledger"))?;
    refuse_behind(&log, &lab.session)?;
    Ok(format!("{} entries", log.len()))
}

/// Looks a lab over. Writes nothing.
pub fn checks(lab: &Lab) -> Vec<Check> {
    // What is wrong, and what to do about it.
    let words = |e: LabError| match e.hint() {
        Some(hint) => format!("{e}: {hint}"),
        None => e.to_string(),
    };
    let live = || -> Result<String, LabError> {
        let gate = lab.gate()?;
        let mut table = table::look(&gate)?;
        let rows = table.rows()?;
        let excess = table.excess()?.map_or(String::new(), |what| {
            format!("; {what}: make one that may only write with `assay deploy init --writer ROLE`")
        });
        Ok(format!("{}: {} live{excess}", table.place(), rows.len()))
    };
    let mut out = vec![
        ("key", lab.signer().map(|s| s.id().to_string()).map_err(words)),
        ("log key", lab.log_signer().map(|s| s.id().to_string()).map_err(words)),
        ("ledger", ledger(lab).map_err(words)),
        ("mirror", mirror(lab)),
        ("snapshots", snapshots(lab)),
    ];
    // What is elsewhere its host looks over.
    if let Some(url) = &lab.config.deploy {
        out.push(("deploy", lab.repo().and_then(|repo| elsewhere(lab, &repo, url)).map_err(words)));
        return out;
    }
    if lab.is_without_gate() {
        let words = "none: `assay init` makes one with --reviewer, or names one elsewhere with --deploy";
        out.push(("deploy", Ok(words.into())));
        return out;
    }
    out.extend([
        ("hooks", hooks::check(&lab.deploy_path()).map(|()| "in force".into()).map_err(words)),
        ("deploy log", deploy_log(lab).map_err(words)),
        ("deploy branch", lab.repo().and_then(|repo| deploy_branch(lab, &repo)).map_err(words)),
        ("live table", live().map_err(words)),
    ]);
    out
}

/// Whether a deploy repository that is elsewhere can be reached, and whether its first policy is the one that is trusted.
fn elsewhere(lab: &Lab, repo: &Repo, url: &str) -> Result<String, LabError> {
    let (here, there) = (repo.tip("refs/heads/main"), repo.remote_tip(&lab.deploy_remote(), "refs/heads/main")?);
    if lab.config.genesis.is_none() {
        return Err(LabError::usage("nobody said which first policy to trust", "write `genesis` into assay.toml"));
    }
    Ok(match (here == there, there) {
        (true, _) => format!("{url}: main is where the lab's is"),
        (false, None) => format!("{url}: it has no main branch yet; `assay sync` pushes the founder's policy"),
        (false, Some(_)) => format!("{url}: main is not where the lab's is; `assay sync` brings it"),
    })
}
