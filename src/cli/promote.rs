//! `assay promote`

use super::Context;
use super::complete;
use super::output::{print, print_json, say};
use super::trials::broken;
use assay_lab::LabError;
use assay_lab::notify::{Kind, News, tell};
use assay_lab::promote::propose;
use assay_lab::proposal::Proposed;
use assay_lab::trial::pick;
use serde_json::json;

/// Propose a trial for production: a signed config with its evidence, on a branch
///
/// Example: assay promote --study trend-walkforward
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Trial number [default: the best]
    number: Option<u32>,
    /// Study name or id [default: the newest]
    #[arg(long, add = complete::studies())]
    study: Option<String>,
}

pub fn run(cx: &Context, args: Args) -> Result<(), LabError> {
    let lab = cx.lab()?;
    let proposed = propose(&lab, args.study.as_deref(), args.number)?;
    announce(cx, &proposed);
    let p = &proposed.config.promotion;
    // It is proposed: what cannot be looked at now is no failure of that.
    let seen = pick(&lab, Some(&p.study_id), Some(p.trial_id)).ok();
    if let Some(words) = seen.and_then(|(study, trial)| broken(&trial, &study.expressions().1)) {
        say(&format!("NOTE: the gate will refuse it, since it breaks what its study asks for: {words}"));
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
