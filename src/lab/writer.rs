//! A ledger that can be written: events in, durable entries out.

use crate::error::LabError;
use crate::folder::Lab;
use crate::history;
use crate::session::{Notice, Session};
use crate::standing::{follow, remembered};
use assay_ledger::log::Receipt;
use assay_ledger::{Checkpoint, Draft, Log, Signer};
use assay_shared::event::Event;
use assay_shared::event::roster::Member;
use assay_shared::event::standing::Standing;

/// Records events in one log under one person's key.
#[derive(Debug)]
pub struct Writer {
    /// The log.
    pub log: Log,
    signer: Signer,
    log_signer: Signer,
    standing: Standing,
    /// What the file beside the ledger remembers of it.
    kept: Standing,
    session: Session,
}

/// So many entries may be followed again before what they say is written down anew.
const KEEP_EVERY: u64 = 4096;

impl Lab {
    /// Opens the ledger for writing, with the keys it needs.
    ///
    /// # Errors
    /// A key that cannot be read; a ledger that is damaged, holds what nobody signed, or lacks what was
    /// seen of it somewhere.
    pub fn writer(&self) -> Result<Writer, LabError> {
        let log = history::open_log(self)?;
        Writer::new(log, self.signer()?, self.log_signer()?, &self.session)
    }
}

impl Writer {
    /// A writer over a log.
    ///
    /// # Errors
    /// A log that does not verify, or whose checkpoints another key signs.
    pub fn new(mut log: Log, signer: Signer, log_signer: Signer, session: &Session) -> Result<Writer, LabError> {
        if log_signer.public() != log.verifier().key {
            let message = format!("{} is not the key of the log in {}", log_signer.id(), log.dir().display());
            return Err(LabError::Verification(message));
        }
        let kept = remembered(&log).unwrap_or_default();
        let standing = follow(&mut log)?;
        if standing.roster.log_key.is_some_and(|key| key != log.verifier().key.to_bytes()) {
            return Err(LabError::Verification("the log's first entry names another checkpoint key".into()));
        }
        Ok(Writer { log, signer, log_signer, standing, kept, session: session.clone() })
    }

    /// Follows what others appended, so that nothing is recorded that verification or a reader would
    /// refuse, and nothing is signed over what does not verify.
    fn follow(&mut self) -> Result<(), LabError> {
        Ok(self.log.follow(self.standing.seen, &mut self.standing, |_| ())?)
    }

    /// The keys that ever counted in the log.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.standing.roster.members()
    }

    /// How many admins changes of who counts need.
    pub fn threshold(&self) -> u32 {
        self.standing.roster.threshold
    }

    /// How many people are admins.
    pub fn admins(&self) -> u32 {
        u32::try_from(self.standing.roster.admins().len()).unwrap_or(u32::MAX)
    }

    /// The time that what is recorded next will have, in microseconds since 1970. The ledger must be
    /// kept.
    ///
    /// # Errors
    /// A log whose last entry is dated far ahead of the clock.
    pub fn fix_time(&mut self) -> Result<u64, LabError> {
        Ok(self.log.fix_time()?)
    }

    /// Keeps the ledger until [`Writer::release`], for several steps that belong together. What others
    /// appended in the meantime is verified first, so that it can be read.
    ///
    /// # Errors
    /// When another process keeps it for too long, or appended what does not verify.
    pub fn keep(&mut self) -> Result<(), LabError> {
        self.log.hold()?;
        self.follow().inspect_err(|_| self.log.release())
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
        history::refuse_behind(&self.log, &self.session)?;
        let founding = self.log.is_empty();
        let drafts = events.iter().map(Event::draft).collect::<Result<Vec<_>, _>>()?;
        for (event, draft) in events.iter().zip(&drafts).filter(|_| !founding) {
            // What is recorded already is admitted already: a command that is run again goes through.
            if self.stands(draft)? {
                continue;
            }
            let (id, next) = (self.signer.id(), self.log.len());
            self.standing.roster.would_admit(&id, next, self.log.origin(), event).map_err(|(reason, words)| {
                LabError::Refused(format!("{id} may not record {}: {reason}: {words}", event.kind()))
            })?;
        }
        self.standing.recorded.would_admit(events).map_err(|clash| LabError::usage(clash.to_string(), clash.hint()))?;
        let receipts = self.log.append(&drafts, &self.signer)?;
        for notice in self.log.notices.drain(..) {
            self.session.notice(&Notice::Ledger(notice));
        }
        self.follow()?;
        Ok(receipts)
    }

    /// Whether the very same event is recorded.
    fn stands(&self, draft: &Draft) -> Result<bool, LabError> {
        Ok(match self.log.find(&draft.id)? {
            Some(seq) => self.log.entry(seq)?.draft() == *draft,
            None => false,
        })
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
        let published = self.publish_held();
        if transient {
            self.log.release();
        }
        published
    }

    fn publish_held(&mut self) -> Result<Checkpoint, LabError> {
        self.follow()?;
        let session = self.session.clone();
        // What could not be remembered when it was published is made up for.
        let stands = self.log.checkpoint()?;
        if stands.size > 0 {
            history::remember(&self.log, &stands, self.log.checkpoint_note(), &session)?;
        }
        let remember = |log: &Log, c: &Checkpoint, note: &[u8]| history::remember(log, c, note, &session);
        let published = self.log.publish_after(&self.log_signer, remember)?;
        if published.size > self.kept.seen + KEEP_EVERY || self.standing.differs(&self.kept) {
            // Only a help: without it the log is followed from an earlier entry on.
            if self.log.remember(self.standing.text().as_bytes(), &self.log_signer).is_ok() {
                self.kept = self.standing.clone();
            }
        }
        Ok(published)
    }
}
