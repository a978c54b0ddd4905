//! `assay doctor`

use super::Context;
use super::error::CliError;
use super::lab::Lab;
use super::output::{print, print_json};
use assay_production::deploy::open;
use assay_production::gate::Host;
use serde_json::json;
use std::process::Command;

/// Check this machine and lab: programs, keys, ledger, mirror, hooks, live table
///
/// Example: assay doctor --lab lab
#[derive(Debug, clap::Args)]
pub struct Args {}

/// One check: name, and what is wrong if anything.
type Check = (&'static str, Result<String, String>);

fn program(name: &'static str, args: &[&str]) -> Check {
    let out = Command::new(name).args(args).output().map_err(|e| format!("cannot be run: {e}"));
    (
        name,
        out.map(|o| {
            String::from_utf8_lossy(if o.stdout.is_empty() { &o.stderr } else { &o.stdout })
                .lines()
                .next()
                .unwrap_or_default()
                .to_string()
        }),
    )
}

fn lab_checks(lab: &Lab) -> Vec<Check> {
    let words = |e: CliError| e.to_string();
    let probe = lab.dir.join(".probe");
    let writable = std::fs::write(&probe, b"").and_then(|()| std::fs::remove_file(&probe));
    let mut out: Vec<Check> = vec![
        ("folder", writable.map(|()| "writable".into()).map_err(|e| e.to_string())),
        ("key", lab.signer().map(|s| s.id().to_string()).map_err(words)),
        ("log key", lab.log_signer().map(|s| s.id().to_string()).map_err(words)),
        ("ledger", lab.log().map(|l| format!("{} entries", l.len())).map_err(words)),
        ("mirror", lab.mirror().and_then(|m| Ok(m.cursor()?)).map(|c| format!("at {c}")).map_err(words)),
    ];
    let host = Host::open(&lab.gate_dir()).map_err(|e| e.to_string());
    let hooks = ["pre-receive", "post-receive"].iter().all(|h| lab.deploy_path().join("hooks").join(h).is_file());
    out.push(("hooks", if hooks { Ok("installed".into()) } else { Err("missing: run `assay hook install`".into()) }));
    let live = host.and_then(|h| {
        let mut table =
            open(&h.settings.live, &h.settings.genesis_policy_sha256.to_string()).map_err(|e| e.to_string())?;
        table.rows().map(|r| format!("{}: {} live", table.place(), r.len())).map_err(|e| e.to_string())
    });
    out.push(("live table", live));
    out
}

pub fn run(cx: &Context, _: Args) -> Result<(), CliError> {
    let mut checks = vec![program("git", &["--version"]), program("ssh-keygen", &["-?"])];
    checks[1].1 = std::mem::replace(&mut checks[1].1, Ok(String::new())).map(|_| "found".into());
    match cx.lab() {
        Ok(lab) => checks.extend(lab_checks(&lab)),
        Err(e) => checks.push(("lab", Err(e.to_string()))),
    }
    let bad = checks.iter().filter(|c| c.1.is_err()).count();
    if cx.json {
        let rows: Vec<_> = checks
            .iter()
            .map(|(n, r)| json!({"check": n, "ok": r.is_ok(), "detail": r.as_ref().unwrap_or_else(|e| e)}))
            .collect();
        print_json(&rows);
    } else {
        for (name, result) in &checks {
            match result {
                Ok(words) => print(&format!("ok     {name:<12} {words}")),
                Err(words) => print(&format!("WRONG  {name:<12} {words}")),
            }
        }
    }
    if bad == 0 { Ok(()) } else { Err(CliError::CouldNot { message: format!("{bad} checks failed"), hint: None }) }
}
