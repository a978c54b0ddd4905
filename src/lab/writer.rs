//! A ledger that can be written: events in, durable entries out.

use crate::error::LabError;
use crate::folder::Lab;
use crate::history;
use crate::session::{Notice, Session};
use assay_ledger::log::{Receipt, read_verifier};
use assay_ledger::storage::disk::RealDisk;
use assay_ledger::{Authority, Checkpoint, Log, Signer};
use assay_shared::event::Event;
use assay_shared::event::roster::Roster;
use assay_shared::event::rules::Recorded;

/// Records events in one log under one person's key.
#[derive(Debug)]
pub struct Writer {
    /// The log.
    pub log: Log,
    signer: Signer,
    log_signer: Signer,
    roster: Roster,
    recorded: Recorded,
    seen: u64,
    session: Session,
}

impl Lab {
    /// Opens the ledger for writing, with the keys it needs.
    ///
    /// # Errors
    /// A key that cannot be read, a ledger that is damaged or lacks what was verified here.
    pub fn writer(&self) -> Result<Writer, LabError> {
        // Read before the ledger, which others may go on with in the meantime.
        let seen = history::verified(self, &read_verifier(&RealDisk, &self.ledger_dir())?)?;
        let log = self.log()?;
        history::refuse_rollback(self, &log, seen)?;
        Writer::new(log, self.signer()?, self.log_signer()?, &self.session)
    }
}

impl Writer {
    /// A writer over a log.
    ///
    /// # Errors
    /// A log whose key events do not verify.
    pub fn new(log: Log, signer: Signer, log_signer: Signer, session: &Session) -> Result<Writer, LabError> {
        let (roster, recorded, session) = (Roster::new(), Recorded::default(), session.clone());
        let mut writer = Writer { log, signer, log_signer, roster, recorded, seen: 0, session };
        writer.follow()?;
        Ok(writer)
    }

    /// Follows what the log says of keys and names, so that nothing is recorded that verification or
    /// a reader would refuse.
    fn follow(&mut self) -> Result<(), LabError> {
        let (roster, recorded) = (&mut self.roster, &mut self.recorded);
        self.log.read(self.seen..self.log.len(), |entry| {
            let refused = |(reason, words)| LabError::Verification(format!("entry {}: {reason}: {words}", entry.seq));
            roster.admit(&entry).map_err(refused)?;
            recorded.observe(&entry);
            Ok::<(), LabError>(())
        })?;
        self.seen = self.log.len();
        Ok(())
    }

    /// Keeps the ledger until [`Writer::release`], for several steps that belong together.
    ///
    /// # Errors
    /// When another process keeps it for too long.
    pub fn keep(&mut self) -> Result<(), LabError> {
        Ok(self.log.hold()?)
    }

    /// Lets others write again.
    pub fn release(&mut self) {
        self.log.release();
    }

    /// Records events durably.
    ///
    /// # Errors
    /// An event that this key may not record or that clashes with one that stands already; nothing
    /// is written then. A disk that fails.
    pub fn record(&mut self, events: &[Event]) -> Result<Vec<Receipt>, LabError> {
        let transient = !self.log.is_held();
        self.log.hold()?;
        // Only now: whoever waits for the ledger may be stopped.
        let _held = self.session.stop.hold();
        let result = self.record_held(events);
        if transient {
            self.log.release();
        }
        result
    }

    /// Under the lock, so that keys and names are those at the very position.
    fn record_held(&mut self, events: &[Event]) -> Result<Vec<Receipt>, LabError> {
        self.follow()?;
        let founding = self.log.is_empty();
        for event in events.iter().filter(|_| !founding) {
            let (id, next) = (self.signer.id(), self.log.len());
            self.roster.would_admit(&id, next, self.log.origin(), event).map_err(|(reason, words)| {
                LabError::Refused(format!("{id} may not record {}: {reason}: {words}", event.kind()))
            })?;
        }
        self.recorded.would_admit(events).map_err(|clash| LabError::usage(clash.to_string(), clash.hint()))?;
        let drafts = events.iter().map(Event::draft).collect::<Result<Vec<_>, _>>()?;
        let receipts = self.log.append(&drafts, &self.signer)?;
        for notice in self.log.notices.drain(..) {
            self.session.notice(&Notice::Ledger(notice));
        }
        self.follow()?;
        Ok(receipts)
    }

    /// Records one event and gives its position.
    ///
    /// # Errors
    /// As [`Writer::record`].
    pub fn record_one(&mut self, event: impl Into<Event>) -> Result<Receipt, LabError> {
        let receipts = self.record(&[event.into()])?;
        receipts.first().copied().ok_or_else(|| LabError::could_not("the ledger gave no receipt"))
    }

    /// Publishes a checkpoint.
    ///
    /// # Errors
    /// A disk that fails, or a key that is not the log's.
    pub fn publish(&mut self) -> Result<Checkpoint, LabError> {
        let transient = !self.log.is_held();
        self.log.hold()?;
        let _held = self.session.stop.hold();
        let published = self.log.publish(&self.log_signer);
        if transient {
            self.log.release();
        }
        Ok(published?)
    }
}
