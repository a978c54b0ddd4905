//! A log's folder verified from its raw bytes: no lookup is trusted, and damage does not stop it.
//!
//! After a bad frame the next whole one is searched, so that every finding is reported, and each
//! with its sequence number.

use crate::audit::{Auditor, Authority, CHUNK, CHUNK_BYTES, Finding, Reason, foreign_log_key};
use crate::error::LedgerError;
use crate::format::entry::is_newer;
use crate::format::frame::{self, Frame};
use crate::log::{Home, read_verifier};
use crate::storage::disk::{self, Disk, Open};
use crate::storage::journal::read_mark;
use crate::storage::segment::{MARKER, check_newer};
use crate::storage::window::Window;
use crate::tree::checkpoint::Checkpoint;
use bytes::Bytes;
use std::io;
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};

/// What a folder's verification found.
#[derive(Debug)]
pub struct Scrubbed {
    /// Number of entries.
    pub entries: u64,
    /// Everything found, in order.
    pub findings: Vec<Finding>,
    /// The checkpoint, when it verifies.
    pub checkpoint: Option<Checkpoint>,
    /// Bytes of a torn tail that nobody was promised.
    pub torn: u64,
}

/// Verifies the log in a folder: frames, entries, chain, authors, signatures, tree, checkpoint, and
/// that everything that was acknowledged is there.
///
/// The log must also agree with the checkpoints that are `expected`. Entries below `verified`, the
/// size of one of them, are only hashed: the signatures over the very same bytes need no second look.
///
/// # Errors
/// When there is no log, or its files cannot be read.
pub fn folder(
    home: &Home,
    authority: &mut impl Authority,
    expected: &[Checkpoint],
    verified: u64,
) -> Result<Scrubbed, LedgerError> {
    let verifier = read_verifier(&*home.disk, &home.dir)?;
    let note = match disk::read(&*home.disk, &home.dir.join("checkpoint")) {
        // One that is there and cannot be read says nothing about the log.
        Err(LedgerError::Io { action, path, source }) if source.kind() != io::ErrorKind::NotFound => {
            return Err(LedgerError::Io { action, path, source });
        }
        other => other,
    };
    let checkpoint = note.and_then(|bytes| Checkpoint::open(&bytes, &verifier));
    let journal = home.dir.join("journal");
    let promised = read_mark(&*home.disk, &journal)?;
    let mut auditor = Auditor::new(&verifier.name, authority);
    if let Ok(c) = &checkpoint {
        auditor.expect(c.clone());
    }
    for c in expected {
        auditor.expect(c.clone());
    }
    let verified = if expected.iter().any(|c| c.size == verified) { verified } else { 0 };
    // One thread reads and checks frames, while the others verify what it found.
    let (sender, pieces) = sync_channel(QUEUE);
    let torn = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut scrub = Scrub {
                next: 0,
                chunk: Vec::new(),
                bytes: 0,
                promised,
                damaged: false,
                torn: 0,
                newer: None,
                out: sender,
            };
            scrub.segments(&*home.disk, &journal, home.per_segment)?;
            scrub.newer.map_or(Ok(scrub.torn), |what| Err(LedgerError::Newer { what }))
        });
        for piece in pieces {
            take(&mut auditor, piece, verified);
        }
        reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })?;
    if auditor.len() < promised {
        let detail = format!("{promised} entries were acknowledged, {} are here", auditor.len());
        auditor.damage(Reason::JournalDamaged, detail, 0);
    }
    if let Err(e) = &checkpoint {
        let (seq, reason, detail) = (auditor.len(), Reason::BadCheckpoint, e.to_string());
        auditor.findings.push(Finding { seq, reason, detail });
    }
    auditor.finish()?;
    let entries = auditor.len();
    let mut findings = std::mem::take(&mut auditor.findings);
    drop(auditor);
    findings.extend(foreign_log_key(authority, &verifier));
    findings.sort_by_key(|f| f.seq);
    Ok(Scrubbed { entries, findings, checkpoint: checkpoint.ok(), torn })
}

/// What the reader found, in order.
enum Piece {
    Entries(Vec<Bytes>),
    /// Damage, and the entry that follows it.
    Damage(String, u64),
}

/// Pieces that the reader may be ahead.
const QUEUE: usize = 1;

