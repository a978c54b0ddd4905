//! `assay review`

use super::Context;
use super::complete;
use super::later;
use super::output::{harmless, print, print_json, say};
use super::page::{self, Block};
use super::place::Place;
use super::review_page::blocks;
use assay_lab::LabError;
use assay_lab::concerns::concerns;
use assay_lab::review::{Review, proposals, review};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Show what a proposed branch would put live, what the gate says of it, and the statement to sign
///
/// Everything is verified now and computed again from the branch and the logs of the repository: every field that
/// changes, figures old and new, what was tried to find it, who reproduced it. Without a branch, lists the proposals that may still go live.
///
/// Example: assay review promote/trend-v1-0123456789ab
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The branch
    #[arg(add = complete::branches())]
    branch: Option<String>,
    /// List also what can go live no more: a version that is as high is in force
    #[arg(long, conflicts_with = "branch")]
    all: bool,
    /// Print only the approval statement, for `ssh-keygen -Y sign -n approval@assay -f KEY`
    #[arg(long)]
    statement: bool,
    /// Print it as Markdown, for a pull request
    #[arg(long, conflicts_with_all = ["statement", "json"])]
    markdown: bool,
    /// Write it as one HTML file that loads nothing
    #[arg(long, value_name = "FILE", conflicts_with_all = ["statement", "json"])]
    html: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

pub fn run(cx: &Context, args: Args) -> Result<(), LabError> {
    let repo = args.place.proposals(cx)?;
    let Some(branch) = args.branch else {
        let branches = proposals(&repo, !args.all)?;
        if cx.json {
            print_json(&branches);
        } else {
            if branches.is_empty() {
                say("no proposal is open here; those of others come with `assay sync`");
            } else {
                print(&branches.join("\n"));
            }
        }
        return Ok(());
    };
    if args.statement {
        print(assay_lab::review::read(&repo, &branch)?.statement.trim_end());
        return Ok(());
    }
    let review = review(&repo, &branch)?;
    if cx.json {
        print_json(&to_json(&review));
    } else if args.markdown {
        print(&page::markdown(&[&[Block::Title(title(&review))][..], &blocks(&review, &branch)].concat()));
    } else if let Some(file) = args.html {
        let text = page::html(&title(&review), &blocks(&review, &branch));
        page::ours(&file)?;
        std::fs::write(&file, text).map_err(LabError::io("write", &file))?;
        say(&file.display().to_string());
    } else {
        show(&review, &branch);
    }
    Ok(())
}

fn to_json(r: &Review) -> Value {
    let p = &r.proposal;
    let checks: Vec<Value> = r
        .preview
        .checks
        .iter()
        .map(|c| match &c.outcome {
            Ok(words) => json!({"check": c.name, "ok": true, "words": words}),
            Err(words) => json!({"check": c.name, "ok": false, "words": words}),
        })
        .collect();
    let figures = r.preview.figures.as_ref().map(|f| {
        json!({"metrics": f.metrics, "objectives": f.objectives, "standing": f.standing, "folds": f.folds, "trials": f.trials, "given": f.given, "elsewhere": {"trials": f.elsewhere.0, "studies": f.elsewhere.1}, "rounds": f.rounds, "statistics": f.statistics, "pbo": f.pbo,
            "later": f.later.iter().map(|(run, looked)| later::to_json(run, looked)).collect::<Vec<_>>()})
    });
    let reproduced: BTreeMap<&String, &str> = r.preview.reproduced.iter().map(|(who, o)| (who, o.name())).collect();
    json!({
        "config": p.config, "config_sha256": p.sha256, "statement": p.statement, "changes": r.changes,
        "concerns": concerns(r), "limits": r.preview.limits, "checks": checks, "figures": figures, "figures_before": r.figures_before, "reproduced": reproduced,
        "approved": r.preview.approved, "seed": r.seed, "reason": r.reason, "single_person_policy": r.single_person,
    })
}

/// Shows a review in a terminal.
pub fn show(r: &Review, branch: &str) {
    print(&format!("{}\n{}", harmless(&title(r)), page::terminal(&blocks(r, branch))));
}

fn title(r: &Review) -> String {
    let p = &r.proposal.config.promotion;
    format!("{} v{} by {}, trial {} of '{}'", p.strategy, p.version, p.author, p.trial_id, p.study_name)
}
