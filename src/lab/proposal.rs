//! What a promotion and a rollback have in common: the events behind a config, its signature, and
//! the branch on which it waits for reviewers.

use crate::error::LabError;
use crate::folder::Lab;
use crate::writer::Writer;
use assay_ledger::keys::note::Verifier;
use assay_ledger::keys::sshsig;
use assay_ledger::{Checkpoint, EventId, Hash};
use assay_production::repository::evidence::{commit_tiles, event_ref, files, ledger_branch};
use assay_production::repository::{Files, Repo};
use assay_shared::event::{Event, trial_id};
use assay_shared::format::config::{
    Counted, EventRef, LedgerRef, LiveConfig, NAMESPACE, approval_statement, evidence_dir, proposal_branch,
};
use assay_shared::policy::{PATH, Policy};
use assay_shared::time::format_ms;

/// A proposal on its branch.
#[derive(Debug, Clone)]
pub struct Proposed {
    /// The branch.
    pub branch: String,
    /// The config.
    pub config: LiveConfig,
    /// SHA-256 of its text.
    pub sha256: Hash,
}

/// The config in force on the lab's main branch, with its text.
///
/// # Errors
/// A repository that cannot be read, or a config in force that is malformed.
pub fn in_force(repo: &Repo, strategy: &str) -> Result<Option<(LiveConfig, Vec<u8>)>, LabError> {
    let Some(tip) = repo.tip("refs/heads/main") else { return Ok(None) };
    let Some(bytes) = repo.file(&tip, &LiveConfig::path(strategy))? else { return Ok(None) };
    let config = LiveConfig::parse(&bytes).map_err(LabError::format("the config in force"))?;
    Ok(Some((config, bytes)))
}

/// The lab's repository with its main branch where the deploy repository beside it has it: a deployment that was cut off
/// after its push had landed left the lab behind. Of one that is elsewhere `sync` brings it.
///
/// # Errors
/// A branch that has parted from the deployed one.
pub fn up_to_date(lab: &Lab) -> Result<Repo, LabError> {
    let repo = lab.repo()?;
    if lab.config.deploy.is_none() && lab.deploy_path().is_dir() {
        repo.catch_up(&lab.deploy_remote(), "main")?;
    }
    Ok(repo)
}

/// The policy on the lab's main branch, with its hash.
///
/// # Errors
/// No policy, or a malformed one.
pub fn policy(repo: &Repo) -> Result<(Policy, Hash), LabError> {
    let none = || {
        LabError::usage(
            "the lab's main branch has no policy",
            "set the gate up with `assay init --reviewer` or `assay hook install`",
        )
    };
    let tip = repo.tip("refs/heads/main").ok_or_else(none)?;
    let bytes = repo.file(&tip, PATH)?.ok_or_else(none)?;
    let policy = Policy::parse(&String::from_utf8_lossy(&bytes)).map_err(LabError::format("the policy"))?;
    Ok((policy, Hash::of(&bytes)))
}

/// A time as a config states it.
fn stated(us: u64) -> String {
    format_ms((us / 1000) as i64) + " UTC"
}

/// Positions of the events behind a proposal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Behind {
    pub study: u64,
    pub trial: u64,
    pub closed: u64,
    pub walk: u64,
    pub parity: u64,
}

impl Behind {
    /// The events of a study's trial.
    pub fn find(writer: &Writer, id: [u8; 16], number: u32, walk: u64, parity: u64) -> Result<Behind, LabError> {
        let log = &writer.log;
        let missing = || LabError::Verification("the ledger lacks an event of the study".into());
        let study = log.find(&EventId::derived(&[b"study", &id]))?.ok_or_else(missing)?;
        let mut closed = log.find(&EventId::derived(&[b"study-closed", &id]))?.ok_or_else(missing)?;
        // The last close counts.
        let mut round: u32 = 1;
        while let Some(seq) = log.find(&EventId::derived(&[b"study-closed", &id, &round.to_be_bytes()]))? {
            (closed, round) = (seq, round + 1);
        }
        let trial = log.find(&trial_id(&id, number))?.ok_or_else(missing)?;
        Ok(Behind { study, trial, closed, walk, parity })
    }

