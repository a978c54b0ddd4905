//! Commits made, signed where somebody signs, and branches moved to them.

use super::git::{Files, Repo, RepoError, git};
use git2::{Oid, Signature, Tree};
use std::time::{Duration, Instant};

/// The age from which a lock of a log's branch is nobody's.
const STALE: Duration = Duration::from_secs(3);

/// A signature, and what it is over.
pub type Sealed = (Vec<u8>, Vec<u8>);

impl Repo {
    /// Commits changed files on top of a branch (or begins it). Gives the new commit.
    ///
    /// # Errors
    /// [`RepoError::Git`].
    pub fn commit(&self, branch: &str, files: &Files, author: &str, message: &str) -> Result<String, RepoError> {
        self.commit_from(branch, None, files, author, message)
    }

    /// [`Repo::commit`], beginning a new branch at `start`.
    ///
    /// # Errors
    /// [`RepoError::Git`].
    pub fn commit_from(
        &self,
        branch: &str,
        start: Option<&str>,
        files: &Files,
        author: &str,
        message: &str,
    ) -> Result<String, RepoError> {
        let reference = format!("refs/heads/{branch}");
        let parent = match (self.tip(&reference), start) {
            (Some(tip), _) => Some(tip),
            (None, start) => start.map(str::to_string),
        };
        let base = parent.as_deref().map(|p| self.tree(p)).transpose()?;
        let mut update = git2::build::TreeUpdateBuilder::new();
        for (path, bytes) in files {
            let blob = self.inner.blob(bytes).map_err(git("write a file"))?;
            update.upsert(path.as_str(), blob, git2::FileMode::Blob);
        }
        let empty = self
            .inner
            .treebuilder(None)
            .and_then(|b| b.write())
            .and_then(|o| self.inner.find_tree(o))
            .map_err(git("write a tree"))?;
        let tree = update.create_updated(&self.inner, base.as_ref().unwrap_or(&empty)).map_err(git("write a tree"))?;
        let tree = self.inner.find_tree(tree).map_err(git("write a tree"))?;
        let who = Signature::now(author, &format!("{author}@assay.invalid")).map_err(git("sign a commit"))?;
        let parent = parent
            .map(|p| self.oid(&p).and_then(|o| self.inner.find_commit(o).map_err(git("find a commit"))))
            .transpose()?;
        let parents: Vec<&git2::Commit<'_>> = parent.iter().collect();
        let oid = self.make(&who, message, &tree, &parents)?;
        self.set(&reference, oid, message).map_err(git(format!("move {branch}")))?;
        Ok(oid.to_string())
    }

    /// Lets a reference stand at a commit. Of a log's branch, which one program writes and which is locked for
    /// milliseconds, an old lock is what a killed run left: it is waited for, and then taken away, so that no service
    /// stands still for good.
    pub(super) fn set(&self, reference: &str, oid: Oid, message: &str) -> Result<(), git2::Error> {
        let (start, lock) = (Instant::now(), self.inner.commondir().join(format!("{reference}.lock")));
        loop {
            match self.inner.reference(reference, oid, true, message) {
                Err(e)
                    if e.code() == git2::ErrorCode::Locked
                        && reference.starts_with("refs/heads/ledger/")
                        && start.elapsed() < STALE * 3 =>
                {
                    let age = lock.metadata().and_then(|m| m.modified()).ok().and_then(|at| at.elapsed().ok());
                    if age.is_some_and(|age| age > STALE) {
                        let _ = std::fs::remove_file(&lock);
                    } else {
                        std::thread::sleep(STALE / 50);
                    }
                }
                done => return done.map(|_| ()),
            }
        }
    }

    /// A commit, signed if this repository was opened by somebody who signs: `git verify-commit` reads it.
    pub(super) fn make(
        &self,
        who: &Signature<'_>,
        message: &str,
        tree: &Tree<'_>,
        parents: &[&git2::Commit<'_>],
    ) -> Result<Oid, RepoError> {
        let Some(sign) = &self.signer else {
            return self.inner.commit(None, who, who, message, tree, parents).map_err(git("commit"));
        };
        let content = self.inner.commit_create_buffer(who, who, message, tree, parents).map_err(git("commit"))?;
        let signature = sign(&content).map_err(|what| RepoError::Unsigned { what })?;
        let content = String::from_utf8_lossy(&content);
        self.inner.commit_signed(&content, &signature, None).map_err(git("sign a commit"))
    }

    /// The signature of a commit, and what it is over; none of one that is not signed.
    ///
    /// # Errors
    /// A commit that cannot be seen.
    pub fn signature_of(&self, commit: &str) -> Result<Option<Sealed>, RepoError> {
        match self.inner.extract_signature(&self.oid(commit)?, None) {
            Ok((signature, content)) => Ok(Some((signature.to_vec(), content.to_vec()))),
            Err(e) if e.code() == git2::ErrorCode::NotFound => Ok(None),
            Err(e) => Err(git("read a commit's signature")(e)),
        }
    }
}
