//! Writing the journal: groups, segments, the mark, and what a writer does with what it finds.

use crate::error::LedgerError;
use crate::format::entry::Hashed;
use crate::format::frame;
use crate::storage::catalog;
use crate::storage::disk::Open;
use crate::storage::ids::Ids;
use crate::storage::journal::{Journal, mark_bytes, mark_path, read_mark};
use crate::storage::rolled::Rolled;
use crate::storage::segment::{self, MARKER, Tail};
use crate::tree::merkle::{Nodes as _, leaf_hash};
use bytes::Bytes;
use std::path::{Path, PathBuf};

/// Bytes that are written again at a time.
const PIECE: usize = 1 << 20;
/// Bytes of a torn tail that are kept: no group is longer.
const MOST_KEPT: u64 = 1 << 28;

impl Journal {
    /// Writes sealed entries, and gives their bytes as slices of what was written at once. They are
    /// acknowledged by [`Journal::sync`] only.
    ///
    /// # Errors
    /// [`LedgerError::Io`]; after a failed write or sync the journal must not be used again.
    pub fn write(&mut self, entries: &[Hashed]) -> Result<Vec<Bytes>, LedgerError> {
        let (mut rest, mut out) = (entries, Vec::with_capacity(entries.len()));
        while !rest.is_empty() {
            let room = (self.per_segment - self.tail.count()).min(rest.len() as u64) as usize;
            let (now, later) = rest.split_at(room);
            self.write_part(now, &mut out)?;
            if self.tail.count() == self.per_segment {
                self.sync()?;
                self.roll()?;
            }
            rest = later;
        }
        Ok(out)
    }

    fn write_part(&mut self, entries: &[Hashed], out: &mut Vec<Bytes>) -> Result<(), LedgerError> {
        if self.tail.end == 0 {
            self.begin_segment()?;
        }
        let mut buffer = Vec::with_capacity(entries.iter().map(|h| h.entry.bytes().len() + frame::HEAD).sum());
        for hashed in entries {
            let offset = self.tail.end + buffer.len() as u64;
            frame::push(&mut buffer, self.unsynced, hashed.entry.bytes());
            self.tail.push(&mut self.edge, hashed, offset)?;
            self.unsynced += 1;
        }
        let path = &self.tail.path;
        let file = match self.tail.file.take() {
            Some(file) => file,
            None => {
                // What stands there was synced, or written again, when the lock was taken.
                self.synced = self.tail.end;
                self.disk.open(path, Open::Write).map_err(LedgerError::io("open", path))?
            }
        };
        file.write_at(self.tail.end, &buffer).map_err(LedgerError::io("write", path))?;
        self.tail.file = Some(file);
        self.tail.end += buffer.len() as u64;
        let (block, mut at) = (Bytes::from(buffer), 0);
        for hashed in entries {
            let begin = at + frame::HEAD;
            at = begin + hashed.entry.bytes().len();
            out.push(block.slice(begin..at));
        }
        Ok(())
    }

    /// Lets the disk begin with a group that is still being written, when more than `bytes` of it
    /// wait: then [`Journal::sync`] has less to wait for. Acknowledges nothing.
    ///
    /// # Errors
    /// As there.
    pub fn sync_early(&mut self, bytes: u64) -> Result<(), LedgerError> {
        if self.tail.end.saturating_sub(self.synced) > bytes
            && let Some(file) = &self.tail.file
        {
            file.sync().map_err(LedgerError::io("sync", &self.tail.path))?;
            self.synced = self.tail.end;
        }
        Ok(())
    }

    /// Makes durable what was written since the last sync, the group, and notes it in the mark.
    ///
    /// # Errors
    /// [`LedgerError::Io`]; after it the journal must not be used again.
    pub fn sync(&mut self) -> Result<(), LedgerError> {
        if self.unsynced == 0 {
            return Ok(());
        }
        if let Some(file) = &self.tail.file {
            file.sync().map_err(LedgerError::io("sync", &self.tail.path))?;
        }
        self.unsynced = 0;
        self.synced = self.tail.end;
        self.write_mark(false)
    }

