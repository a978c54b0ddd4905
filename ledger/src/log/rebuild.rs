//! A journal made again: from the index, from an export, and from whatever is whole in the old one.
//!
//! Nothing is taken on trust. Every entry must come from somewhere, sources that both have an entry
//! must agree on it, the whole must verify, and it must reach everything that was ever promised.
//! The old journal is kept beside the new one.

use crate::audit::export::Export;
use crate::audit::{Auditor, Authority, CHUNK, CHUNK_BYTES};
use crate::error::LedgerError;
use crate::format::entry::{Entry, Hashed};
use crate::format::frame::{self, Frame};
use crate::format::hash::Hash;
use crate::keys::note::Verifier;
use crate::log::{Home, Log, PATIENCE, read_verifier};
use crate::storage::disk::{Disk, DiskFile, Open};
use crate::storage::journal::{Derived, Ending, Journal, read_mark};
use crate::storage::segment::{MARKER, check_newer};
use crate::storage::store::Store;
use crate::storage::window::Window;
use crate::tree::checkpoint::Checkpoint;
use crate::tree::merkle::Nodes as _;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Where the entries come from.
#[derive(Debug)]
pub enum Source<'a> {
    /// The log's own index.
    Index,
    /// An exported copy of it.
    Export(&'a Export<'a>),
}

/// What a rebuild did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    /// Entries of the new journal.
    pub entries: u64,
    /// How many of them the old journal lacked.
    pub restored: u64,
    /// Where the old journal is kept.
    pub kept: PathBuf,
}

/// The whole frames of a journal, wherever they lie.
#[derive(Default)]
struct Salvage {
    files: Vec<(PathBuf, Box<dyn DiskFile>)>,
    /// The file, the offset and the length of each entry.
    frames: BTreeMap<u64, (usize, u64, usize)>,
    promised: u64,
}

impl Salvage {
    fn of(disk: &dyn Disk, dir: &Path, origin: &str, per_segment: u64) -> Result<Salvage, LedgerError> {
        let mut out = Salvage { promised: read_mark(disk, dir).unwrap_or(0), ..Salvage::default() };
        let names = disk.list(dir).map_err(LedgerError::io("list", dir))?;
        for name in names.iter().filter(|n| n.ends_with(".seg")) {
            let path = dir.join(name);
            let file = disk.open(&path, Open::Read).map_err(LedgerError::io("open", &path))?;
            check_newer(&path, &file.read_at(0, MARKER.len()).unwrap_or_default())?;
            let first: u64 = name.trim_end_matches(".seg").parse().unwrap_or_default();
            let numbers = first..first.saturating_add(per_segment);
            out.gather(&*file, origin, numbers).map_err(LedgerError::io("read", &path))?;
            out.files.push((path, file));
        }
        Ok(out)
    }

    fn gather(&mut self, file: &dyn DiskFile, origin: &str, numbers: Range<u64>) -> io::Result<()> {
        let mut window = Window::of(file, numbers.clone())?;
        let mut at = (MARKER.len() as u64).min(window.end());
        loop {
            let here = match window.next(at)? {
                Frame::End => return Ok(()),
                Frame::Whole { entry, place } => Entry::decode(entry).ok().map(|e| (at, e, place)),
                Frame::Bad(_) => None,
            };
            let found = if here.is_some() { here } else { window.resync(at + 1)? };
            let Some((start, entry, place)) = found else { return Ok(()) };
            if entry.origin() != origin || !numbers.contains(&entry.seq) {
                at = start + 1;
                continue;
            }
            // What stands before a group was synced before the group was written.
            self.promised = self.promised.max(entry.seq.saturating_sub(u64::from(place)));
            let (begin, len) = (start + frame::HEAD as u64, entry.bytes().len());
            self.frames.insert(entry.seq, (self.files.len(), begin, len));
            at = begin + len as u64;
        }
    }

    fn get(&self, seq: u64) -> Result<Option<Bytes>, LedgerError> {
        let Some((file, at, len)) = self.frames.get(&seq) else { return Ok(None) };
        let (path, file) = &self.files[*file];
        file.read_at(*at, *len).map(|bytes| Some(bytes.into())).map_err(LedgerError::io("read", path))
    }

