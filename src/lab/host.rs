//! The deploy host: its hooks, its own log with its own keys, and the reconciler's turn.

use crate::error::LabError;
use crate::history;
use crate::lawful;
use crate::lost;
use crate::session::{Notice, Session};
use crate::standing::follow;
use crate::table;
use crate::writer::Writer;
use assay_ledger::{Log, Signer};
use assay_production::deploy;
use assay_production::deploy::Change;
use assay_production::deploy::halts::{Halt, by_strategy};
use assay_production::gate::{self, GateError, Host, Update, Verdict};
use assay_production::reconcile::{Found, Reconciled, reconcile};
use assay_production::repository::Repo;
use assay_production::repository::evidence::commit_tiles;
use assay_production::repository::git::is_zero;
use assay_shared::event::{Event, HaltSaid, PromotionDeployed};
use assay_shared::format::config::LiveConfig;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;

/// Opens the host's log for writing.
fn writer(host: &Host, session: &Session) -> Result<Writer, LabError> {
    let keys = host.dir().join("keys");
    let read = |name: &str| Signer::read(&keys.join(name), &|_: &Path| None);
    Writer::new(Log::open(&host.dir().join("ledger"))?, read("deploy")?, read("log")?, session)
}

/// Makes a gate's live table as the owner of its database, and gives roles their rights. Gives the place.
///
/// # Errors
/// A database that cannot be reached, is another deployment's, or whose owner that is not.
pub fn create_table(host: &Host, owner: Option<&str>, roles: &deploy::Roles) -> Result<String, LabError> {
    let named: Vec<&String> = [&roles.writer, &roles.reader, &roles.stopper].into_iter().flatten().collect();
    if let Some(twice) = named.iter().enumerate().find(|(n, role)| named[..*n].contains(role)) {
        let what = format!("the role {} cannot be two of writer, reader and stopper", twice.1);
        return Err(LabError::usage(what, "name a role of its own for each: whoever trades must not be able to write"));
    }
    let setting = owner.unwrap_or(&host.settings.live);
    Ok(deploy::init(setting, &host.settings.genesis_policy_sha256.to_string(), roles)?)
}

/// The repository of a gate's folder.
///
/// # Errors
/// When there is none.
pub fn repo_of(host: &Host) -> Result<Repo, LabError> {
    let parent = host.dir().parent().unwrap_or(Path::new("."));
    Ok(Repo::open(parent)?)
}

/// What goes into the host's log, which is opened once for it.
struct Record<'a> {
    host: &'a Host,
    session: &'a Session,
    writer: Option<Writer>,
    unpublished: bool,
}

impl Record<'_> {
    fn add(&mut self, events: &[Event]) -> Result<(), LabError> {
        if events.is_empty() && !self.unpublished {
            return Ok(());
        }
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => none.insert(writer(self.host, self.session)?),
        };
        writer.record(events)?;
        writer.publish()?;
        self.unpublished = false;
        Ok(())
    }
}

