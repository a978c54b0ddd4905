//! A lab: the folder that holds keys, ledger, mirror, snapshots, reports and repositories.

use crate::error::LabError;
use crate::place::lab_text;
use crate::session::{Notice, Session};
use assay_ledger::keys::sshsig;
use assay_ledger::log::OnWait;
use assay_ledger::storage::disk::{Disk as _, Open, RealDisk, replace};
use assay_ledger::{Hash, Log, Signer};
use assay_production::gate::Host;
use assay_production::repository::Repo;
use assay_research::data::snapshot;
use assay_research::mirror::look::Seen;
use assay_research::mirror::{Mirror, MirrorError};
use assay_shared::market::Market;
use assay_shared::policy::GIT_NAMESPACE;
use assay_shared::rulebook::Rulebook;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The lab's settings, `assay.toml`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name for people.
    pub name: String,
    /// The ledger's origin.
    pub origin: String,
    /// Who works here, as the policy names them.
    pub person: String,
    /// Private key of that person, from the lab's folder.
    pub key: PathBuf,
    /// Private key of the ledger's checkpoints.
    pub log_key: PathBuf,
    /// The deploy repository, as git names it; `deploy.git` in the lab without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deploy: Option<String>,
    /// Where proposals are reviewed, as git names it; the deploy repository without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<String>,
    /// SHA-256 of the first policy of a deploy repository that is elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub genesis: Option<Hash>,
    /// A witness that gives studies their seeds, by its address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witness: Option<String>,
    /// Verifier keys of witnesses, where no policy names them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub witnesses: Vec<String>,
    /// A folder with snapshots and rule books of others, or the address of a server that serves one: looked into
    /// when this lab lacks them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshots: Option<String>,
}

/// An opened lab.
#[derive(Debug, Clone)]
pub struct Lab {
    /// Its folder.
    pub dir: PathBuf,
    /// Its settings.
    pub config: Config,
    /// Who stands around.
    pub session: Session,
}

/// The lab's folder for a command: the one given, else this folder or one above it, else `./lab`.
///
/// # Errors
/// When the current folder cannot be read.
pub fn find(given: Option<&Path>) -> Result<PathBuf, LabError> {
    if let Some(dir) = given {
        return Ok(dir.into());
    }
    let here = std::env::current_dir().map_err(LabError::io("read", Path::new(".")))?;
    let above = here.ancestors().find(|d| d.join("assay.toml").is_file()).map(Path::to_path_buf);
    Ok(above.unwrap_or_else(|| here.join("lab")))
}

/// An absolute path as text.
pub fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()).to_string_lossy().into_owned()
}

