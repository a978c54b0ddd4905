//! A repository and another one: pushed and fetched with the `git` program, so that hooks run.

use super::git::{Repo, RepoError};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output};

impl Repo {
    /// Runs `git` on this repository and another one. It has a process group of its own: Ctrl-C in a
    /// terminal is for us, who see the exchange to its end.
    fn git(&self, words: &[&str], remote: &Path, references: &[String]) -> Result<Output, RepoError> {
        let mut command = Command::new("git");
        command.arg("--git-dir").arg(self.inner.path()).args(words).arg(remote).args(references);
        command.env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C").env_remove("ASSAY_PASSPHRASE");
        command.process_group(0).output().map_err(RepoError::NoGit)
    }

    /// Brings a branch forward to where it stands in another repository. One that stands further
    /// than the other's stays.
    ///
    /// # Errors
    /// [`RepoError::Parted`] when neither follows the other.
    pub fn catch_up(&self, remote: &Path, branch: &str) -> Result<(), RepoError> {
        let reference = format!("refs/heads/{branch}");
        let (ours, theirs) = (self.tip(&reference), Repo::open(remote)?.tip(&reference));
        let Some(theirs) = theirs.filter(|theirs| ours.as_ref() != Some(theirs)) else { return Ok(()) };
        if ours.is_some_and(|ours| self.follows(&ours, &theirs).unwrap_or(false)) {
            return Ok(());
        }
        let output = self.git(&["fetch", "--quiet"], remote, &[format!("{reference}:{reference}")])?;
        match output.status.success() {
            true => Ok(()),
            false => Err(RepoError::Parted {
                branch: branch.into(),
                words: String::from_utf8_lossy(&output.stderr).trim().into(),
            }),
        }
    }

    /// Pushes with the `git` program, so that the other side's hooks run. Gives what it printed.
    ///
    /// # Errors
    /// [`RepoError::Push`] with the hook's words.
    pub fn push(&self, remote: &Path, references: &[String]) -> Result<String, RepoError> {
        let output = self.git(&["push", "--porcelain", "--atomic"], remote, references)?;
        let refused = output.stdout.split(|b| *b == b'\n').any(|line| line.starts_with(b"!"));
        let words = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        match (output.status.success(), refused) {
            (true, _) => Ok(words),
            (false, true) => Err(RepoError::Push { words: words.trim().into() }),
            (false, false) => Err(RepoError::Unreached { words: words.trim().into() }),
        }
    }
}

/// Whether there is a git to push with.
///
/// # Errors
/// [`RepoError::NoGit`].
pub fn can_push() -> Result<(), RepoError> {
    Command::new("git").arg("--version").output().map(|_| ()).map_err(RepoError::NoGit)
}
