//! What a proposed branch would put live, what a reviewer signs, and the signing.

use crate::error::LabError;
use crate::folder::Lab;
use crate::proposal::{in_force, policy};
use assay_ledger::keys::sshsig;
use assay_ledger::{Hash, Signer};
use assay_production::repository::Repo;
use assay_shared::event::Event;
use assay_shared::event::codec::Real;
use assay_shared::format::config::{APPROVAL_NAMESPACE, EventRef, LiveConfig, approval_statement, evidence_dir};
use assay_shared::metric::Metric;
use assay_shared::policy::Role;
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

/// A proposal beside what it would replace.
#[derive(Debug, Clone)]
pub struct Review {
    /// The proposal.
    pub proposal: Proposal,
    /// The config in force.
    pub before: Option<LiveConfig>,
    /// Figures of its trial and study, as the mirror has them; a value that is undefined is absent.
    pub facts: Vec<(String, Option<f64>)>,
}

/// A parameter before and after.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed {
    /// Its name.
    pub name: String,
    /// Its value in force, if it has one.
    pub before: Option<String>,
    /// Its value as proposed.
    pub after: String,
}

/// The branches that propose something.
///
/// # Errors
/// A repository that cannot be read.
pub fn proposals(lab: &Lab) -> Result<Vec<String>, LabError> {
    Ok(lab.repo()?.branches("promote/")?)
}

/// Reads the proposal of a branch.
///
/// # Errors
/// No such branch, or a malformed config on it.
pub fn read(repo: &Repo, branch: &str) -> Result<Proposal, LabError> {
    let missing =
        || LabError::usage(format!("there is no branch '{branch}'"), "list the proposals with `assay review`");
    let tip = repo.tip(&format!("refs/heads/{branch}")).ok_or_else(missing)?;
    let name = branch.trim_start_matches("promote/").rsplitn(3, '-').nth(2).unwrap_or_default();
    let bytes = repo.file(&tip, &LiveConfig::path(name))?.ok_or_else(missing)?;
    let config = LiveConfig::parse(&bytes).map_err(LabError::format(branch))?;
    let sha256 = Hash::of(&bytes);
    let (_, policy_sha256) = policy(repo)?;
    let statement = approval_statement(&config, &sha256, &policy_sha256);
    let dir = evidence_dir(&config.promotion.strategy, config.promotion.version);
    Ok(Proposal { config, sha256, statement, dir })
}

/// Reads a proposal with what a reviewer wants to see beside it.
///
/// # Errors
/// As [`read`].
pub fn review(lab: &Lab, branch: &str) -> Result<Review, LabError> {
    let repo = lab.repo()?;
    let proposal = read(&repo, branch)?;
    let before = in_force(&repo, &proposal.config.promotion.strategy)?.map(|b| b.0);
    let facts = facts(lab, &proposal)?;
    Ok(Review { proposal, before, facts })
}

impl Review {
    /// Every parameter as proposed, beside its value in force.
    pub fn parameters(&self) -> Vec<Changed> {
        let before = |name: &str| self.before.as_ref().and_then(|b| b.parameters.get(name)).map(ToString::to_string);
        let change = |(name, value): (&String, &assay_shared::strategy::Value)| Changed {
            name: name.clone(),
            before: before(name),
            after: value.to_string(),
        };
        self.proposal.config.parameters.iter().map(change).collect()
    }

    /// Whether the strategy's own text changes.
    pub fn strategy_changes(&self) -> bool {
        let after = self.proposal.config.promotion.strategy_hash;
        self.before.as_ref().is_some_and(|b| b.promotion.strategy_hash != after)
    }
}

/// What a reviewer sees first of a trial.
const SHOWN: [Metric; 6] =
    [Metric::Cagr, Metric::Sharpe, Metric::MaxDrawdown, Metric::Trades, Metric::WinRate, Metric::Liquidations];

fn facts(lab: &Lab, proposal: &Proposal) -> Result<Vec<(String, Option<f64>)>, LabError> {
    let log = lab.log()?;
    let evidence = proposal.config.ledger.as_ref().filter(|e| e.origin == log.origin());
    let Some(evidence) = evidence else { return Ok(Vec::new()) };
    // The very entries that the config names, by hash: a mirror may have been edited.
    let entry = |at: &EventRef| -> Result<Event, LabError> {
        let entry = log.entry(at.seq)?;
        if entry.leaf_hash() != at.leaf {
            return Err(LabError::Verification(format!("entry {} is not the one that the config names", at.seq)));
        }
        Ok(Event::of(&entry)?)
    };
    let (walked, closed) = (entry(&evidence.walk_forward)?, entry(&evidence.closed)?);
    let (Event::WalkForwardCompleted(walked), Event::StudyClosed(closed)) = (walked, closed) else {
        return Err(LabError::Verification("the config names other events than it should".into()));
    };
    let value = |of: &[(String, Real)], name: &str| of.iter().find(|(n, _)| n == name).map(|(_, v)| v.0);
    let shown = SHOWN.iter().map(|m| (format!("out-of-sample {}", m.name()), value(&walked.metrics, m.name())));
    // On data that were made up nothing is real: no probability of it is shown.
    let made_up = proposal.config.promotion.generated_data;
    let names = ["dsr", "pbo", "psr", "trials_lineage"].into_iter().filter(|name| !made_up || *name != "dsr");
    let statistics = names.map(|name| (name.into(), value(&closed.statistics, name)));
    Ok(shown.chain(statistics).collect())
}

/// Signs the statement of a branch with a key file and commits the signature. Gives who approved.
///
/// # Errors
/// A key of nobody who may approve, or the author's own.
pub fn approve(lab: &Lab, branch: &str, key: &Path) -> Result<String, LabError> {
    let statement = read(&lab.repo()?, branch)?.statement;
    let signer = Signer::read(key, &|path| lab.session.observer.passphrase(path))?;
    add_approval(lab, branch, &sshsig::sign(&signer, APPROVAL_NAMESPACE, statement.as_bytes())?)
}

/// Checks a signature over the statement, made elsewhere, and commits it to the branch.
///
/// # Errors
/// As [`approve`].
pub fn add_approval(lab: &Lab, branch: &str, signature: &str) -> Result<String, LabError> {
    let repo = lab.repo()?;
    let proposal = read(&repo, branch)?;
    let key = sshsig::verify(signature.as_bytes(), APPROVAL_NAMESPACE, proposal.statement.as_bytes())?;
    let (policy, _) = policy(&repo)?;
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
