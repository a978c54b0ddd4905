//! A thin wrapper over git2: trees in, trees out.

use super::listing::Listings;
use git2::{ObjectType, Oid, Repository, Tree};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The largest file that is read from a repository.
const MAX_BLOB: usize = 16 << 20;

/// What can go wrong with a repository.
#[derive(Debug, thiserror::Error)]
pub enum RepoError {
    /// git2 refused.
    #[error("cannot {action}: {source}")]
    Git {
        /// What was being done.
        action: String,
        /// libgit2's words.
        source: git2::Error,
    },
    /// An object of a push cannot be seen: the quarantine's environment is missing.
    #[error("object {oid} is not visible (was the hook's environment kept?)")]
    NotVisible {
        /// The object.
        oid: String,
    },
    /// A proposal that can go nowhere any more.
    #[error("{what}")]
    Late {
        /// Why.
        what: String,
    },
    /// A tree that must not be deployed.
    #[error("{path}: {what}")]
    BadTree {
        /// Path in the tree.
        path: String,
        /// What is wrong.
        what: String,
    },
    /// The other side refused a push.
    #[error("git push was refused:\n{words}")]
    Push {
        /// What git printed.
        words: String,
    },
    /// A push that did not come as far as an answer.
    #[error("git push failed:\n{words}")]
    Unreached {
        /// What git printed.
        words: String,
    },
    /// A branch that cannot be brought forward to the other repository's.
    #[error("the branch {branch} here and in the deploy repository have parted:\n{words}")]
    Parted {
        /// The branch.
        branch: String,
        /// What git printed.
        words: String,
    },
    /// A lock that a git which was killed left behind, or that one holds that is at work.
    #[error("another git holds {path}, or one that was killed left it")]
    Locked {
        /// The lock.
        path: String,
    },
    /// A commit that could not be signed.
    #[error("the commit cannot be signed: {what}")]
    Unsigned {
        /// Why.
        what: String,
    },
    /// There is no git to be run.
    #[error("git cannot be run: {0}")]
    NoGit(std::io::Error),
}

pub(super) fn git(action: impl Into<String>) -> impl FnOnce(git2::Error) -> RepoError {
    let action = action.into();
    move |source| RepoError::Git { action, source }
}

/// Where a repository keeps its branches, a clone its remote's, and what is fetched before it is believed.
const HEADS: &str = "refs/heads/";
const REMOTE: &str = "refs/remotes/origin/";
const FETCHED: &str = "refs/assay/deploy/";

/// A repository.
pub struct Repo {
    pub(super) inner: Repository,
    /// Where its branches stand: of a clone that is only looked at where they stand at the remote.
    base: &'static str,
    /// Whether it is a hook's, with its quarantine.
    hook: bool,
    /// Signs the commits that are made here.
    pub(super) signer: Option<SignBy>,
    /// Folders that were looked over.
    pub(super) listings: RefCell<Listings>,
}

/// Gives an armoured SSHSIG over bytes, in git's own namespace; or says why not.
pub type SignBy = Box<dyn Fn(&[u8]) -> Result<String, String> + Send>;

impl std::fmt::Debug for Repo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Repo({})", self.inner.path().display())
    }
}

/// Files by path.
pub type Files = BTreeMap<String, Vec<u8>>;

impl Repo {
    /// Creates a repository whose first branch is `main`.
    ///
    /// # Errors
    /// [`RepoError::Git`].
    pub fn init(path: &Path, bare: bool) -> Result<Repo, RepoError> {
        let mut options = git2::RepositoryInitOptions::new();
        options.bare(bare).initial_head("main").no_reinit(true);
        let inner = Repository::init_opts(path, &options).map_err(git(format!("create {}", path.display())))?;
        Ok(Repo { inner, base: HEADS, hook: false, signer: None, listings: RefCell::default() })
    }

    /// Opens a repository at a path.
    ///
    /// # Errors
    /// [`RepoError::Git`].
    pub fn open(path: &Path) -> Result<Repo, RepoError> {
        let inner = Repository::open(path).map_err(git(format!("open the repository {}", path.display())))?;
        Ok(Repo { inner, base: HEADS, hook: false, signer: None, listings: RefCell::default() })
    }

    /// Opens a plain clone (or any repository) to look at: its branches are those of its remote `origin`, as they were
    /// fetched last, and its own where there is no such remote.
    ///
    /// # Errors
    /// [`RepoError::Git`].
    pub fn look(path: &Path) -> Result<Repo, RepoError> {
        let found = Repo::open(path)?;
        let clone = found.inner.find_remote("origin").is_ok() && found.tip(&format!("{REMOTE}main")).is_some();
        Ok(Repo { base: if clone { REMOTE } else { HEADS }, ..found })
    }

