//! A repository and another one: pushed and fetched with the `git` program, so that hooks run.

use super::git::{Repo, RepoError, git};
use std::collections::BTreeMap;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output};

impl Repo {
    /// Runs `git` on this repository and another one. It has a process group of its own: Ctrl-C in a
    /// terminal is for us, who see the exchange to its end.
    fn git(&self, words: &[&str], remote: &Path, references: &[String]) -> Result<Output, RepoError> {
        if remote.as_os_str().as_encoded_bytes().starts_with(b"-") {
            return Err(RepoError::Unreached { words: format!("'{}' is no repository", remote.display()) });
        }
        let mut command = Command::new("git");
        // A server that says nothing for half a minute is given up.
        command.args(["-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=30"]);
        command.arg("--git-dir").arg(self.inner.path()).args(words).arg(remote).args(references);
        command.env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C").env_remove("ASSAY_PASSPHRASE");
        if std::env::var_os("GIT_SSH_COMMAND").is_none() && std::env::var_os("GIT_SSH").is_none() {
            // Nobody can answer a question here: keys come from an agent.
            command.env("GIT_SSH_COMMAND", "ssh -o BatchMode=yes -o ConnectTimeout=15 -o ServerAliveInterval=15");
        }
        command.process_group(0).output().map_err(RepoError::NoGit)
    }

    /// Brings a branch forward to where it stands in another repository. One that stands further
    /// than the other's stays.
    ///
    /// # Errors
    /// [`RepoError::Parted`] when neither follows the other.
    pub fn catch_up(&self, remote: &Path, branch: &str) -> Result<(), RepoError> {
        let reference = format!("refs/heads/{branch}");
        let (ours, theirs) = (self.tip(&reference), self.remote_tip(remote, &reference)?);
        let Some(theirs) = theirs.filter(|theirs| ours.as_ref() != Some(theirs)) else { return Ok(()) };
        if ours.is_some_and(|ours| self.has(&theirs) && self.follows(&ours, &theirs).unwrap_or(false)) {
            return Ok(());
        }
        let output = self.git(&["fetch", "--quiet"], remote, &[format!("{reference}:{reference}")])?;
        if output.status.success() {
            return Ok(());
        }
        let words = String::from_utf8_lossy(&output.stderr).trim().to_string();
        Err(RepoError::locked(&words).unwrap_or(RepoError::Parted { branch: branch.into(), words }))
    }

    /// Where a reference stands in another repository.
    ///
    /// # Errors
    /// One that cannot be reached.
    pub fn remote_tip(&self, remote: &Path, reference: &str) -> Result<Option<String>, RepoError> {
        let output = self.git(&["ls-remote"], remote, &[reference.to_string()])?;
        if !output.status.success() {
            return Err(RepoError::Unreached { words: String::from_utf8_lossy(&output.stderr).trim().into() });
        }
        let words = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(words
            .lines()
            .find_map(|l| l.split_once('\t').filter(|(_, name)| *name == reference))
            .map(|(oid, _)| oid.into()))
    }

    /// Fetches all branches of another repository into `refs/assay/NAME/`, and forgets those that are gone there. Gives
    /// them by name.
    ///
    /// # Errors
    /// One that cannot be reached.
    pub fn fetch_all(&self, remote: &Path, name: &str) -> Result<BTreeMap<String, String>, RepoError> {
        let all = format!("+refs/heads/*:refs/assay/{name}/*");
        let output =
            self.git(&["fetch", "--quiet", "--prune", "--no-tags", "--no-write-fetch-head"], remote, &[all])?;
        if !output.status.success() {
            return Err(RepoError::Unreached { words: String::from_utf8_lossy(&output.stderr).trim().into() });
        }
        let base = format!("refs/assay/{name}/");
        let found = self.inner.references_glob(&format!("{base}*")).map_err(git("list branches"))?;
        let names = found.flatten().filter_map(|r| r.name().ok().map(str::to_string));
        let tip = |full: String| Some((full.strip_prefix(&base)?.to_string(), self.tip(&full)?));
        Ok(names.filter_map(tip).collect())
    }

    /// Whether a commit is here.
    pub fn has(&self, commit: &str) -> bool {
        self.oid(commit).is_ok_and(|oid| self.inner.find_commit(oid).is_ok())
    }

    /// Pushes with the `git` program, so that the other side's hooks run. Gives what it printed.
    ///
    /// # Errors
    /// [`RepoError::Push`] with the hook's words.
    pub fn push(&self, remote: &Path, references: &[String]) -> Result<String, RepoError> {
        let output = self.git(&["push", "--porcelain", "--atomic"], remote, references)?;
        let refused = output.stdout.split(|b| *b == b'\n').any(|line| line.starts_with(b"!"));
        let words = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        if let Some(locked) = RepoError::locked(&words).filter(|_| !output.status.success()) {
            return Err(locked);
        }
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
