//! A proposal brought into the deploy branch.

use super::git::{Repo, RepoError, git};
use super::tree::Changed;
use assay_shared::policy;
use git2::Signature;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Paths that differ between two trees.
fn changed<'a>(old: &'a BTreeMap<String, String>, new: &'a BTreeMap<String, String>) -> BTreeSet<&'a str> {
    old.keys().chain(new.keys()).filter(|p| old.get(*p) != new.get(*p)).map(String::as_str).collect()
}

/// What a path of a strategy belongs to: nothing of it may have moved under a proposal.
fn owner(path: &str) -> &str {
    match path.split('/').collect::<Vec<_>>()[..] {
        ["evidence", strategy, ..] => strategy,
        ["configs", "live", file] => file.trim_end_matches(".sig").trim_end_matches(".toml"),
        _ => path,
    }
}

impl Repo {
    /// Where two commits parted; none when they have nothing in common.
    ///
    /// # Errors
    /// A name that is no object's.
    pub fn parted_at(&self, ours: &str, theirs: &str) -> Result<Option<String>, RepoError> {
        Ok(self.inner.merge_base(self.oid(ours)?, self.oid(theirs)?).ok().map(|oid| oid.to_string()))
    }

    /// Where a proposal, `theirs`, parted from the branch that it would go to, if it still can: since then only other
    /// strategies may have moved there.
    ///
    /// # Errors
    /// When it is merged already, or the policy or the same strategy has moved.
    pub fn proposed_on(&self, ours: &str, theirs: &str) -> Result<String, RepoError> {
        let late = |what: String| RepoError::Late { what };
        if self.follows(ours, theirs)? {
            return Err(late("it is part of what is deployed already".into()));
        }
        let nothing = || late("it has nothing in common with what is deployed".into());
        let base = self.parted_at(ours, theirs)?.ok_or_else(nothing)?;
        let (moved, brought) = (self.changes(&base, ours)?, self.changes(&base, theirs)?);
        if moved.iter().any(|c| c.path == policy::PATH) {
            return Err(late("the policy has changed since: propose again with `assay promote`".into()));
        }
        let owners: BTreeSet<&str> = brought.iter().map(|c| owner(&c.path)).collect();
        if let Some(c) = moved.iter().find(|c| owners.contains(owner(&c.path))) {
            return Err(late(format!("{} has changed since: propose again with `assay promote`", c.path)));
        }
        Ok(base)
    }

    /// Makes the merge commit of `branch` into `into`, and moves neither. Where `into` has gone on since, only other
    /// strategies may have moved: the proposal's files are put on top of it as they are.
    ///
    /// # Errors
    /// When it is merged already, or the policy or the same strategy has moved.
    pub fn merge(&self, branch: &str, into: &str, author: &str) -> Result<String, RepoError> {
        let missing = |b: &str| RepoError::BadTree { path: b.into(), what: "there is no such branch".into() };
        let ours = self.tip(&format!("refs/heads/{into}")).ok_or_else(|| missing(into))?;
        let theirs = self.tip(&format!("refs/heads/{branch}")).ok_or_else(|| missing(branch))?;
        let base = self.proposed_on(&ours, &theirs)?;
        let (a, b) = (self.oid(&ours)?, self.oid(&theirs)?);
        let brought = self.changes(&base, &theirs)?;
        let new = self.tree(&theirs)?;
        let mut update = git2::build::TreeUpdateBuilder::new();
        for Changed { path, after, .. } in &brought {
            if *after {
                let blob = new.get_path(Path::new(path)).map_err(git("read a tree"))?.id();
                update.upsert(path.as_str(), blob, git2::FileMode::Blob);
            } else {
                update.remove(path.as_str());
            }
        }
        let tree = update.create_updated(&self.inner, &self.tree(&ours)?).map_err(git("merge the trees"))?;
        let tree = self.inner.find_tree(tree).map_err(git("read a tree"))?;
        let find = |o| self.inner.find_commit(o).map_err(git("find a commit"));
        let (ours, theirs) = (find(a)?, find(b)?);
        let who = Signature::now(author, &format!("{author}@assay.invalid")).map_err(git("sign a commit"))?;
        let message = format!("merge {branch}");
        let oid = self.make(&who, &message, &tree, &[&ours, &theirs])?;
        Ok(oid.to_string())
    }