    /// Entries that follow each other from the first one on, with `source` in the gaps.
    fn reach(&self, source: u64) -> u64 {
        let mut len = source;
        while self.frames.contains_key(&len) {
            len += 1;
        }
        len
    }
}

/// The entries of one source, by number.
enum Entries<'a> {
    Index(Box<dyn Store>),
    Export(&'a Export<'a>, u64, Vec<Bytes>),
}

impl Entries<'_> {
    fn len(&self) -> u64 {
        match self {
            Entries::Index(store) => store.len(),
            Entries::Export(export, ..) => export.checkpoint.size,
        }
    }

    fn get(&mut self, seq: u64) -> Result<Option<Bytes>, LedgerError> {
        if seq >= self.len() {
            return Ok(None);
        }
        match self {
            Entries::Index(store) => store.get(seq),
            Entries::Export(export, at, bundle) => {
                let n = seq / crate::tree::tile::WIDTH;
                if *at != n || bundle.is_empty() {
                    (*at, *bundle) = (n, export.bundle(n)?);
                }
                Ok(bundle.get((seq % crate::tree::tile::WIDTH) as usize).cloned())
            }
        }
    }
}

/// Makes the journal of a log again. Takes its lock.
///
/// # Errors
/// [`LedgerError::Unverified`] when something promised is nowhere, when sources disagree, or when
/// the result does not verify; then nothing is changed.
pub fn rebuild(home: &Home, source: &Source<'_>, authority: &mut impl Authority) -> Result<Rebuilt, LedgerError> {
    let disk = &*home.disk;
    let verifier = read_verifier(disk, &home.dir)?;
    let _lock = disk.lock(&home.dir, PATIENCE, &|_| ())?;
    let note = crate::storage::disk::read(disk, &home.dir.join("checkpoint"))?;
    let checkpoint = Checkpoint::open(&note, &verifier)?;
    let old = home.dir.join("journal");
    let salvaged = old_journal(disk, &home.dir)?;
    let salvage = Salvage::of(disk, &salvaged, &verifier.name, home.per_segment)?;
    let here = whole(home, &old);
    let nothing =
        || Err(LedgerError::Needless { what: "the journal is whole, and this source adds nothing to it".into() });
    let entries = match source {
        Source::Index => match home.stores.open() {
            Err(LedgerError::Index { .. }) if here > 0 => return nothing(),
            other => Entries::Index(other?),
        },
        Source::Export(export) => Entries::Export(export, 0, Vec::new()),
    };
    if let Source::Export(export) = source
        && here >= export.checkpoint.size
        && root_of(home, &old, export.checkpoint.size)? != export.checkpoint.root
    {
        return refuse(format!(
            "the journal is whole, and its first {} entries are not the source's: it is another history",
            export.checkpoint.size
        ));
    }
    if here > 0 && entries.len() <= here {
        return nothing();
    }
    let len = salvage.reach(entries.len());
    let promised = salvage.promised.max(checkpoint.size);
    if len < promised {
        return refuse(format!(
            "{promised} entries were promised; the old journal and this source together hold {len}"
        ));
    }
    let mut auditor = Auditor::new(&verifier.name, authority);
    auditor.expect(checkpoint);
    if let Source::Export(export) = source {
        auditor.expect(export.checkpoint.clone());
    }
    let new = fresh_folder(disk, &home.dir)?;
    let restored = merge(home, &new, &salvage, entries, len, &mut auditor)?;
    auditor.finish()?;
    auditor.verdict()?;
    drop(auditor);
    own_key(authority, &verifier)?;
    let kept = swap(disk, &home.dir, &old, &new)?.unwrap_or(salvaged);
    Ok(Rebuilt { entries: len, restored, kept })
}

/// Entries of a journal that is whole; none of one that is not.
fn whole(home: &Home, dir: &Path) -> u64 {
    let opened = Journal::open_by(home.disk.clone(), dir, home.per_segment, Derived::Passed);
    let read = |journal: &Journal| journal.read(0..journal.len(), |_, _| Ok::<_, LedgerError>(()));
    opened.ok().filter(|(journal, ending)| *ending == Ending::Clean && read(journal).is_ok()).map_or(0, |j| j.0.len())
}