    /// The same repository as the branches stand that were fetched from the deploy repository last.
    ///
    /// # Errors
    /// [`RepoError::Git`].
    pub fn fetched(&self) -> Result<Repo, RepoError> {
        Ok(Repo { base: FETCHED, ..Repo::open(self.inner.path())? })
    }

    /// Opens the repository of a hook, with its quarantine: `GIT_DIR`, `GIT_OBJECT_DIRECTORY` and
    /// `GIT_ALTERNATE_OBJECT_DIRECTORIES` count.
    ///
    /// # Errors
    /// [`RepoError::Git`].
    pub fn open_in_hook() -> Result<Repo, RepoError> {
        let inner = Repository::open_from_env().map_err(git("open the hook's repository"))?;
        Ok(Repo { inner, base: HEADS, hook: true, signer: None, listings: RefCell::default() })
    }

    /// The same repository once more, for another thread.
    ///
    /// # Errors
    /// [`RepoError::Git`].
    pub fn again(&self) -> Result<Repo, RepoError> {
        let inner = match self.hook {
            true => Repository::open_from_env(),
            false => Repository::open(self.inner.path()),
        };
        Ok(Repo {
            inner: inner.map_err(git("open the repository again"))?,
            base: self.base,
            hook: self.hook,
            signer: None,
            listings: RefCell::default(),
        })
    }

    /// The same, for somebody who signs what they commit.
    pub fn signed_by(self, signer: SignBy) -> Repo {
        Repo { signer: Some(signer), ..self }
    }

    /// The repository's own folder (`.git`, or the bare folder).
    pub fn dir(&self) -> PathBuf {
        self.inner.path().to_path_buf()
    }

    /// The file that lets it borrow objects from elsewhere, if there is one: whoever holds those could change what it
    /// says.
    pub fn borrows(&self) -> Option<PathBuf> {
        let names =
            ["alternates", "http-alternates"].map(|name| self.inner.commondir().join("objects/info").join(name));
        names.into_iter().find(|path| path.exists())
    }

    /// Writes configuration values.
    ///
    /// # Errors
    /// [`RepoError::Git`].
    pub fn configure(&self, values: &[(&str, &str)]) -> Result<(), RepoError> {
        let mut config = self.inner.config().map_err(git("read the configuration"))?;
        values.iter().try_for_each(|(k, v)| config.set_str(k, v)).map_err(git("write the configuration"))
    }

    /// A setting's value, from the repository or from git's own files.
    pub fn setting(&self, key: &str) -> Option<String> {
        self.inner.config().ok()?.get_string(key).ok()
    }

    /// The commit of a reference, such as `refs/heads/main`.
    pub fn tip(&self, reference: &str) -> Option<String> {
        let there = reference.strip_prefix(HEADS).map(|name| format!("{}{name}", self.base));
        self.inner.refname_to_id(there.as_deref().unwrap_or(reference)).ok().map(|o| o.to_string())
    }

    pub(super) fn oid(&self, hex: &str) -> Result<Oid, RepoError> {
        Oid::from_str(hex).map_err(git(format!("read the object name {hex}")))
    }

    /// The object of a commit's tree.
    pub(super) fn root(&self, commit: &str) -> Result<Oid, RepoError> {
        let oid = self.oid(commit)?;
        let commit = self.inner.find_commit(oid).map_err(|_| RepoError::NotVisible { oid: commit.into() })?;
        Ok(commit.tree_id())
    }

