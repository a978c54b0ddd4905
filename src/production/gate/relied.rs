//! What a push of the deploy branch was verified with, remembered between the hook that verifies and the moment at
//! which the branch moves.
//!
//! Git asks about a push as a whole, and may then refuse some of its references: for a stale name, a lock, a shallow
//! root. The deploy branch moves only where the logs that it was verified with stand, or move together with it.

use super::pins::Host;
use super::push::{Relied, Update};
use super::refusal::{Code, GateError, refuse};
use crate::repository::git::Repo;
use assay_ledger::storage::disk::{RealDisk, replace};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// After so long nobody waits for an answer any more.
const KEPT: Duration = Duration::from_secs(24 * 3600);

impl Host {
    fn relied_path(&self, head: &str) -> PathBuf {
        self.dir().join("relied").join(head)
    }

    /// Remembers what a new head of the deploy branch was verified with.
    ///
    /// # Errors
    /// When it cannot be written: the push is refused then.
    pub fn rely(&self, head: &str, logs: &Relied) -> Result<(), GateError> {
        let (path, fail) = (self.relied_path(head), |what: String| GateError::Host { what });
        let dir = path.parent().unwrap_or(self.dir());
        std::fs::create_dir_all(dir).map_err(|e| fail(format!("{}: {e}", dir.display())))?;
        // Pushes that came to nothing leave theirs behind.
        for old in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let age = old.metadata().and_then(|m| m.modified()).map(|t| SystemTime::now().duration_since(t));
            if age.is_ok_and(|age| age.is_ok_and(|age| age > KEPT)) {
                let _ = std::fs::remove_file(old.path());
            }
        }
        let text: String = logs.iter().map(|(branch, commit)| format!("{commit} {branch}\n")).collect();
        Ok(replace(&RealDisk, &path, text.as_bytes())?)
    }

    /// Forgets it: the branch has moved.
    pub fn relied_done(&self, head: &str) {
        let _ = std::fs::remove_file(self.relied_path(head));
    }

    fn relied(&self, head: &str) -> Result<Option<Relied>, GateError> {
        let path = self.relied_path(head);
        let fail = |what: String| GateError::Host { what: format!("{}: {what}", path.display()) };
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                let line = |line: &str| line.split_once(' ').map(|(commit, branch)| (branch.into(), commit.into()));
                let logs = text.lines().map(line).collect::<Option<Relied>>();
                logs.map(Some).ok_or_else(|| fail("a line is no commit and branch".into()))
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(fail(e.to_string())),
        }
    }
}

/// Whether references may move together: with the deploy branch the logs that it was verified with, unless they stand
/// already. What nobody verified is none of a push: whoever has the host moves it.
///
/// # Errors
/// The log that is wanting.
pub fn moving(repo: &Repo, updates: &[Update], host: &Host) -> Result<(), GateError> {
    let deploy = host.deploy_reference();
    for head in updates.iter().filter(|u| u.reference == deploy) {
        for (branch, verified) in host.relied(&head.new)?.unwrap_or_default() {
            let reference = format!("refs/heads/{branch}");
            let with = updates.iter().find(|u| u.reference == reference).map(|u| u.new.clone());
            let stands = with.or_else(|| repo.tip(&reference));
            let there = match &stands {
                Some(tip) => *tip == verified || repo.follows(tip, &verified).unwrap_or(false),
                None => false,
            };
            if !there {
                let what = format!(
                    "{deploy} was verified with the log at {}, which does not stand here: push both at once with --atomic",
                    &verified[..12.min(verified.len())]
                );
                return refuse(Code::Checkpoint, reference, what);
            }
        }
    }
    Ok(())
}
