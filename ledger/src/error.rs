//! What can go wrong in the ledger, with the sources kept.

use crate::finding::Reason;
use std::io;
use std::path::{Path, PathBuf};

/// An error of the ledger. Each says what was wrong and where; `hint` says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The operating system refused an operation on a file.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Another process writes to this ledger.
    #[error("the ledger {} is in use by {holder}", path.display())]
    Locked {
        /// The ledger's folder.
        path: PathBuf,
        /// Who holds the lock: process, command, since when.
        holder: String,
    },
    /// No ledger here.
    #[error("there is no ledger in {}", path.display())]
    Missing {
        /// The folder that was looked at.
        path: PathBuf,
    },
    /// A file is gone without which the journal beside it is no log.
    #[error("{} is missing, though the journal beside it is there", path.display())]
    Lost {
        /// The file.
        path: PathBuf,
    },
    /// No exported log here.
    #[error("there is no exported ledger in {}", path.display())]
    NoExport {
        /// The folder that was looked at.
        path: PathBuf,
    },
    /// A ledger is here already.
    #[error("{} already holds a ledger", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// An entry's bytes are not an entry.
    #[error("entry {seq}: {what}")]
    BadEntry {
        /// Sequence number at which it stands, if known.
        seq: u64,
        /// What is wrong.
        what: String,
    },
    /// A draft breaks a limit; nothing was written.
    #[error("the event cannot be appended: {what}")]
    BadDraft {
        /// Which limit, and by how much.
        what: String,
    },
    /// The same event id with different content; nothing was written.
    #[error("event id {id} exists at {seq} with different content")]
    IdConflict {
        /// The id in hex.
        id: String,
        /// Where it stands.
        seq: u64,
    },
    /// The journal holds less than a published checkpoint promises, or something else.
    #[error("the ledger disagrees with its checkpoint of size {size}: {what}")]
    CheckpointMismatch {
        /// Size in the checkpoint.
        size: u64,
        /// What does not fit.
        what: String,
    },
    /// The journal is damaged where acknowledged entries stood.
    #[error("{}: damaged at byte {offset}: {what}", path.display())]
    JournalDamaged {
        /// Segment file.
        path: PathBuf,
        /// Byte offset in it.
        offset: u64,
        /// What was found there.
        what: String,
    },
    /// The index (sled) could not be used.
    #[error("the index {}: {what}", path.display())]
    Index {
        /// Its folder.
        path: PathBuf,
        /// What it said.
        what: String,
    },
    /// The index holds acknowledged entries that the journal lost.
    #[error("the ledger {}: the journal holds {journal} entries, its index {index}", path.display())]
    IndexAhead {
        /// The ledger's folder.
        path: PathBuf,
        /// Entries in the journal.
        journal: u64,
        /// Entries in the index.
        index: u64,
    },
    /// An earlier write of this process failed, so it must not write again.
    #[error("the ledger {}: an earlier write failed, and what is on the disk is not known", path.display())]
    Poisoned {
        /// The ledger's folder.
        path: PathBuf,
    },
    /// A signed note, checkpoint, proof or tile is malformed.
    #[error("malformed {what}: {why}")]
    Malformed {
        /// Which kind of object.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The file without which a journal is no log is not what it should be.
    #[error("{}: {why}", path.display())]
    Head {
        /// `checkpoint` or `log.vkey`.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A proof or signature does not verify.
    #[error("{what} does not verify: {why}")]
    Unverified {
        /// What was checked.
        what: &'static str,
        /// How it failed.
        why: String,
    },
    /// A key file cannot be used.
    #[error("key {}: {what}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The key is encrypted and no passphrase was given.
    #[error("key {} is encrypted", path.display())]
    Passphrase {
        /// The file.
        path: PathBuf,
    },
    /// An entry above the log's own checkpoint that does not verify: somebody wrote it into the files.
    #[error("the ledger {}: entry {seq}: {reason}: {detail}", path.display())]
    Untrusted {
        /// The ledger's folder.
        path: PathBuf,
        /// Its number.
        seq: u64,
        /// Stable reason code.
        reason: Reason,
        /// In words.
        detail: String,
    },
    /// An entry above the log's own checkpoint that was not [verified](crate::Log::follow) yet.
    #[error("entry {seq} was not verified yet")]
    Unvouched {
        /// Its number.
        seq: u64,
    },
    /// What was asked for is not needed.
    #[error("there is nothing to do: {what}")]
    Needless {
        /// Why not.
        what: String,
    },
    /// Something here was written by a newer release.
    #[error("{what} is of a newer format than this release reads")]
    Newer {
        /// What is newer.
        what: String,
    },
    /// The log's last entry is dated far ahead of this machine's clock.
    #[error("the last entry is dated {ahead_s} s ahead of this machine's clock")]
    Ahead {
        /// By how many seconds.
        ahead_s: u64,
    },
    /// Verification found something.
    #[error("entry {seq}: {reason}")]
    Refused {
        /// First bad sequence number.
        seq: u64,
        /// Stable reason code with words.
        reason: String,
    },
}

impl LedgerError {
    /// Wraps an I/O error with what was being done and where.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LedgerError {
        let path = path.to_path_buf();
        move |source| LedgerError::Io { action, path, source }
    }

    /// What to do next, where there is something to do.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            LedgerError::Locked { .. } => "wait for it to finish, or stop it, and run the command again",
            LedgerError::NoExport { .. } => {
                "write one with `assay ledger export DIR`; a folder with `checkpoint` and `tile/` is one"
            }
            LedgerError::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "run it as the owner of that file, or give this user the right (`ls -l` shows who has it)"
            }
            LedgerError::Io { source, .. } if source.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                "reading goes on; make the file system writable again, and look why it was turned read-only"
            }
            LedgerError::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                "nothing that was acknowledged is lost; free some space and run the command again"
            }
            LedgerError::Io { source, .. }
                if matches!(source.kind(), io::ErrorKind::IsADirectory | io::ErrorKind::InvalidInput) =>
            {
                "something else stands where the ledger has a file: move it away, and run the command again"
            }
            LedgerError::Missing { .. } => {
                "create a lab with `assay init`, or name one with --lab; a lab that lost its ledger takes an export: `assay ledger import DIR`"
            }
            LedgerError::Lost { .. } => {
                "after an import that was cut off, run it again; else `assay ledger publish` makes it again with the log's key, once the whole journal verifies"
            }
            LedgerError::Head { .. } => {
                "move that file away and run `assay ledger publish`: it makes it again with the log's key, once the whole journal verifies"
            }
            LedgerError::Index { .. } => {
                "the journal is what counts; make the index again from it with `assay ledger rebuild --index`"
            }
            LedgerError::Untrusted { .. } => {
                "nothing was signed or shown of it; `assay verify` lists what is wrong, and `assay ledger rebuild --cut` sets the entries from there on aside"
            }
            LedgerError::Newer { .. } => "nothing is broken: use the release that wrote it, or a newer one",
            LedgerError::Ahead { .. } => {
                "set the clock right; if it is right, that entry was recorded under a wrong one, and later events wait until its time has come"
            }
            LedgerError::JournalDamaged { .. }
            | LedgerError::CheckpointMismatch { .. }
            | LedgerError::IndexAhead { .. } => {
                "nothing was changed; build the journal again with `assay ledger rebuild --from sled`, or `--from DIR` with an export, or restore a copy"
            }
            LedgerError::Poisoned { .. } => "run the command again: what was acknowledged is checked when it opens",
            LedgerError::Key { .. } => {
                "check the file with `ssh-keygen -y -f FILE`; only ed25519 keys with mode 0600 are accepted"
            }
            LedgerError::Passphrase { .. } => "run in a terminal to be asked, or set ASSAY_PASSPHRASE",
            LedgerError::BadDraft { .. } => "nothing was written; keep large data outside and record its digest",
            _ => return None,
        })
    }

    /// True when the check itself could not be done (I/O, missing data), as opposed to failing.
    pub fn could_not_check(&self) -> bool {
        matches!(
            self,
            LedgerError::Io { .. }
                | LedgerError::Locked { .. }
                | LedgerError::Missing { .. }
                | LedgerError::Lost { .. }
                | LedgerError::NoExport { .. }
                | LedgerError::Index { .. }
                | LedgerError::Newer { .. }
        )
    }
}