    pub(super) fn tree(&self, commit: &str) -> Result<Tree<'_>, RepoError> {
        let oid = self.root(commit)?;
        self.listing(oid)?;
        self.inner.find_tree(oid).map_err(|_| RepoError::NotVisible { oid: oid.to_string() })
    }

    /// First parent of a commit.
    ///
    /// # Errors
    /// An object that cannot be seen.
    pub fn parent(&self, commit: &str) -> Result<Option<String>, RepoError> {
        let oid = self.oid(commit)?;
        let found = self.inner.find_commit(oid).map_err(|_| RepoError::NotVisible { oid: commit.into() })?;
        Ok(found.parent_id(0).ok().map(|o| o.to_string()))
    }

    /// When whoever made a commit says it was made, microseconds since 1970.
    ///
    /// # Errors
    /// An object that cannot be seen.
    pub fn time_us(&self, commit: &str) -> Result<u64, RepoError> {
        let oid = self.oid(commit)?;
        let found = self.inner.find_commit(oid).map_err(|_| RepoError::NotVisible { oid: commit.into() })?;
        Ok(found.time().seconds().max(0) as u64 * 1_000_000)
    }

    /// The commits from `old` to `new` along first parents, `old` first; none when `old` is not on
    /// that line.
    ///
    /// # Errors
    /// An object that cannot be seen.
    pub fn line(&self, old: &str, new: &str) -> Result<Option<Vec<String>>, RepoError> {
        let mut out = vec![new.to_string()];
        let mut at = new.to_string();
        while at != old {
            let Some(parent) = self.parent(&at)? else { return Ok(None) };
            out.push(parent.clone());
            at = parent;
        }
        out.reverse();
        Ok(Some(out))
    }

    /// Whether `new` is `old` or comes after it.
    ///
    /// # Errors
    /// [`RepoError::Git`].
    pub fn follows(&self, new: &str, old: &str) -> Result<bool, RepoError> {
        let (new, old) = (self.oid(new)?, self.oid(old)?);
        Ok(new == old || self.inner.graph_descendant_of(new, old).map_err(git("compare commits"))?)
    }

    /// How large a file of a commit's tree is, bytes; it is not unpacked.
    ///
    /// # Errors
    /// An object that cannot be seen.
    pub fn size(&self, commit: &str, path: &str) -> Result<Option<u64>, RepoError> {
        let Some((oid, ObjectType::Blob)) = self.at(commit, path)? else { return Ok(None) };
        let odb = self.inner.odb().map_err(git("read objects"))?;
        let (size, _) = odb.read_header(oid).map_err(|_| RepoError::NotVisible { oid: oid.to_string() })?;
        Ok(Some(size as u64))
    }

    /// A file of a commit's tree.
    ///
    /// # Errors
    /// An object that cannot be seen, or is too large.
    pub fn file(&self, commit: &str, path: &str) -> Result<Option<Vec<u8>>, RepoError> {
        match self.at(commit, path)? {
            Some((oid, ObjectType::Blob)) => self.blob(oid, path).map(Some),
            _ => Ok(None),
        }
    }

    /// A file by the name of its object, as [`Repo::under`] gives it.
    ///
    /// # Errors
    /// No such object, or one that is too large.
    pub fn object(&self, name: &str, path: &str) -> Result<Vec<u8>, RepoError> {
        self.blob(self.oid(name)?, path)
    }

    pub(super) fn blob(&self, oid: Oid, path: &str) -> Result<Vec<u8>, RepoError> {
        // Its size is asked for before it is unpacked.
        let odb = self.inner.odb().map_err(git("read objects"))?;
        if odb.read_header(oid).is_ok_and(|(size, _)| size > MAX_BLOB) {
            return Err(RepoError::BadTree { path: path.into(), what: format!("it is over {MAX_BLOB} bytes") });
        }
        let blob = self.inner.find_blob(oid).map_err(|_| RepoError::NotVisible { oid: oid.to_string() })?;
        if blob.size() > MAX_BLOB {
            return Err(RepoError::BadTree { path: path.into(), what: format!("it is over {MAX_BLOB} bytes") });
        }
        Ok(blob.content().to_vec())
    }

    /// Moves a branch to a commit.
    ///
    /// # Errors
    /// [`RepoError::Git`].
    pub fn move_to(&self, branch: &str, commit: &str) -> Result<(), RepoError> {
        let oid = self.oid(commit)?;
        self.inner
            .reference(&format!("refs/heads/{branch}"), oid, true, "move")
            .map(|_| ())
            .map_err(git(format!("move {branch}")))
    }

    /// Branches whose names begin with a prefix.
    ///
    /// # Errors
    /// [`RepoError::Git`].
    pub fn branches(&self, prefix: &str) -> Result<Vec<String>, RepoError> {
        let base = self.base;
        let references = self.inner.references_glob(&format!("{base}{prefix}*")).map_err(git("list branches"))?;
        let names =
            references.flatten().filter_map(|r| r.name().ok().and_then(|n| n.strip_prefix(base)).map(str::to_string));
        Ok(names.collect())
    }
}

impl RepoError {
    /// The lock that git's words name, if that is what stopped it.
    pub(super) fn locked(words: &str) -> Option<RepoError> {
        let (path, after) = words.split_once("Unable to create '")?.1.split_once('\'')?;
        (path.ends_with(".lock") && after.starts_with(": File exists"))
            .then(|| RepoError::Locked { path: path.replace("//", "/").replace("/./", "/") })
    }

    /// Whether a lock stopped it.
    pub fn is_locked(&self) -> bool {
        match self {
            RepoError::Locked { .. } => true,
            RepoError::Git { source, .. } => source.code() == git2::ErrorCode::Locked,
            _ => false,
        }
    }

    /// Whether git does not trust a repository because it is another user's.
    pub fn is_owned_by_another(&self) -> bool {
        matches!(self, RepoError::Git { source, .. } if source.code() == git2::ErrorCode::Owner)
    }
}

/// True for the object name of nothing.
pub fn is_zero(oid: &str) -> bool {
    oid.bytes().all(|b| b == b'0')
}
