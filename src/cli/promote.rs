//! `assay promote`

use super::Context;
use super::output::{print, print_json, say};
use super::trials;
use assay_lab::LabError;
use assay_lab::notify::{Kind, News, tell};
use assay_lab::promote::propose;
use assay_lab::proposal::Proposed;
use assay_lab::review::review;
use serde_json::json;

/// Propose a trial for production: a signed config with its evidence, on a branch
///
/// Example: assay promote --study trend-walkforward
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    which: trials::Which,
}

pub fn run(cx: &Context, args: Args) -> Result<(), LabError> {
    let lab = cx.lab()?;
    let (study, number) = args.which.chosen(&lab)?;
    let proposed = propose(&lab, study.as_deref(), number)?;
    announce(cx, &proposed);
    let p = &proposed.config.promotion;
    // It is proposed: what cannot be looked at now is no failure of that.
    let seen = lab.repo().and_then(|repo| review(&repo, &proposed.branch));
    for limit in seen.iter().flat_map(|r| &r.preview.limits) {
        if let Some(why) = &limit.broken {
            say(&format!("NOTE: the gate will refuse it as the policy stands: {why}"));
        }
    }
    let words = format!("{} v{} is proposed: {}", p.strategy, p.version, proposed.branch);
    tell(&lab.dir, &[News::now(Kind::Proposal, Some(&p.strategy), words)]);
    Ok(())
}

/// Says what was proposed and what comes next.
pub fn announce(cx: &Context, p: &Proposed) {
    let promotion = &p.config.promotion;
    if cx.json {
        print_json(
            &json!({"branch": p.branch, "strategy": promotion.strategy, "version": promotion.version, "config_sha256": p.sha256}),
        );
        return;
    }
    print(&p.branch);
    say(&format!("{} v{} proposed, config {}", promotion.strategy, promotion.version, p.sha256.short()));
    let shared = cx.lab().is_ok_and(|lab| lab.config.deploy.is_some());
    let first = if shared { "`assay sync`, then " } else { "" };
    let again = if promotion.restores_version.is_some() { "" } else { "`assay reproduce` and " };
    say(&format!("next: {first}a reviewer runs `assay review {}`, {again}`assay approve`", p.branch));
}