impl Lab {
    /// Opens the lab in a folder.
    ///
    /// # Errors
    /// When there is none, or its settings cannot be read.
    pub fn open(dir: &Path, session: &Session) -> Result<Lab, LabError> {
        let path = dir.join("assay.toml");
        let bytes = RealDisk.open(&path, Open::Read).and_then(|file| file.read_from(0));
        let text = match bytes.and_then(|bytes| String::from_utf8(bytes).map_err(std::io::Error::other)) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(LabError::CouldNot {
                    message: format!("there is no lab in {}", dir.display()),
                    hint: Some("create one with `assay init`, or name one with --lab".into()),
                });
            }
            Err(e) => return Err(LabError::io("read", &path)(e)),
        };
        let help = "repair the file; `assay schema lab` describes it";
        let config = assay_shared::format::read(&text).map_err(LabError::within(&path, &text, help))?;
        Ok(Lab { dir: dir.into(), config, session: session.clone() })
    }

    /// Writes the settings.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn save(&self) -> Result<(), LabError> {
        let text = toml::to_string(&self.config).map_err(|e| LabError::could_not(e.to_string()))?;
        Ok(replace(&RealDisk, &self.dir.join("assay.toml"), text.as_bytes())?)
    }

    fn read_key(&self, path: &Path) -> Result<Signer, LabError> {
        let ask = |path: &Path| self.session.observer.passphrase(path);
        Ok(Signer::read(&self.dir.join(path), &ask)?)
    }

    /// The lab's repository for somebody who signs what they commit there with a key that is read when it is needed.
    ///
    /// # Errors
    /// A repository that cannot be opened.
    pub fn signed_repo(&self, key: Option<Signer>) -> Result<Repo, LabError> {
        let (lab, known) = (self.clone(), OnceLock::new());
        key.into_iter().for_each(|key| drop(known.set(key)));
        Ok(self.repo()?.signed_by(Box::new(move |content| {
            let signer = match known.get() {
                Some(signer) => signer.clone(),
                None => lab.signer().map_err(|e| e.to_string())?,
            };
            let signer: &Signer = known.get_or_init(|| signer);
            sshsig::sign(signer, GIT_NAMESPACE, content).map_err(|e| e.to_string())
        })))
    }

    /// The person's key.
    ///
    /// # Errors
    /// A file that is no key, open to others, or encrypted with nobody to ask.
    pub fn signer(&self) -> Result<Signer, LabError> {
        self.read_key(&self.config.key)
    }

    /// The key of the ledger's checkpoints.
    ///
    /// # Errors
    /// As [`Lab::signer`].
    pub fn log_signer(&self) -> Result<Signer, LabError> {
        self.read_key(&self.config.log_key)
    }

    /// Folder of the ledger.
    pub fn ledger_dir(&self) -> PathBuf {
        self.dir.join("ledger")
    }

    /// The ledger, for reading. What stands above its checkpoint is verified first.
    ///
    /// # Errors
    /// When it is missing, damaged, or holds what nobody signed.
    pub fn log(&self) -> Result<Log, LabError> {
        let mut log = self.open_log()?;
        if log.vouched() < log.len() {
            crate::standing::follow(&mut log)?;
        }
        Ok(log)
    }

    /// The ledger, of which nothing above the checkpoint is verified yet.
    pub(crate) fn open_log(&self) -> Result<Log, LabError> {
        let mut log = Log::open(&self.ledger_dir())?;
        let observer = self.session.observer.clone();
        log.on_wait = OnWait(std::sync::Arc::new(move |holder: &str| {
            observer.notice(&Notice::Waiting { holder: holder.into() });
        }));
        Ok(log)
    }

    /// File of the checkpoint that was verified last.
    pub fn verified_path(&self) -> PathBuf {
        self.dir.join("verified.checkpoint")
    }

    /// File of the mirror.
    pub fn mirror_path(&self) -> PathBuf {
        self.dir.join("mirror.sqlite")
    }

    /// Brings the mirror up to the ledger: what every command ends with that recorded something.
    ///
    /// # Errors
    /// A mirror that cannot be written, or that has seen another ledger.
    pub fn update_mirror(&self) -> Result<Mirror, LabError> {
        let path = self.mirror_path();
        let mut mirror = match Mirror::open(&path) {
            // A release's own tables: what an older one left is made anew from the ledger.
            Err(MirrorError::Schema { .. }) => return Ok(Mirror::rebuild(&path, &self.log()?)?),
            other => other?,
        };
        mirror.catch_up(&self.log()?)?;
        Ok(mirror)
    }

    /// Brings the mirror up after something was recorded. What was recorded stands whatever becomes of its
    /// copy: a mirror that cannot be written is said, and brought up by the next command.
    ///
    /// # Errors
    /// A mirror that has seen another ledger, or a ledger that cannot be read.
    pub fn refresh_mirror(&self) -> Result<(), LabError> {
        match self.update_mirror() {
            Err(LabError::Mirror(e @ (MirrorError::Sqlite { .. } | MirrorError::Io { .. }))) => {
                self.session.notice(&Notice::MirrorNotWritten { why: e.to_string() });
                Ok(())
            }
            other => other.map(|_| ()),
        }
    }

    /// The mirror as the ledger stands, for questions: nothing is written. What the file lacks is
    /// computed in memory, and said.
    ///
    /// # Errors
    /// A mirror that has seen another ledger, or a ledger that cannot be read.
    pub fn mirror(&self) -> Result<Mirror, LabError> {
        let log = self.log()?;
        let (mirror, seen) = Mirror::look(&self.mirror_path(), &log)?;
        match seen {
            Seen::Current => {}
            Seen::Behind(entries) => self.session.notice(&Notice::MirrorBehind { entries }),
            Seen::Unreadable(why) => self.session.notice(&Notice::MirrorUnreadable { why }),
        }
        Ok(mirror)
    }

    /// Folder of data snapshots.
    pub fn snapshot_dir(&self) -> PathBuf {
        self.dir.join("snapshots")
    }

    /// The lab's git repository.
    pub fn repo_path(&self) -> PathBuf {
        self.dir.join("repo.git")
    }

    /// The lab's git repository, opened.
    ///
    /// # Errors
    /// When it is none.
    pub fn repo(&self) -> Result<Repo, LabError> {
        Ok(Repo::open(&self.repo_path())?)
    }

    /// The deploy repository, as git names it.
    pub fn deploy_remote(&self) -> PathBuf {
        self.config.deploy.as_ref().map_or_else(|| absolute(&self.deploy_path()).into(), PathBuf::from)
    }

    /// Where proposals are reviewed, as git names it.
    pub fn review_remote(&self) -> PathBuf {
        self.config.review.as_ref().map_or_else(|| self.deploy_remote(), PathBuf::from)
    }

    /// The deploy repository in the lab's folder.
    pub fn deploy_path(&self) -> PathBuf {
        self.dir.join("deploy.git")
    }

    /// The gate's folder in the deploy repository.
    pub fn gate_dir(&self) -> PathBuf {
        self.deploy_path().join("assay")
    }

    /// Whether nobody ever set a deploy repository up here: one that is lost leaves its policy in the lab's own.
    pub fn is_without_gate(&self) -> bool {
        let founded = || self.repo().is_ok_and(|repo| repo.tip("refs/heads/main").is_some());
        self.config.deploy.is_none() && !self.deploy_path().exists() && !founded()
    }

    /// The gate in the lab's deploy repository.
    ///
    /// # Errors
    /// When it was not set up.
    pub fn gate(&self) -> Result<Host, LabError> {
        if let Some(url) = &self.config.deploy {
            let message = format!("the deploy repository is {url}: its gate and its live table are with its host");
            return Err(LabError::usage(message, "ask there, or ask a clone of it with --repo and --genesis"));
        }
        if self.is_without_gate() {
            let hint = "make one with `assay init LAB --reviewer NAME=FILE`, or name the host's: --gate DIR";
            return Err(LabError::usage("this lab has no deploy repository", hint));
        }
        Ok(Host::open(&self.gate_dir())?)
    }

    /// A snapshot by hash, of some symbols in that order or all of them, its values verified.
    ///
    /// # Errors
    /// A malformed hash, a missing file, a symbol that it does not have, or values with another hash.
    pub fn snapshot(&self, hash: &str, symbols: Option<&[String]>) -> Result<(Hash, Market), LabError> {
        let hash: Hash = hash.parse().map_err(|e| LabError::usage(format!("{e}"), "see `assay data show`"))?;
        if !snapshot::path(&self.snapshot_dir(), &hash).exists()
            && let Some(at) = crate::erased::erasures(&self.log()?)?.get(&hash.0)
        {
            let message = format!("the data {} were erased, as entry {at} says", hash.short());
            return Err(LabError::usage(message, "who has the same data can import them again: `assay data import`"));
        }
        let folder = self.config.snapshots.as_ref().filter(|place| !place.contains("://"));
        let store = folder.map(|dir| self.dir.join(dir));
        let dir = match store {
            Some(store) if !snapshot::path(&self.snapshot_dir(), &hash).exists() => store,
            _ => self.snapshot_dir(),
        };
        Ok((hash, snapshot::read(&dir, &hash, symbols)?))
    }

    fn rulebook_path(&self, hash: &str) -> PathBuf {
        self.dir.join("rulebooks").join(format!("{hash}.toml"))
    }

    /// Stores a rule book under its hash.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn keep_rulebook(&self, book: &Rulebook) -> Result<(), LabError> {
        let path = self.rulebook_path(&book.hash().to_string());
        let dir = path.parent().unwrap_or(&self.dir);
        std::fs::create_dir_all(dir).map_err(LabError::io("create", dir))?;
        Ok(replace(&RealDisk, &path, book.text().as_bytes())?)
    }

    /// A rule book by hash; its text must have that hash.
    ///
    /// # Errors
    /// A missing file, or a text with another hash.
    pub fn rulebook(&self, hash: &str) -> Result<Rulebook, LabError> {
        let path = self.rulebook_path(hash);
        let text = lab_text(&path).map_err(LabError::io("read", &path))?;
        let book = Rulebook::parse(&text)?;
        if book.hash().to_string() != hash {
            let what = format!("{}: its text has another hash than its name says", path.display());
            return Err(LabError::Verification(what));
        }
        Ok(book)
    }
}
