//! What a proposed branch would put live, what a reviewer signs, and the signing.

use crate::error::LabError;
use crate::folder::Lab;
use crate::proposal::{in_force, policy};
use assay_ledger::keys::sshsig;
use assay_ledger::{Entry, Hash, Signer};
use assay_production::gate::{Preview, preview};
use assay_production::repository::Repo;
use assay_shared::event::{Event, SeedGrade};
use assay_shared::format::config::{APPROVAL_NAMESPACE, LiveConfig, approval_statement, evidence_dir, proposal_of};
use assay_shared::format::flat::fields;
use assay_shared::policy::{PATH, Policy, Role};
use assay_shared::strategy::Strategy;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A proposal read from its branch.
#[derive(Debug, Clone)]
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

/// A proposal beside what it would replace, as the gate computes it now.
#[derive(Debug, Clone)]
pub struct Review {
    /// The proposal.
    pub proposal: Proposal,
    /// The config in force.
    pub before: Option<LiveConfig>,
    /// Every field that differs from the config in force, by its full name; all of them without one.
    pub changes: Vec<Changed>,
    /// The gate's checks, its figures, and who reproduced and approved.
    pub preview: Preview,
    /// The figures of the config in force, as its own evidence has them.
    pub figures_before: Option<BTreeMap<String, f64>>,
    /// One person alone may change the policy.
    pub single_person: bool,
    /// Where the study's seed comes from.
    pub seed: Option<SeedGrade>,
    /// Reason of a rollback.
    pub reason: Option<String>,
    /// Limits that are looser than those of a first policy.
    pub looser: Vec<String>,
    /// What the policy in force asks of a new promotion and not of one that was in force before, and that this one would
    /// not meet.
    pub grandfathered: Vec<String>,
}

/// A field before and after.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Changed {
    /// Its full name.
    pub name: String,
    /// Its value in force, if it has one.
    pub before: Option<String>,
    /// Its value as proposed, if it keeps one.
    pub after: Option<String>,
}

/// The branches that propose something; with `open`, only those that may still go live: whose version is above the one in
/// force, and that were made under the policy in force.
///
/// # Errors
/// A repository that cannot be read.
pub fn proposals(repo: &Repo, open: bool) -> Result<Vec<String>, LabError> {
    // Whatever else is called like one, nobody's command made it.
    let all: Vec<String> = repo.branches("promote/")?.into_iter().filter(|b| proposal_of(b).is_some()).collect();
    let over = |branch: &String| {
        let config = read(repo, branch).ok()?.config.promotion;
        let (before, _) = in_force(repo, &config.strategy).ok()??;
        Some(before.promotion.version >= config.version)
    };
    // A policy that has changed since ends what was proposed under the one before.
    let policy = |commit: &str| repo.file(commit, PATH).ok().flatten();
    let now = repo.tip("refs/heads/main").and_then(|main| policy(&main));
    let late = |branch: &String| {
        let then = repo.tip(&format!("refs/heads/{branch}")).and_then(|tip| policy(&tip));
        now.is_some() && then.is_some() && then != now
    };
    Ok(all.into_iter().filter(|branch| !open || !(over(branch) == Some(true) || late(branch))).collect())
}

/// Reads the proposal of a branch.
///
/// # Errors
/// No such branch, or a malformed config on it.
pub fn read(repo: &Repo, branch: &str) -> Result<Proposal, LabError> {
    let missing =
        || LabError::usage(format!("there is no branch '{branch}'"), "list the proposals with `assay review`");
    let tip = repo.tip(&format!("refs/heads/{branch}")).ok_or_else(missing)?;
    if proposal_of(branch).is_none() {
        let hint = "a proposal's branch is called promote/STRATEGY-vN-HASH; list them with `assay review`";
        return Err(LabError::usage(format!("'{branch}' is not the name of a proposal"), hint));
    }
    let name = branch.trim_start_matches("promote/").rsplitn(3, '-').nth(2).unwrap_or_default();
    let bytes = repo.file(&tip, &LiveConfig::path(name))?.ok_or_else(|| {
        let what = format!("the branch '{branch}' proposes no config of '{name}'");
        LabError::usage(
            what,
            "a proposal's branch is called promote/STRATEGY-vN-…, and brings configs/live/STRATEGY.toml",
        )
    })?;
    proposal(repo, branch, &bytes)
}