/// Reconciles once and records what was done in the host's log. Without `write` it only compares,
/// and writes nothing anywhere.
///
/// # Errors
/// A deploy branch that does not verify, or a live table that cannot be reached.
pub fn reconcile_once(host: &Host, write: bool, session: &Session) -> Result<Reconciled, LabError> {
    let _held = session.stop.hold();
    let repo = owning(repo_of(host)?)?;
    let mut host = host.clone();
    host.looks = !write;
    let host = &host;
    let mut table = table::reconciled(host, write)?;
    let now = assay_ledger::log::system_clock();
    let own = own_log(host)?;
    // What a run that was killed recorded is published by the next one.
    let unpublished = own.checkpoint()?.size < own.len();
    let record = RefCell::new(Record { host, session, writer: None, unpublished });
    let shape: Vec<Change> = table.amiss().into_iter().map(lost::shape).collect();
    if write && !shape.is_empty() {
        record.borrow_mut().add(&shape.iter().map(|c| lost::drift(c, now)).collect::<Vec<_>>())?;
    }
    let recorded = deployments(&own)?;
    let (missing, unreadable) = lost::versions(&recorded, &own, &repo, table.as_mut())?;
    unreadable.into_iter().for_each(|what| session.notice(&Notice::Ledger(what)));
    if write && !missing.is_empty() {
        // Before the table is brought in line: a version that goes live again keeps its first time.
        record
            .borrow_mut()
            .add(&missing.iter().map(|row| lost::drift(&lost::version(row), now)).collect::<Vec<_>>())?;
        table.put_past(&missing)?;
    }
    let mut found = |events: &[Event]| record.borrow_mut().add(events).map_err(|e| e.to_string());
    let found: Option<Found<'_>> = if write { Some(&mut found) } else { None };
    let recorded: Vec<PromotionDeployed> = recorded.into_iter().map(|(_, e)| e).collect();
    let (mut outcome, mut events) = reconcile(&repo, host, table.as_mut(), &recorded, now, found)?;
    // What was said stays said, whatever becomes of the table.
    let halts = said_in(&own)?;
    let gone = lost::gone(&table.halts()?, &halts);
    outcome.changes.extend(shape.iter().cloned());
    outcome.changes.extend(missing.iter().map(lost::version));
    outcome.changes.extend(gone.iter().map(lost::change));
    let ended = lawful::ended(&repo, &outcome.commit, table.as_mut(), &halts)?;
    outcome.changes.extend(ended.iter().map(lawful::change));
    if write {
        if !gone.is_empty() {
            record
                .borrow_mut()
                .add(&gone.iter().map(|row| lost::drift(&lost::change(row), now)).collect::<Vec<_>>())?;
        }
        gone.iter().try_for_each(|row| table.put_halt(row))?;
        record.borrow_mut().add(&ended.iter().map(|e| lost::drift(&lawful::change(e), now)).collect::<Vec<_>>())?;
        // It is said anew: whoever is for going on is so after this.
        ended.iter().try_for_each(|(halt, _)| table.put_halt(&Halt { at_us: now as i64, ..halt.clone() }))?;
        events.extend(
            gone.iter()
                .map(lost::change)
                .chain(ended.iter().map(lawful::change))
                .chain(missing.iter().map(lost::version))
                .chain(shape)
                .map(|c| lost::healed(&c, now)),
        );
        events.extend(table.halts()?.into_iter().map(said));
        let mut record = record.into_inner();
        record.add(&events)?;
        // Whoever has a clone has the host's log too, and would see it rewritten.
        commit_tiles(&repo, record.writer.as_ref().map_or(&own, |w| &w.log), "deploy")?;
    }
    Ok(outcome)
}

fn said(row: Halt) -> Event {
    let word = row.word.name().to_string();
    let Halt { strategy, at_us, person, statement, signature, .. } = row.recordable();
    HaltSaid { strategy, word, at_us, person, statement, signature }.into()
}

/// Records what the table of halts says. Gives how many halts are in force.
///
/// # Errors
/// A table that cannot be read, or a log that cannot be written.
pub(crate) fn record_halts(host: &Host, session: &Session) -> Result<usize, LabError> {
    let rows = table::asked(host)?.halts()?;
    let unpublished = false;
    let mut record = Record { host, session, writer: None, unpublished };
    record.add(&rows.iter().cloned().map(said).collect::<Vec<_>>())?;
    Ok(by_strategy(&rows).len())
}

/// What the host's own log says was said in the table of halts, oldest first, each with when it was recorded,
/// microseconds since 1970.
///
/// # Errors
/// A log that cannot be read.
pub fn halts_said(host: &Host) -> Result<Vec<(u64, Halt)>, LabError> {
    said_in(&own_log(host)?)
}

fn said_in(log: &Log) -> Result<Vec<(u64, Halt)>, LabError> {
    let mut out = Vec::new();
    for seq in log.newest_of("HaltSaid", 0..log.len(), usize::MAX)? {
        let entry = log.entry(seq)?;
        if let Event::HaltSaid(said) = Event::of(&entry)? {
            out.push((entry.time_us, lawful::halt_of(said)));
        }
    }
    out.reverse();
    Ok(out)
}