    /// Lets a branch follow `theirs`, a commit, too, and leaves its files as they are.
    ///
    /// # Errors
    /// A branch or a commit that is not here.
    pub fn join(&self, branch: &str, theirs: &str, author: &str) -> Result<(), RepoError> {
        let reference = format!("refs/heads/{branch}");
        let missing = || RepoError::BadTree { path: branch.into(), what: "there is no such branch".into() };
        let ours = self.tip(&reference).ok_or_else(missing)?;
        let find = |hex: &str| self.oid(hex).and_then(|o| self.inner.find_commit(o).map_err(git("find a commit")));
        let who = Signature::now(author, &format!("{author}@assay.invalid")).map_err(git("sign a commit"))?;
        let message = format!("{branch}: what somebody else has brought of it");
        let made = self.make(&who, &message, &self.tree(&ours)?, &[&find(&ours)?, &find(theirs)?])?;
        self.set(&reference, made, &message).map_err(git(format!("move {branch}")))
    }

    /// Puts what a branch alone has added since it parted from `theirs`, a commit, on top of that. Gives the new tip.
    /// Two people who signed the same proposal at once both stand there afterwards.
    ///
    /// # Errors
    /// When both changed the same file.
    pub fn put_on_top(&self, branch: &str, theirs: &str, author: &str) -> Result<String, RepoError> {
        let reference = format!("refs/heads/{branch}");
        let bad = |what: String| RepoError::BadTree { path: branch.into(), what };
        let ours = self.tip(&reference).ok_or_else(|| bad("there is no such branch".into()))?;
        let (a, b) = (self.oid(&ours)?, self.oid(theirs)?);
        let base =
            self.inner.merge_base(a, b).map_err(|_| bad("two branches of one name have nothing in common".into()))?;
        let (base, mine, there) = (self.list(&base.to_string())?, self.list(&ours)?, self.list(theirs)?);
        let (added, moved) = (changed(&base, &mine), changed(&base, &there));
        // What carries one's own name is one's own.
        let own = |path: &str| path.rsplit('/').next().is_some_and(|file| file.split('.').next() == Some(author));
        if let Some(path) = added.intersection(&moved).find(|p| mine.get(**p) != there.get(**p) && !own(p)) {
            return Err(bad(format!("{path} is another one here and there")));
        }
        let mut files = super::git::Files::new();
        for path in added {
            // What is gone here only is not gone there.
            if let Some(bytes) = self.file(&ours, path)? {
                files.insert(path.into(), bytes);
            }
        }
        // One's own signature that somebody took away there comes back.
        for (path, blob) in mine.iter().filter(|(path, _)| own(path) && path.starts_with("evidence/")) {
            if there.get(path) != Some(blob)
                && let Some(bytes) = self.file(&ours, path)?
            {
                files.insert(path.clone(), bytes);
            }
        }
        files.retain(|path, bytes| self.file(theirs, path).ok().flatten().as_ref() != Some(bytes));
        self.point(&reference, theirs)?;
        if files.is_empty() {
            return Ok(theirs.to_string());
        }
        self.commit(branch, &files, author, &format!("{branch}: what was signed here"))
    }

    /// Lets a reference stand at a commit.
    ///
    /// # Errors
    /// [`RepoError::Git`].
    pub fn point(&self, reference: &str, commit: &str) -> Result<(), RepoError> {
        let oid = self.oid(commit)?;
        self.inner.reference(reference, oid, true, "sync").map(|_| ()).map_err(git(format!("move {reference}")))
    }
}