/// The version of a strategy that is in force on the deploy branch, as it was proposed.
///
/// # Errors
/// No such strategy there.
pub fn deployed(repo: &Repo, strategy: &str) -> Result<Proposal, LabError> {
    let missing = || {
        let what = format!("there is neither a branch nor a live strategy '{strategy}'");
        LabError::usage(what, "`assay review` lists the proposals, `assay active` what is live")
    };
    let main = repo.tip("refs/heads/main").ok_or_else(missing)?;
    let bytes = repo.file(&main, &LiveConfig::path(strategy))?.ok_or_else(missing)?;
    proposal(repo, strategy, &bytes)
}

fn proposal(repo: &Repo, place: &str, bytes: &[u8]) -> Result<Proposal, LabError> {
    let config = LiveConfig::parse(bytes).map_err(LabError::format(place))?;
    let sha256 = Hash::of(bytes);
    let (_, policy_sha256) = policy(repo)?;
    let statement = approval_statement(&config, &sha256, &policy_sha256);
    let dir = evidence_dir(&config.promotion.strategy, config.promotion.version);
    Ok(Proposal { config, sha256, statement, dir })
}

/// Reads a proposal with everything that a reviewer decides by: from the branch, its evidence and the logs of the
/// repository, each verified now. Nothing comes from the mirror.
///
/// # Errors
/// As [`read`], or a log that does not verify.
pub fn review(repo: &Repo, branch: &str) -> Result<Review, LabError> {
    let proposal = read(repo, branch)?;
    let name = proposal.config.promotion.strategy.clone();
    let before = in_force(repo, &name)?.map(|b| b.0);
    let (policy, _) = policy(repo)?;
    let missing = || LabError::usage("the repository has no main branch", "fetch it from the deploy repository");
    let main = repo.tip("refs/heads/main").ok_or_else(missing)?;
    let tip = repo.tip(&format!("refs/heads/{branch}")).ok_or_else(missing)?;
    let preview = preview(repo, &main, &tip, &name, assay_ledger::log::system_clock())?;
    let changes = changes(before.as_ref(), &proposal.config);
    let figures_before = before.as_ref().map(|b| evidence(repo, &main, b)).transpose()?.and_then(|e| e.figures);
    let own = evidence(repo, &tip, &proposal.config)?;
    let (single_person, seed, reason) = (policy.single_person, own.seed, own.reason);
    let looser = policy.gates.looser_than_usual();
    let grandfathered = grandfathered(&proposal.config, &preview, &policy);
    Ok(Review {
        proposal,
        before,
        changes,
        preview,
        figures_before,
        single_person,
        seed,
        reason,
        looser,
        grandfathered,
    })
}

/// What a version that is restored would not meet today: it is judged by the policy of its first time.
fn grandfathered(config: &LiveConfig, preview: &Preview, policy: &Policy) -> Vec<String> {
    if config.promotion.restores_version.is_none() || config.promotion.retired {
        return Vec::new();
    }
    let (g, t, mut out) = (&policy.gates, &policy.thresholds, Vec::new());
    let bound = Strategy::recorded(&config.strategy_text).ok().and_then(|s| s.bind(&config.parameters).ok());
    if let Some(leverage) = bound.map(|b| b.terms().highest_leverage()).filter(|l| *l > g.max_leverage) {
        out.push(format!("its leverage {leverage} is over {}", g.max_leverage));
    }
    if preview.reproduced.len() < t.reproductions as usize {
        out.push(format!("{} of {} reproductions", preview.reproduced.len(), t.reproductions));
    }
    out
}

fn changes(before: Option<&LiveConfig>, after: &LiveConfig) -> Vec<Changed> {
    let (old, new) = (before.map(fields).unwrap_or_default(), fields(after));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let differ = names.into_iter().filter(|name| old.get(*name) != new.get(*name));
    let change =
        |name: &String| Changed { name: name.clone(), before: old.get(name).cloned(), after: new.get(name).cloned() };
    differ.map(change).collect()
}

/// What lies beside a config, as the entries that it names by hash say.
#[derive(Debug, Default)]
struct Beside {
    figures: Option<BTreeMap<String, f64>>,
    seed: Option<SeedGrade>,
    reason: Option<String>,
}

