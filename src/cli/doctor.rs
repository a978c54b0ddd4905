//! `assay doctor`

use super::Context;
use super::output::{counted, print, print_json};
use assay_lab::LabError;
use assay_lab::doctor::{Check, checks};
use serde_json::json;
use std::process::Command;

/// Check this machine and lab: programs, keys, ledger, mirror, hooks, live table
///
/// Example: assay doctor --lab lab
#[derive(Debug, clap::Args)]
pub struct Args {}

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

pub fn run(cx: &Context, _: Args) -> Result<(), LabError> {
    let mut all = vec![program("git", &["--version"]), program("ssh-keygen", &["-?"])];
    all[1].1 = std::mem::replace(&mut all[1].1, Ok(String::new())).map(|_| "found".into());
    match cx.lab() {
        Ok(lab) => all.extend(checks(&lab)),
        Err(e) => all.push(("lab", Err(e.to_string()))),
    }
    let bad = all.iter().filter(|c| c.1.is_err()).count();
    if cx.json {
        let row = |(n, r): &Check| json!({"check": n, "ok": r.is_ok(), "detail": r.as_ref().unwrap_or_else(|e| e)});
        print_json(&all.iter().map(row).collect::<Vec<_>>());
    } else {
        for (name, result) in &all {
            match result {
                Ok(words) => print(&format!("ok     {name:<12} {words}")),
                Err(words) => print(&format!("WRONG  {name:<12} {words}")),
            }
        }
    }
    if bad == 0 { Ok(()) } else { Err(LabError::could_not(format!("{} failed", counted(bad, "check")))) }
}
