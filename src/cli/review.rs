//! `assay review`

use super::Context;
use super::output::{print, print_json};
use assay_lab::LabError;
use assay_lab::review::{Changed, Review, proposals, review};
use serde_json::json;
use std::collections::BTreeMap;

/// Show what a proposed branch would put live, and the statement to sign
///
/// Without a branch, lists the proposals.
///
/// Example: assay review promote/trend-v1-0123456789ab
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The branch
    branch: Option<String>,
    /// Print only the approval statement, for `ssh-keygen -Y sign -n approval@assay -f KEY`
    #[arg(long)]
    statement: bool,
}

pub fn run(cx: &Context, args: Args) -> Result<(), LabError> {
    let lab = cx.lab()?;
    let Some(branch) = args.branch else {
        let branches = proposals(&lab)?;
        if cx.json {
            print_json(&branches);
        } else {
            print(&branches.join("\n"));
        }
        return Ok(());
    };
    if args.statement {
        print(assay_lab::review::read(&lab.repo()?, &branch)?.statement.trim_end());
        return Ok(());
    }
    let review = review(&lab, &branch)?;
    let p = &review.proposal;
    if cx.json {
        let facts: BTreeMap<&String, &Option<f64>> = review.facts.iter().map(|(k, v)| (k, v)).collect();
        print_json(
            &json!({"config": p.config, "config_sha256": p.sha256, "statement": p.statement, "evidence": facts}),
        );
        return Ok(());
    }
    show(&review, &branch);
    Ok(())
}

fn show(review: &Review, branch: &str) {
    let p = &review.proposal.config.promotion;
    print(&format!("{} v{} by {}, trial {} of {}", p.strategy, p.version, p.author, p.trial_id, p.study_name));
    if p.generated_data {
        print("GENERATED DATA: never trade it");
    }
    if let Some(v) = p.restores_version {
        print(&format!("rollback to version {v}"));
    }
    let line = |c: Changed| match c.before {
        Some(old) if old == c.after => format!("  {} = {}", c.name, c.after),
        Some(old) => format!("  {} = {old} -> {}", c.name, c.after),
        None => format!("+ {} = {}", c.name, c.after),
    };
    print(&format!("\n{}", review.parameters().into_iter().map(line).collect::<Vec<_>>().join("\n")));
    if review.strategy_changes() {
        print("  the strategy file itself changes");
    }
    for (name, value) in &review.facts {
        print(&format!("  {name:<32} {}", value.map_or("undefined".into(), |v| v.to_string())));
    }
    let statement = &review.proposal.statement;
    print(&format!("\nto approve: assay approve {branch} --key FILE\nor sign this with ssh-keygen:\n\n{statement}"));
}