fn evidence(repo: &Repo, commit: &str, config: &LiveConfig) -> Result<Beside, LabError> {
    let p = &config.promotion;
    let dir = evidence_dir(&p.strategy, p.version);
    let Some(reference) = &config.ledger else { return Ok(Beside::default()) };
    let mut out = Beside::default();
    for (name, at) in reference.events() {
        let Some(bytes) = repo.file(commit, &format!("{dir}/{name}.entry"))? else { continue };
        let entry = Entry::decode(bytes)?;
        if entry.leaf_hash() != at.leaf {
            return Err(LabError::Verification(format!("the {name} beside the config is not the one that it names")));
        }
        let event = Event::of(&entry)?;
        out.seed = out.seed.or(event.study().map(|s| s.seed));
        if let Some(assay_shared::event::study::Ended::Completed { metrics, .. }) = event.trial().map(|t| t.ended) {
            out.figures = Some(metrics);
        }
        if let Event::RollbackProposed(e) = event {
            out.reason = Some(e.reason);
        }
    }
    Ok(out)
}

/// Signs the statement of a branch with a key file and commits the signature. Gives who approved. `config` is the
/// SHA-256 of the config that was reviewed: whatever else the branch holds by now is not signed.
///
/// # Errors
/// A key of nobody who may approve, or the author's own; another config on the branch than the one that was reviewed.
pub fn approve(lab: &Lab, branch: &str, key: &Path, config: &str) -> Result<String, LabError> {
    let proposal = read(&lab.repo()?, branch)?;
    let whole = proposal.sha256.to_string();
    if config.len() < whole.len() && whole.starts_with(config) {
        return Err(LabError::usage(
            format!("{config} is only the beginning of a hash"),
            "give all 64 digits, as `assay review` shows them: a few are not what you have read",
        ));
    }
    if whole != config {
        return Err(LabError::Refused(format!(
            "the branch holds the config {}, and {config} was reviewed",
            proposal.sha256
        )));
    }
    mergeable(&lab.repo()?, branch)?;
    let signer = Signer::read(key, &|path| lab.session.observer.passphrase(path))?;
    let signature = sshsig::sign(&signer, APPROVAL_NAMESPACE, proposal.statement.as_bytes())?;
    approved(lab, &lab.signed_repo(Some(signer))?, branch, &signature)
}

/// That a proposal can still go where it would go: nobody signs for one that cannot.
pub(crate) fn mergeable(repo: &Repo, branch: &str) -> Result<(), LabError> {
    let tip = |name: &str| repo.tip(&format!("refs/heads/{name}"));
    let (Some(main), Some(tip)) = (tip("main"), tip(branch)) else { return Ok(()) };
    repo.proposed_on(&main, &tip).map(|_| ()).map_err(|e| LabError::Refused(format!("{branch}: {e}")))
}

/// Checks a signature over the statement, made elsewhere, and commits it to the branch.
///
/// # Errors
/// As [`approve`].
pub fn add_approval(lab: &Lab, branch: &str, signature: &str) -> Result<String, LabError> {
    approved(lab, &lab.repo()?, branch, signature)
}

fn approved(lab: &Lab, repo: &Repo, branch: &str, signature: &str) -> Result<String, LabError> {
    let proposal = read(repo, branch)?;
    mergeable(repo, branch)?;
    let key = sshsig::verify(signature.as_bytes(), APPROVAL_NAMESPACE, proposal.statement.as_bytes())?;
    let (policy, _) = policy(repo)?;
    let stranger = || LabError::Refused(format!("the key {} belongs to no reviewer of the policy", key.id()));
    let person = policy.person(&key, Role::Reviewer).ok_or_else(stranger)?;
    if person.name == proposal.config.promotion.author {
        return Err(LabError::Refused("an author cannot approve their own proposal".into()));
    }
    let _held = lab.session.stop.hold();
    let path = format!("{}/approvals/{}.sig", proposal.dir, person.name);
    let files = [(path, signature.as_bytes().to_vec())].into_iter().collect();
    repo.commit(branch, &files, &person.name, &format!("approve {branch}"))?;
    Ok(person.name.clone())
}