/// The host's log, of which everything is verified: a run that was killed left entries that nobody vouches for yet.
fn own_log(host: &Host) -> Result<Log, LabError> {
    let mut log = Log::open(&host.dir().join("ledger"))?;
    if log.vouched() < log.len() {
        follow(&mut log)?;
    }
    Ok(log)
}

/// What the host's own log says was deployed.
///
/// # Errors
/// A log that cannot be read.
pub fn deployed(host: &Host) -> Result<Vec<PromotionDeployed>, LabError> {
    Ok(deployments(&own_log(host)?)?.into_iter().map(|(_, e)| e).collect())
}

/// The same, newest first, with when it was recorded, microseconds since 1970.
fn deployments(log: &Log) -> Result<Vec<(u64, PromotionDeployed)>, LabError> {
    let mut out = Vec::new();
    for seq in log.newest_of("PromotionDeployed", 0..log.len(), usize::MAX)? {
        let entry = log.entry(seq)?;
        if let Event::PromotionDeployed(e) = Event::of(&entry)? {
            out.push((entry.time_us, e));
        }
    }
    Ok(out)
}

/// A repository that holds its own objects.
fn owning(repo: Repo) -> Result<Repo, LabError> {
    match repo.borrows() {
        None => Ok(repo),
        Some(path) => Err(GateError::Host {
            what: format!("{} lets the repository borrow objects that others hold: repack it without", path.display()),
        }
        .into()),
    }
}

/// What the hook answers to a push.
///
/// # Errors
/// The first refusal, or why the question could not be answered: then nothing is accepted.
pub fn pre_receive(gate_dir: &Path, updates: &[Update], session: &Session) -> Result<Verdict, LabError> {
    let host = Host::open(gate_dir)?;
    // Before the branch moves: what goes live must be recorded in the host's log as it stands.
    history::refuse_behind(&Log::open(&host.dir().join("ledger"))?, session)?;
    if std::env::var_os("GIT_DIR").is_none() {
        return Err(LabError::usage("GIT_DIR is not set", "this command is run by git"));
    }
    let repo = owning(Repo::open_in_hook()?)?;
    let verdict = gate::judge(&repo, updates, &host)?;
    verdict.relied.iter().try_for_each(|(head, logs)| host.rely(head, logs))?;
    Ok(verdict)
}

/// What the hook answers when references are about to move: git may have refused a part of what was verified.
///
/// # Errors
/// A log that the deploy branch was verified with and that does not stand.
pub fn reference_transaction(gate_dir: &Path, updates: &[Update]) -> Result<(), LabError> {
    let host = Host::open(gate_dir)?;
    Ok(gate::moving(&repo_of(&host)?, updates, &host)?)
}

/// The push has landed: brings the live table in line if the deploy branch moved, and gives what was done, of the
/// configs in force those that came with the push. A failure here is for the next run of the reconciler: it is said, and
/// is no error.
///
/// # Errors
/// A gate's folder that cannot be read.
pub fn post_receive(gate_dir: &Path, updates: &[Update], session: &Session) -> Result<Option<Reconciled>, LabError> {
    let host = Host::open(gate_dir)?;
    let deploy = host.deploy_reference();
    let Some(moved) = updates.iter().find(|u| u.reference == deploy) else { return Ok(None) };
    host.relied_done(&moved.new);
    match reconcile_once(&host, true, session) {
        Ok(mut outcome) => {
            let came = brought(&repo_of(&host)?, moved)?;
            outcome.live.retain(|c| came.contains(&LiveConfig::path(&c.strategy)));
            Ok(Some(outcome))
        }
        Err(e) => {
            let what = "the push stands, and nothing of it is live before the next `assay reconcile`";
            session.notice(&Notice::Pending(format!("{e}; {what}")));
            Ok(None)
        }
    }
}

/// The files that a push of the deploy branch brought or changed.
fn brought(repo: &Repo, moved: &Update) -> Result<BTreeSet<String>, LabError> {
    if is_zero(&moved.old) {
        return Ok(BTreeSet::new());
    }
    Ok(repo.changes(&moved.old, &moved.new)?.into_iter().map(|c| c.path).collect())
}
