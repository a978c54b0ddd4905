//! `assay review`

use super::Context;
use super::error::CliError;
use super::lab::Lab;
use super::output::{print, print_json};
use super::promote::{in_force, policy};
use assay_ledger::Hash;
use assay_production::promotion::Repo;
use assay_shared::promotion::{LiveConfig, approval_statement, evidence_dir};
use serde_json::{Value, json};

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

/// A proposal read from its branch.
pub struct Proposal {
    /// The config.
    pub config: LiveConfig,
    /// SHA-256 of its text.
    pub sha256: Hash,
    /// What a reviewer signs.
    pub statement: String,
    /// Folder of its evidence.
    pub dir: String,
}

/// Reads the proposal of a branch.
pub fn read(repo: &Repo, branch: &str) -> Result<Proposal, CliError> {
    let missing =
        || CliError::usage(format!("there is no branch '{branch}'"), "list the proposals with `assay review`");
    let tip = repo.tip(&format!("refs/heads/{branch}")).ok_or_else(missing)?;
    let name = branch.trim_start_matches("promote/").rsplitn(3, '-').nth(2).unwrap_or_default();
    let bytes = repo.file(&tip, &LiveConfig::path(name))?.ok_or_else(missing)?;
    let config = LiveConfig::parse(&bytes).map_err(|e| CliError::Verification(format!("{branch}: {e}")))?;
    let sha256 = Hash::of(&bytes);
    let (_, policy_sha256) = policy(repo)?;
    let statement = approval_statement(&config, &sha256, &policy_sha256);
    let dir = evidence_dir(&config.promotion.strategy, config.promotion.version);
    Ok(Proposal { config, sha256, statement, dir })
}

pub fn run(cx: &Context, args: Args) -> Result<(), CliError> {
    let lab = cx.lab()?;
    let repo = Repo::open(&lab.repo_path())?;
    let Some(branch) = args.branch else {
        let branches = repo.branches("promote/")?;
        if cx.json {
            print_json(&branches)
        } else {
            print(&branches.join("\n"))
        }
        return Ok(());
    };
    let proposal = read(&repo, &branch)?;
    if args.statement {
        print(proposal.statement.trim_end());
        return Ok(());
    }
    let before = in_force(&repo, &proposal.config.promotion.strategy)?;
    let facts = facts(&lab, &proposal)?;
    if cx.json {
        print_json(
            &json!({"config": proposal.config, "config_sha256": proposal.sha256, "statement": proposal.statement, "evidence": facts}),
        );
        return Ok(());
    }
    let p = &proposal.config.promotion;
    print(&format!("{} v{} by {}, trial {} of {}", p.strategy, p.version, p.author, p.trial_id, p.study_name));
    if p.generated_data {
        print("GENERATED DATA: never trade it");
    }
    if let Some(v) = p.restores_version {
        print(&format!("rollback to version {v}"));
    }
    print(&format!("\n{}", difference(before.as_ref().map(|b| &b.0), &proposal.config)));
    for (name, value) in facts.as_object().into_iter().flatten() {
        print(&format!("  {name:<32} {value}"));
    }
    print(&format!(
        "\nto approve: assay approve {branch} --key FILE\nor sign this with ssh-keygen:\n\n{}",
        proposal.statement
    ));
    Ok(())
}

/// What changes in words: parameters before and after.
fn difference(before: Option<&LiveConfig>, after: &LiveConfig) -> String {
    let mut out = Vec::new();
    for (name, value) in &after.parameters {
        let old = before.and_then(|b| b.parameters.get(name));
        out.push(match old {
            Some(old) if old == value => format!("  {name} = {value}"),
            Some(old) => format!("  {name} = {old} -> {value}"),
            None => format!("+ {name} = {value}"),
        });
    }
    if before.is_some_and(|b| b.promotion.strategy_hash != after.promotion.strategy_hash) {
        out.push("  the strategy file itself changes".into());
    }
    out.join("\n")
}

/// Figures of the proposal's trial and study, from the mirror.
fn facts(lab: &Lab, proposal: &Proposal) -> Result<Value, CliError> {
    let mirror = lab.mirror()?;
    let p = &proposal.config.promotion;
    let Ok(study) = lab.study(&mirror, Some(&p.study_id)) else { return Ok(json!({})) };
    let trial = mirror.trial(&p.study_id, p.trial_id)?;
    let mut out = serde_json::Map::new();
    for (name, value) in trial.iter().flat_map(|t| &t.metrics) {
        if ["cagr", "sharpe", "max_drawdown", "trades", "win_rate", "liquidations"].contains(&name.as_str()) {
            out.insert(format!("out-of-sample {name}"), json!(value));
        }
    }
    for name in ["dsr", "pbo", "psr", "trials_lineage"] {
        out.insert(name.into(), study.statistics.get(name).cloned().unwrap_or(Value::Null));
    }
    Ok(Value::Object(out))
}