/// The root over the first entries of a journal that is whole.
fn root_of(home: &Home, dir: &Path, size: u64) -> Result<Hash, LedgerError> {
    Journal::open_by(home.disk.clone(), dir, home.per_segment, Derived::Passed)?.0.root_at(size)
}

/// The journal, or what an interrupted rebuild put aside just before the new one took its place.
fn old_journal(disk: &dyn Disk, dir: &Path) -> Result<PathBuf, LedgerError> {
    let names = disk.list(dir).map_err(LedgerError::io("list", dir))?;
    if names.iter().any(|n| n == "journal") {
        return Ok(dir.join("journal"));
    }
    let aside = names.iter().filter_map(|n| n.strip_prefix("journal.damaged-")?.parse::<u64>().ok()).max();
    let missing = || LedgerError::Missing { path: dir.join("journal") };
    aside.map(|n| dir.join(format!("journal.damaged-{n}"))).ok_or_else(missing)
}

/// The first entry names the key of the checkpoints: no other one may sign them.
fn own_key(authority: &impl Authority, verifier: &Verifier) -> Result<(), LedgerError> {
    match crate::audit::foreign_log_key(authority, verifier) {
        Some(f) => Err(LedgerError::Refused { seq: f.seq, reason: format!("{}: {}", f.reason, f.detail) }),
        None => Ok(()),
    }
}

fn refuse<T>(why: String) -> Result<T, LedgerError> {
    Err(LedgerError::Unverified { what: "the rebuilt journal", why })
}

/// Writes what the old journal and the source hold into a new journal. Gives how many entries the
/// old one lacked.
fn merge<A: Authority>(
    home: &Home,
    new: &Path,
    salvage: &Salvage,
    mut entries: Entries<'_>,
    len: u64,
    auditor: &mut Auditor<'_, A>,
) -> Result<u64, LedgerError> {
    let mut writer = Journal::fresh(home.disk.clone(), new, home.per_segment);
    let (mut chunk, mut bytes, mut restored) = (Vec::new(), 0, 0);
    let mut prev = Hash::ZERO;
    for seq in 0..len {
        // A source that cannot give an entry is no harm where the old journal has it.
        let (old, new) = (salvage.get(seq)?, entries.get(seq));
        let new = if old.is_some() { new.unwrap_or(None) } else { new? };
        let fits = |bytes: &Bytes| Entry::decode(bytes.clone()).is_ok_and(|e| (e.seq, e.prev) == (seq, prev));
        let taken = match (old.filter(&fits), new.filter(&fits)) {
            (Some(a), Some(b)) if a != b => {
                // What follows in the old journal says which of the two it was written after.
                let next = salvage.get(seq + 1)?.and_then(|bytes| Entry::decode(bytes).ok());
                let goes_on = |of: &Bytes| {
                    let hash = Entry::decode(of.clone()).map(|e| e.content_hash());
                    next.as_ref().is_some_and(|n| hash.is_ok_and(|hash| n.prev == hash))
                };
                if goes_on(&a) || !goes_on(&b) {
                    return refuse(format!("entry {seq} is another one in the old journal than in this source"));
                }
                restored += 1;
                b
            }
            (Some(bytes), _) => bytes,
            (None, Some(bytes)) => {
                restored += 1;
                bytes
            }
            (None, None) => return Err(LedgerError::BadEntry { seq, what: "it is nowhere".into() }),
        };
        prev = Entry::decode(taken.clone())?.content_hash();
        chunk.push(taken);
        bytes += chunk.last().map_or(0, Bytes::len);
        if chunk.len() == CHUNK || bytes >= CHUNK_BYTES || seq + 1 == len {
            bytes = 0;
            let hashed = chunk.iter().map(|b| Entry::decode(b.clone()).map(Hashed::from));
            writer.write(&hashed.collect::<Result<Vec<_>, _>>()?)?;
            writer.sync()?;
            auditor.push(std::mem::take(&mut chunk));
        }
    }
    Ok(restored)
}