    /// The events of a config that was in force before.
    pub fn of(reference: &LedgerRef) -> Behind {
        Behind {
            study: reference.study.seq,
            trial: reference.trial.seq,
            closed: reference.closed.seq,
            walk: reference.walk_forward.seq,
            parity: reference.parity.seq,
        }
    }
}

/// The logs of the policy besides one's own, as far as the repository has them: their trials are counted too.
fn counted(repo: &Repo, own: &str, policy: &Policy) -> Result<Vec<Counted>, LabError> {
    let mut out = Vec::new();
    for verifier in policy.origins.iter().filter_map(|o| o.vkey.parse::<Verifier>().ok()).filter(|v| v.name != own) {
        let Some(tip) = repo.tip(&format!("refs/heads/{}", ledger_branch(&verifier.name))) else { continue };
        let Some(note) = repo.file(&tip, "checkpoint")? else { continue };
        let c = Checkpoint::open(&note, &verifier)?;
        out.push(Counted { origin: c.origin, size: c.size, root: c.root });
    }
    out.sort_by(|a, b| a.origin.cmp(&b.origin));
    Ok(out)
}

/// Records the proposal, publishes, signs the config, and commits config and evidence. The config
/// states the time of the proposal's event, which `proposal` makes of it.
pub(crate) fn finish(
    lab: &Lab,
    repo: &Repo,
    mut writer: Writer,
    mut config: LiveConfig,
    proposal: impl FnOnce(&LiveConfig) -> Event,
    behind: Behind,
) -> Result<Proposed, LabError> {
    let (policy, policy_sha256) = policy(repo)?;
    // Asked for its passphrase before anything is held.
    let signer = lab.signer()?;
    let repo = &lab.signed_repo(Some(signer.clone()))?;
    writer.keep()?;
    let _held = lab.session.stop.hold();
    config.promotion.promotion_timestamp = stated(writer.fix_time()?);
    let proposal_at = writer.record_one(proposal(&config))?.seq;
    let checkpoint = writer.publish()?;
    let log = &writer.log;
    let counted = counted(repo, log.origin(), &policy)?;
    let at = |seq| -> Result<EventRef, LabError> { Ok(event_ref(log, seq)?) };
    let reference = LedgerRef {
        origin: log.origin().into(),
        size: checkpoint.size,
        root: checkpoint.root,
        study: at(behind.study)?,
        trial: at(behind.trial)?,
        closed: at(behind.closed)?,
        walk_forward: at(behind.walk)?,
        parity: at(behind.parity)?,
        proposal: at(proposal_at)?,
        counted,
    };
    let (name, version) = (config.promotion.strategy.clone(), config.promotion.version);
    let mut commit: Files = files(log, &reference, &name, version)?;
    config.ledger = Some(reference);
    let text = config.text();
    let sha256 = Hash::of(text.as_bytes());
    let signature = sshsig::sign(&signer, NAMESPACE, text.as_bytes())?;
    let path = LiveConfig::path(&name);
    commit.insert(
        format!("{}/statement", evidence_dir(&name, version)),
        approval_statement(&config, &sha256, &policy_sha256).into_bytes(),
    );
    commit.insert(format!("{path}.sig"), signature.into_bytes());
    commit.insert(path, text.into_bytes());
    commit_tiles(repo, log, &lab.config.person)?;
    let branch = proposal_branch(&name, version, &sha256);
    let main = repo.tip("refs/heads/main");
    let message =
        format!("promote {name} v{version}: trial {} of {}", config.promotion.trial_id, config.promotion.study_name);
    repo.commit_from(&branch, main.as_deref(), &commit, &lab.config.person, &message)?;
    writer.release();
    lab.refresh_mirror()?;
    Ok(Proposed { branch, config, sha256 })
}