/// Verifies a piece; entries below `verified` were verified before.
fn take(auditor: &mut Auditor<'_, impl Authority>, piece: Piece, verified: u64) {
    match piece {
        Piece::Damage(detail, next) => auditor.damage(Reason::JournalDamaged, detail, next),
        Piece::Entries(mut chunk) => {
            let old = verified.saturating_sub(auditor.len()).min(chunk.len() as u64) as usize;
            let new = chunk.split_off(old);
            auditor.push_verified(chunk);
            auditor.push(new);
        }
    }
}

/// Reads the segments of a journal.
struct Scrub {
    /// The number of the next entry, those that wait in `chunk` included.
    next: u64,
    chunk: Vec<Bytes>,
    bytes: usize,
    promised: u64,
    damaged: bool,
    torn: u64,
    /// What a newer release wrote: nothing can be said of it, or after it.
    newer: Option<String>,
    out: SyncSender<Piece>,
}

impl Scrub {
    fn send(&self, piece: Piece) {
        // The other end listens until this one is gone.
        let _ = self.out.send(piece);
    }

    fn flush(&mut self) {
        let chunk = std::mem::take(&mut self.chunk);
        self.bytes = 0;
        self.send(Piece::Entries(chunk));
    }

    fn entry(&mut self, entry: Bytes) {
        self.next += 1;
        self.bytes += entry.len();
        self.chunk.push(entry);
        if self.chunk.len() == CHUNK || self.bytes >= CHUNK_BYTES {
            self.flush();
        }
    }

    /// Whether bad bytes here may be a tail that nobody was promised. After damage there is none.
    fn may_be_torn(&self, last: bool) -> bool {
        last && !self.damaged && self.next >= self.promised
    }

    fn damage(&mut self, path: &Path, offset: u64, what: &str, next: u64) {
        self.flush();
        self.damaged = true;
        self.send(Piece::Damage(format!("{}: damaged at byte {offset}: {what}", path.display()), next));
        self.next = self.next.max(next);
    }

    fn segments(&mut self, disk: &dyn Disk, dir: &Path, per_segment: u64) -> Result<(), LedgerError> {
        let names = disk.list(dir).map_err(LedgerError::io("list", dir))?;
        let segments: Vec<(u64, &String)> =
            names.iter().filter_map(|n| Some((n.strip_suffix(".seg")?.parse().ok()?, n))).collect();
        for (i, (first, name)) in segments.iter().enumerate() {
            let path = dir.join(name);
            if self.next != *first {
                let next = *first;
                self.damage(&path, 0, "the segment before it does not reach it", next);
            }
            let file = disk.open(&path, Open::Read).map_err(LedgerError::io("open", &path))?;
            check_newer(&path, &file.read_at(0, MARKER.len()).unwrap_or_default())?;
            let numbers = *first..first.saturating_add(per_segment);
            let read = Window::of(&*file, numbers).and_then(|mut window| {
                self.segment(&path, &mut window, i + 1 == segments.len())?;
                Ok(window.end())
            });
            let end = read.map_err(LedgerError::io("read", &path))?;
            self.flush();
            if self.newer.is_some() {
                break;
            }
            if self.next > first.saturating_add(per_segment) {
                self.damage(&path, end, "more entries than a segment holds", 0);
            }
        }
        Ok(())
    }

    fn segment(&mut self, path: &Path, window: &mut Window<'_>, last: bool) -> io::Result<()> {
        let mut at = MARKER.len() as u64;
        if !window.bytes(0)?.starts_with(MARKER) {
            if last && window.end() < at && self.next >= self.promised {
                self.torn = window.end();
                return Ok(());
            }
            self.damage(path, 0, "it does not begin with the segment marker", 0);
        }
        loop {
            match window.next(at)? {
                Frame::End => return Ok(()),
                Frame::Whole { entry, .. } if is_newer(&entry) => {
                    self.newer = Some(format!("entry {}", self.next));
                    return Ok(());
                }
                Frame::Whole { entry, .. } => {
                    at += (frame::HEAD + entry.len()) as u64;
                    self.entry(entry);
                }
                Frame::Bad(_) if self.may_be_torn(last) && !window.was_durable(at, self.next)? => {
                    self.torn = window.end().saturating_sub(at);
                    return Ok(());
                }
                Frame::Bad(what) => match window.resync(at + 1)? {
                    Some((found, entry, _)) => {
                        self.damage(path, at, what, entry.seq);
                        at = found;
                    }
                    None => {
                        self.damage(path, at, what, 0);
                        return Ok(());
                    }
                },
            }
        }
    }
}