/// A new journal's folder, under a name that no earlier attempt used.
fn fresh_folder(disk: &dyn Disk, dir: &Path) -> Result<PathBuf, LedgerError> {
    let path = dir.join(free_name(disk, dir, "journal.new")?);
    Journal::create(disk, &path)?;
    Ok(path)
}

fn free_name(disk: &dyn Disk, dir: &Path, stem: &str) -> Result<String, LedgerError> {
    let names = disk.list(dir).map_err(LedgerError::io("list", dir))?;
    Ok((1..).map(|n| format!("{stem}-{n}")).find(|n| !names.contains(n)).unwrap_or_default())
}

/// Puts the new journal in place of the old one, and says where that is kept if there was one.
fn swap(disk: &dyn Disk, dir: &Path, old: &Path, new: &Path) -> Result<Option<PathBuf>, LedgerError> {
    let names = disk.list(dir).map_err(LedgerError::io("list", dir))?;
    let mut kept = None;
    if names.iter().any(|n| n == "journal") {
        let aside = dir.join(free_name(disk, dir, "journal.damaged")?);
        disk.rename(old, &aside).map_err(LedgerError::io("set aside", old))?;
        kept = Some(aside);
    }
    disk.rename(new, old).map_err(LedgerError::io("rename", new))?;
    disk.sync_dir(dir).map_err(LedgerError::io("sync", dir))?;
    Ok(kept)
}

/// Makes a log from an export, verifying everything first. The verifier key is written last:
/// without it there is no log, so an import that was interrupted is finished by another one.
///
/// # Errors
/// [`LedgerError::Exists`], [`LedgerError::Refused`] with the first finding.
pub fn import(home: &Home, export: &Export<'_>, authority: &mut impl Authority) -> Result<Log, LedgerError> {
    if let Some(f) = export.verify(authority)?.first() {
        return Err(LedgerError::Refused { seq: f.seq, reason: format!("{}: {}", f.reason, f.detail) });
    }
    let (disk, dir) = (&*home.disk, &home.dir);
    disk.create_dir(dir).map_err(LedgerError::io("create", dir))?;
    let lock = disk.lock(dir, PATIENCE, &|_| ())?;
    let names = disk.list(dir).map_err(LedgerError::io("list", dir))?;
    let journal = dir.join("journal");
    let here = |name: &str| names.iter().any(|n| n == name);
    if here("log.vkey") || here("journal") && !is_import_of(home, &journal, export) {
        return Err(LedgerError::Exists { path: dir.clone() });
    }
    if !here("journal") {
        let new = fresh_folder(disk, dir)?;
        copy(home, &new, export)?;
        swap(disk, dir, &journal, &new)?;
    }
    crate::storage::disk::replace(disk, &dir.join("checkpoint"), &export.note)?;
    crate::storage::disk::replace(disk, &dir.join("log.vkey"), format!("{}\n", export.verifier).as_bytes())?;
    drop(lock);
    // The index is made with it: its absence is worth a notice only later.
    let mut log = Log::open_at(home)?;
    log.hold()?;
    log.release();
    log.notices.clear();
    Ok(log)
}

/// Whether a journal holds exactly what an export does.
fn is_import_of(home: &Home, journal: &Path, export: &Export<'_>) -> bool {
    let opened = Journal::open_by(home.disk.clone(), journal, home.per_segment, Derived::Passed);
    opened.is_ok_and(|(journal, ending)| {
        let same = journal.len() == export.checkpoint.size && journal.root().is_ok_and(|r| r == export.checkpoint.root);
        same && ending == Ending::Clean
    })
}

/// Writes the entries of a verified export into a new journal.
fn copy(home: &Home, new: &Path, export: &Export<'_>) -> Result<(), LedgerError> {
    let mut writer = Journal::fresh(home.disk.clone(), new, home.per_segment);
    for n in 0..export.bundles() {
        let sealed = export.bundle(n)?.into_iter().map(|b| Entry::decode(b).map(Hashed::from));
        writer.write(&sealed.collect::<Result<Vec<_>, _>>()?)?;
    }
    writer.sync()?;
    if writer.root()? == export.checkpoint.root {
        return Ok(());
    }
    let why = "the export changed while it was read".to_string();
    Err(LedgerError::Unverified { what: "the imported log", why })
}
