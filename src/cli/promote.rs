//! `assay promote`

use super::Context;
use super::error::CliError;
use super::lab::{Lab, Writer};
use super::output::{print, print_json, say};
use super::{opened, report, study, trials};
use assay_ledger::{EventId, Hash, keys::sshsig};
use assay_production::promotion::evidence::{commit_tiles, event_ref, files};
use assay_production::promotion::{Repo, repo::Files};
use assay_research::study::run::Finished;
use assay_shared::event::{Event, PromotionProposed, RollbackProposed, trial_id};
use assay_shared::policy::{PATH, Policy};
use assay_shared::promotion::{
    EventRef, LedgerRef, LiveConfig, NAMESPACE, Promotion, Versions, approval_statement, evidence_dir,
};
use assay_shared::time::format_ms;
use serde_json::json;

/// Propose a trial for production: a signed config with its evidence, on a branch
///
/// Example: assay promote --study trend-walkforward
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Trial number [default: the best]
    number: Option<u32>,
    /// Study name or id [default: the newest]
    #[arg(long)]
    study: Option<String>,
}

/// A proposal on its branch.
pub struct Proposed {
    /// The branch.
    pub branch: String,
    /// The config.
    pub config: LiveConfig,
    /// SHA-256 of its text.
    pub sha256: Hash,
}

pub fn run(cx: &Context, args: Args) -> Result<(), CliError> {
    let proposed = propose(&cx.lab()?, args.study.as_deref(), args.number)?;
    announce(cx, &proposed);
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
    say(&format!(
        "next: a reviewer runs `assay approve {} --key FILE`, or signs the statement with ssh-keygen",
        p.branch
    ));
}

/// The config in force on the lab's main branch, with its text.
pub fn in_force(repo: &Repo, strategy: &str) -> Result<Option<(LiveConfig, Vec<u8>)>, CliError> {
    let Some(tip) = repo.tip("refs/heads/main") else { return Ok(None) };
    let Some(bytes) = repo.file(&tip, &LiveConfig::path(strategy))? else { return Ok(None) };
    let config = LiveConfig::parse(&bytes).map_err(|e| CliError::Verification(format!("the config in force: {e}")))?;
    Ok(Some((config, bytes)))
}

/// The policy on the lab's main branch, with its hash.
pub fn policy(repo: &Repo) -> Result<(Policy, Hash), CliError> {
    let none = || {
        CliError::usage(
            "the lab's main branch has no policy",
            "set the gate up with `assay init --reviewer` or `assay hook install`",
        )
    };
    let tip = repo.tip("refs/heads/main").ok_or_else(none)?;
    let bytes = repo.file(&tip, PATH)?.ok_or_else(none)?;
    let policy = Policy::parse(&String::from_utf8_lossy(&bytes))
        .map_err(|e| CliError::Verification(format!("the policy: {e}")))?;
    Ok((policy, Hash::of(&bytes)))
}

/// Proposes a trial.
pub fn propose(lab: &Lab, study_name: Option<&str>, number: Option<u32>) -> Result<Proposed, CliError> {
    let (s, t) = trials::pick(lab, study_name, number)?;
    if !s.closed {
        return Err(CliError::usage(
            format!("the study '{}' is not complete", s.name),
            format!("finish it with `assay study resume {}`", s.name),
        ));
    }
    let opened = opened::reopen(lab, &s.study_id)?;
    let trial = report::recorded(lab, t.seq)?;
    let repo = Repo::open(&lab.repo_path())?;
    let name = &opened.strategy.file.name;
    let before = in_force(&repo, name)?;
    let evaluator = opened.evaluator()?;
    let mut writer = lab.writer()?;
    let walk = study::walk_forward(&opened, &evaluator, &trial)?;
    let stream = Hash(walk.stream_hash);
    let walk_at = writer.record_one(walk)?;
    let parity_at = parity_of(&writer, opened.id, trial.number)?;
    let config = LiveConfig {
        promotion: Promotion {
            strategy: name.clone(),
            version: before.as_ref().map_or(0, |b| b.0.promotion.version) + 1,
            replaces_sha256: before.as_ref().map_or(Hash::ZERO, |b| Hash::of(&b.1)),
            author: lab.config.person.clone(),
            study_id: s.study_id.clone(),
            study_name: s.name.clone(),
            trial_id: trial.number,
            strategy_hash: opened.strategy.hash(),
            data_hash: opened.data_hash,
            rulebook_hash: opened.book.hash(),
            stream_hash: stream,
            promotion_timestamp: now(&writer),
            generated_data: opened.market.generated,
            restores_version: None,
        },
        environment: Versions::from(&opened.environment),
        assumptions: opened.settings.assumptions,
        parameters: trial.seen.params.clone(),
        strategy: opened.strategy.file.clone(),
        ledger: None,
    };
    let p = &config.promotion;
    let proposal: Event = PromotionProposed {
        strategy: name.clone(),
        version: p.version,
        core_sha256: config.core_sha256().0,
        replaces_sha256: p.replaces_sha256.0,
        study_id: opened.id,
        number: trial.number,
    }
    .into();
    let evidence = find_evidence(&writer, opened.id, &trial, walk_at.seq, parity_at)?;
    finish(lab, &repo, writer, config, proposal, evidence)
}

