//! The commits that come with a push.

use super::git::{Repo, RepoError, git};

/// A commit after its first parent, if it has one.
pub type Step = (Option<String>, String);

impl Repo {
    /// Whether a part of its history was left where it came from.
    pub fn is_shallow(&self) -> bool {
        self.inner.is_shallow()
    }

    /// Whether a commit without parents is reached from `new` and not from `old`.
    ///
    /// # Errors
    /// [`RepoError::Git`].
    pub fn brings_root(&self, old: &str, new: &str) -> Result<bool, RepoError> {
        let (old, new) = (self.oid(old)?, self.oid(new)?);
        let mut walk = self.inner.revwalk().map_err(git("walk commits"))?;
        walk.push(new).and_then(|()| walk.hide(old)).map_err(git("walk commits"))?;
        for oid in walk {
            let commit = oid.and_then(|oid| self.inner.find_commit(oid)).map_err(git("walk commits"))?;
            if commit.parent_count() == 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Commits that are reached from `new` and from none of `known`, each with its first parent; none where they are more
    /// than `most`.
    ///
    /// # Errors
    /// [`RepoError::Git`].
    pub fn brings(&self, known: &[String], new: &str, most: usize) -> Result<Option<Vec<Step>>, RepoError> {
        let mut walk = self.inner.revwalk().map_err(git("walk commits"))?;
        walk.push(self.oid(new)?).map_err(git("walk commits"))?;
        for known in known {
            walk.hide(self.oid(known)?).map_err(git("walk commits"))?;
        }
        let mut out = Vec::new();
        for oid in walk {
            let commit = oid.and_then(|oid| self.inner.find_commit(oid)).map_err(git("walk commits"))?;
            if out.len() == most {
                return Ok(None);
            }
            out.push((commit.parent_id(0).ok().map(|p| p.to_string()), commit.id().to_string()));
        }
        Ok(Some(out))
    }

    /// Bytes of a commit itself: its words, who made it, its signature.
    ///
    /// # Errors
    /// A commit that cannot be seen.
    pub fn bytes_of(&self, commit: &str) -> Result<u64, RepoError> {
        let odb = self.inner.odb().map_err(git("read objects"))?;
        let (size, _) =
            odb.read_header(self.oid(commit)?).map_err(|_| RepoError::NotVisible { oid: commit.to_string() })?;
        Ok(size as u64)
    }

    /// Whether a commit brings neither files nor a history.
    ///
    /// # Errors
    /// A commit that cannot be seen.
    pub fn is_idle(&self, commit: &str) -> Result<bool, RepoError> {
        let found = self.inner.find_commit(self.oid(commit)?).map_err(git("find a commit"))?;
        Ok(found.parent_count() == 1 && found.parent(0).is_ok_and(|p| p.tree_id() == found.tree_id()))
    }
}