    /// Creates the next segment: synced, then its folder, and the mark with it.
    fn begin_segment(&mut self) -> Result<(), LedgerError> {
        let path = self.tail.path.clone();
        // Whatever is there was torn while it was created: no entry of it can have been acknowledged.
        let there = match self.disk.open(&path, Open::Read).and_then(|f| f.len()) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => 0,
            other => other.map_err(LedgerError::io("read", &path))?,
        };
        if there > MARKER.len() as u64 {
            return Err(segment::damaged(&path, 0, "it holds entries that do not follow the journal"));
        }
        let file = self.disk.open(&path, Open::Replace).map_err(LedgerError::io("create", &path))?;
        file.write_at(0, MARKER).map_err(LedgerError::io("write", &path))?;
        file.sync().map_err(LedgerError::io("sync", &path))?;
        self.disk.sync_dir(&self.dir).map_err(LedgerError::io("sync", &self.dir))?;
        self.tail.file = Some(file);
        self.tail.end = MARKER.len() as u64;
        self.synced = self.tail.end;
        self.write_mark(true)
    }

    /// Notes how many entries are durable. Written after their sync, so it never promises too
    /// much; itself it is synced only now and then, so after a power loss it may promise less.
    fn write_mark(&mut self, durably: bool) -> Result<(), LedgerError> {
        let path = mark_path(&self.dir);
        let file = match self.mark.take() {
            Some(file) => file,
            None => {
                let open = self.disk.open(&path, Open::Write).or_else(|_| self.disk.open(&path, Open::Replace));
                open.map_err(LedgerError::io("open", &path))?
            }
        };
        file.write_at(0, &mark_bytes(self.edge.len)).map_err(LedgerError::io("write", &path))?;
        if durably {
            file.sync().map_err(LedgerError::io("sync", &path))?;
        }
        self.mark = Some(file);
        Ok(())
    }

    /// Closes the full segment and begins an empty one, in memory; whoever may write leaves its lookups.
    pub(crate) fn roll(&mut self) -> Result<(), LedgerError> {
        let sealed = self.tail.sealed(&self.edge)?;
        self.finish_rolled();
        let index = self.full.count();
        self.full.all.push(sealed);
        let next = match self.spare.take() {
            Some(spare) => spare.reusing(&self.dir, self.edge.len),
            None => Tail::new(&self.dir, self.edge.len),
        };
        let mut tail = std::mem::replace(&mut self.tail, next);
        if self.full.may_write {
            let _ = catalog::write(&*self.disk, &self.dir, &self.full.all, index as usize);
            tail.forget(&*self.disk);
            tail.file = None;
            let covers = self.ids.covered() == index;
            self.rolled = Some(Rolled::begin(self.disk.clone(), tail, &self.ids, covers));
        }
        Ok(())
    }

    /// Waits for what is being written of the segment that became full last.
    pub(crate) fn finish_rolled(&mut self) {
        let Some((ids, tail)) = self.rolled.take().map(Rolled::finish) else { return };
        self.spare = tail;
        if let Some(ids) = ids {
            self.ids = ids;
        }
    }

    /// From here on the lock is held: what is derived may be written, and what is missing of it is.
    ///
    /// # Errors
    /// A damaged segment.
    pub fn begin_writing(&mut self) -> Result<(), LedgerError> {
        self.full.may_write = true;
        self.full.close();
        let known = catalog::read(&*self.disk, &self.dir);
        let same = known.iter().zip(&self.full.all).take_while(|(a, b)| a == b).count();
        if same < self.full.all.len() || known.len() > same {
            let _ = catalog::write(&*self.disk, &self.dir, &self.full.all, same);
        }
        if self.ids.covered() < self.full.count() {
            // Another writer may have made them.
            let (segments, runs) = (self.full.count(), &self.sums.runs);
            self.ids = Ids::open(self.disk.clone(), &self.dir, self.per_segment, segments, runs);
        }
        while self.ids.covered() < self.full.count() {
            let ids = self.full.scan(self.ids.covered())?.ids;
            if self.ids.add(ids).is_err() {
                break;
            }
        }
        self.ids.load_filters();
        Ok(())
    }

    /// Closes the files that are kept open for writing, and writes down what is derived of the last
    /// segment. Another process may put a new journal in their place while the lock is free.
    pub fn close(&mut self) {
        self.finish_rolled();
        if self.full.may_write && self.unsynced == 0 {
            self.tail.save(&*self.disk);
        }
        self.full.may_write = false;
        self.spare = None;
        self.full.close();
        self.tail.file = None;
        self.mark = None;
    }

    /// Cuts off a torn tail (its bytes are kept beside the segment as `.torn-N`), so that the next
    /// append follows the last whole entry. Only bytes that were never acknowledged can be torn.
    ///
    /// # Errors
    /// [`LedgerError::Io`].
    pub fn cut_torn_tail(&mut self) -> Result<(), LedgerError> {
        let path = self.tail.path.clone();
        let file = self.disk.open(&path, Open::Write).map_err(LedgerError::io("open", &path))?;
        let bytes = file.len().map_err(LedgerError::io("read", &path))?.saturating_sub(self.tail.end).min(MOST_KEPT);
        let torn = file.read_at(self.tail.end, bytes as usize).map_err(LedgerError::io("read", &path))?;
        if !torn.is_empty() {
            let aside = self.beside(&path, "torn")?;
            let kept = self.disk.open(&aside, Open::Replace).and_then(|f| f.write_at(0, &torn));
            kept.map_err(LedgerError::io("write", &aside))?;
        }
        file.set_len(self.tail.end).map_err(LedgerError::io("cut", &path))?;
        file.sync().map_err(LedgerError::io("sync", &path))?;
        self.tail.file = None;
        Ok(())
    }

    /// Takes the entries from `keep` on out of the segments. Their bytes stay beside them, under
    /// `.cut-N`, and the mark goes back first: a crash on the way leaves them for another try.
    ///
    /// # Errors
    /// [`LedgerError::Io`]; entries that cannot be located.
    pub fn cut_from(&mut self, keep: u64) -> Result<PathBuf, LedgerError> {
        let first = keep / self.per_segment * self.per_segment;
        let path = segment::path(&self.dir, first);
        let at =
            if keep == first { MARKER.len() as u64 } else { self.piece(first, keep - first..keep - first + 1)?.base };
        let file = self.disk.open(&path, Open::Write).map_err(LedgerError::io("cut", &path))?;
        let aside = self.beside(&path, "cut")?;
        let gone = file.read_from(at).map_err(LedgerError::io("cut", &path))?;
        let kept = self.disk.open(&aside, Open::Replace).and_then(|f| f.write_at(0, &gone).and_then(|()| f.sync()));
        kept.map_err(LedgerError::io("cut", &aside))?;
        self.edge.len = keep;
        self.write_mark(true)?;
        self.forget_from(first)?;
        let mut later = first + self.per_segment;
        while later <= self.tail.first {
            let path = segment::path(&self.dir, later);
            let aside = self.beside(&path, "cut")?;
            match self.disk.rename(&path, &aside) {
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                other => other.map_err(LedgerError::io("cut", &path))?,
            }
            later += self.per_segment;
        }
        file.set_len(at).and_then(|()| file.sync()).map_err(LedgerError::io("cut", &path))?;
        self.disk.sync_dir(&self.dir).map_err(LedgerError::io("cut", &self.dir))?;
        Ok(aside)
    }

    /// Removes everything that is derived of the segments.
    ///
    /// # Errors
    /// [`LedgerError::Io`].
    pub fn forget_derived(&mut self) -> Result<(), LedgerError> {
        self.finish_rolled();
        self.full.close();
        self.ids.cut(0);
        for name in self.disk.list(&self.dir).map_err(LedgerError::io("list", &self.dir))? {
            let derived = [".map", ".tail", ".ids", ".idx"].iter().any(|suffix| name.ends_with(suffix));
            if derived || name == "catalog" {
                let path = self.dir.join(name);
                self.disk.remove(&path).map_err(LedgerError::io("remove", &path))?;
            }
        }
        Ok(())
    }

    /// Removes what is derived of the segments from the one that begins at `first` on.
    fn forget_from(&mut self, first: u64) -> Result<(), LedgerError> {
        let index = first / self.per_segment;
        self.finish_rolled();
        self.full.close();
        self.tail.forget(&*self.disk);
        self.ids.cut(index);
        let kept: Vec<_> = self.full.all.iter().take(index as usize).copied().collect();
        catalog::write(&*self.disk, &self.dir, &kept, kept.len())
            .or_else(|_| catalog::write(&*self.disk, &self.dir, &[], 0))
            .map_err(LedgerError::io("cut", &catalog::path(&self.dir)))?;
        for later in (first..=self.tail.first).step_by(self.per_segment as usize) {
            let segment = segment::path(&self.dir, later);
            for derived in ["map", "tail"] {
                let _ = self.disk.remove(&segment.with_extension(derived));
            }
        }
        Ok(())
    }

    /// A name beside a segment that is not taken yet.
    fn beside(&self, path: &Path, what: &str) -> Result<PathBuf, LedgerError> {
        let names = self.disk.list(&self.dir).map_err(LedgerError::io("list", &self.dir))?;
        let taken = |p: &PathBuf| names.iter().any(|n| p.file_name().is_some_and(|p| p == n.as_str()));
        Ok((1..).map(|n| path.with_extension(format!("{what}-{n}"))).find(|p| !taken(p)).unwrap_or_default())
    }

    /// Makes durable what a writer left that was killed, or whose sync failed: its frames may be in
    /// the page cache only, and marked clean there, so they are written again and then synced.
    ///
    /// # Errors
    /// [`LedgerError::Io`].
    pub fn rewrite_unmarked(&mut self) -> Result<(), LedgerError> {
        let promised = read_mark(&*self.disk, &self.dir)?;
        if promised >= self.len() {
            return Ok(());
        }
        // What is on the disk now must still be what was read when this log was opened.
        self.read(promised..self.len(), |seq, bytes| {
            if leaf_hash(bytes) == self.leaf(seq)? {
                return Ok(());
            }
            Err(segment::damaged(&self.tail.path, 0, format!("entry {seq} is not what it was when it was read")))
        })?;
        let mut first = promised / self.per_segment * self.per_segment;
        while first < self.len() {
            let path = segment::path(&self.dir, first);
            let file = self.disk.open(&path, Open::Write).map_err(LedgerError::io("open", &path))?;
            let end = match first == self.tail.first {
                true => self.tail.end,
                false => file.len().map_err(LedgerError::io("read", &path))?,
            };
            for at in (0..end).step_by(PIECE) {
                let bytes = file.read_at(at, (end - at).min(PIECE as u64) as usize);
                file.write_at(at, &bytes.map_err(LedgerError::io("read", &path))?)
                    .map_err(LedgerError::io("write", &path))?;
            }
            file.sync().map_err(LedgerError::io("sync", &path))?;
            first += self.per_segment;
        }
        self.disk.sync_dir(&self.dir).map_err(LedgerError::io("sync", &self.dir))?;
        self.write_mark(true)
    }
}