/// The current time as a config states it.
pub fn now(writer: &Writer) -> String {
    format_ms(((writer.log.clock)() / 1000) as i64) + " UTC"
}

fn parity_of(writer: &Writer, id: [u8; 16], number: u32) -> Result<u64, CliError> {
    let mut found = None;
    writer.log.scan(0, |entry| {
        if entry.kind() == "ParityVerified"
            && let Event::ParityVerified(e) = Event::of(&entry)?
            && (e.study_id, e.number) == (id, number)
        {
            found = Some(entry.seq);
        }
        Ok::<(), CliError>(())
    })?;
    found.ok_or_else(|| {
        CliError::usage(format!("trial {number} has no parity proof"), format!("run `assay parity {number}` first"))
    })
}

/// Positions of the events behind a proposal.
pub struct Evidence {
    study: u64,
    trial: u64,
    closed: u64,
    walk: u64,
    parity: u64,
}

fn find_evidence(
    writer: &Writer,
    id: [u8; 16],
    trial: &Finished,
    walk: u64,
    parity: u64,
) -> Result<Evidence, CliError> {
    let log = &writer.log;
    let missing = || CliError::Verification("the ledger lacks an event of the study".into());
    let study = log.find(&EventId::derived(&[b"study", &id]))?.ok_or_else(missing)?;
    let closed = log.find(&EventId::derived(&[b"study-closed", &id]))?.ok_or_else(missing)?;
    let trial = log.find(&trial_id(&id, trial.number))?.ok_or_else(missing)?;
    Ok(Evidence { study, trial, closed, walk, parity })
}

impl Evidence {
    /// The evidence of a config that was in force before.
    pub fn of(reference: &LedgerRef) -> Evidence {
        Evidence {
            study: reference.study.seq,
            trial: reference.trial.seq,
            closed: reference.closed.seq,
            walk: reference.walk_forward.seq,
            parity: reference.parity.seq,
        }
    }
}

/// Records the proposal, publishes, signs the config, and commits config and evidence.
pub fn finish(
    lab: &Lab,
    repo: &Repo,
    mut writer: Writer,
    mut config: LiveConfig,
    proposal: Event,
    e: Evidence,
) -> Result<Proposed, CliError> {
    let (_, policy_sha256) = policy(repo)?;
    let proposal_at = writer.record_one(proposal)?.seq;
    let checkpoint = writer.publish()?;
    let log = &writer.log;
    let at = |seq| -> Result<EventRef, CliError> { Ok(event_ref(log, seq)?) };
    let reference = LedgerRef {
        origin: log.origin().into(),
        size: checkpoint.size,
        root: checkpoint.root,
        study: at(e.study)?,
        trial: at(e.trial)?,
        closed: at(e.closed)?,
        walk_forward: at(e.walk)?,
        parity: at(e.parity)?,
        proposal: at(proposal_at)?,
    };
    let (name, version) = (config.promotion.strategy.clone(), config.promotion.version);
    let mut commit: Files = files(log, &reference, &name, version)?;
    config.ledger = Some(reference);
    let text = config.to_toml();
    let sha256 = Hash::of(text.as_bytes());
    let signature = sshsig::sign(&lab.signer()?, NAMESPACE, text.as_bytes())?;
    let path = LiveConfig::path(&name);
    commit.insert(
        format!("{}/statement", evidence_dir(&name, version)),
        approval_statement(&config, &sha256, &policy_sha256).into_bytes(),
    );
    commit.insert(format!("{path}.sig"), signature.into_bytes());
    commit.insert(path, text.into_bytes());
    commit_tiles(repo, log, &lab.config.person)?;
    let branch = format!("promote/{name}-v{version}-{}", sha256.short());
    let main = repo.tip("refs/heads/main");
    let message =
        format!("promote {name} v{version}: trial {} of {}", config.promotion.trial_id, config.promotion.study_name);
    repo.commit_from(&branch, main.as_deref(), &commit, &lab.config.person, &message)?;
    lab.mirror()?;
    Ok(Proposed { branch, config, sha256 })
}

/// The event that proposes to bring an earlier version back.
pub fn rollback_event(config: &LiveConfig, restores: u64, reason: &str) -> Event {
    let p = &config.promotion;
    RollbackProposed {
        strategy: p.strategy.clone(),
        version: p.version,
        core_sha256: config.core_sha256().0,
        replaces_sha256: p.replaces_sha256.0,
        restores_version: restores,
        reason: reason.into(),
    }
    .into()
}
