//! A lab: the folder that holds keys, ledger, mirror, snapshots, reports and repositories.

use super::error::CliError;
use super::output::say;
use assay_ledger::keys::note::Verifier;
use assay_ledger::log::{Receipt, read_verifier};
use assay_ledger::storage::disk::RealDisk;
use assay_ledger::tree::merkle::Nodes as _;
use assay_ledger::{Checkpoint, Hash, Log, Signer};
use assay_research::data::snapshot;
use assay_research::mirror::Mirror;
use assay_research::mirror::query::StudyRow;
use assay_shared::event::roster::Roster;
use assay_shared::event::{Environment, Event};
use assay_shared::market::Market;
use assay_shared::rulebook::Rulebook;
use serde::{Deserialize, Serialize};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

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
}

/// An opened lab.
#[derive(Debug, Clone)]
pub struct Lab {
    /// Its folder.
    pub dir: PathBuf,
    /// Its settings.
    pub config: Config,
}

/// Asks for a passphrase: `ASSAY_PASSPHRASE`, else the terminal, else nobody.
pub fn ask_passphrase(path: &Path) -> Option<String> {
    if let Ok(given) = std::env::var("ASSAY_PASSPHRASE") {
        return Some(given);
    }
    if !std::io::stdin().is_terminal() {
        return None;
    }
    rpassword::prompt_password(format!("passphrase of {}: ", path.display())).ok()
}

/// The versions a result depends on.
pub fn environment() -> Environment {
    Environment {
        engine_version: env!("CARGO_PKG_VERSION").into(),
        source_commit: env!("ASSAY_COMMIT").into(),
        lock_hash: Hash::of(include_bytes!("../../Cargo.lock")).to_string(),
        rustc: env!("ASSAY_RUSTC").into(),
        target: env!("ASSAY_TARGET").into(),
        talib_version: assay_shared::indicator::TALIB_VERSION.into(),
    }
}

impl Lab {
    /// Finds a lab: the folder given, else this folder or one above it, else `./lab`.
    pub fn find(given: Option<&Path>) -> Result<Lab, CliError> {
        let dir = match given {
            Some(dir) => dir.to_path_buf(),
            None => {
                let here = std::env::current_dir().map_err(CliError::io("read", Path::new(".")))?;
                let above = here.ancestors().find(|d| d.join("assay.toml").is_file()).map(Path::to_path_buf);
                above.unwrap_or_else(|| here.join("lab"))
            }
        };
        let path = dir.join("assay.toml");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(CliError::CouldNot {
                    message: format!("there is no lab in {}", dir.display()),
                    hint: Some("create one with `assay init`, or name one with --lab".into()),
                });
            }
            Err(e) => return Err(CliError::io("read", &path)(e)),
        };
        let config = toml::from_str(&text)
            .map_err(|e| CliError::usage(format!("{}: {e}", path.display()), "repair the file"))?;
        Ok(Lab { dir, config })
    }

    /// Writes the settings.
    pub fn save(&self) -> Result<(), CliError> {
        let text = toml::to_string(&self.config).map_err(|e| CliError::Verification(e.to_string()))?;
        Ok(assay_ledger::storage::disk::replace(&RealDisk, &self.dir.join("assay.toml"), text.as_bytes())?)
    }

    /// The person's key.
    pub fn signer(&self) -> Result<Signer, CliError> {
        Ok(Signer::read(&self.dir.join(&self.config.key), &ask_passphrase)?)
    }

    /// The key of the ledger's checkpoints.
    pub fn log_signer(&self) -> Result<Signer, CliError> {
        Ok(Signer::read(&self.dir.join(&self.config.log_key), &ask_passphrase)?)
    }

    /// Folder of the ledger.
    pub fn ledger_dir(&self) -> PathBuf {
        self.dir.join("ledger")
    }

    /// The ledger, for reading.
    pub fn log(&self) -> Result<Log, CliError> {
        let mut log = Log::open(&self.ledger_dir())?;
        log.on_wait = |holder| say(&format!("waiting: the ledger is in use by {holder}"));
        Ok(log)
    }

    /// File of the checkpoint that was verified last.
    pub fn verified_path(&self) -> PathBuf {
        self.dir.join("verified.checkpoint")
    }

    /// The checkpoint that was verified last.
    ///
    /// # Errors
    /// One that is there and cannot be read, or is not of this log: then a rollback could not be told.
    pub fn verified(&self, verifier: &Verifier) -> Result<Option<Checkpoint>, CliError> {
        let path = self.verified_path();
        let note = match std::fs::read(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(CliError::io("read", &path))?,
        };
        let could_not = |e| CliError::CouldNot {
            message: format!("{} is spoiled: {e}", path.display()),
            hint: Some("verify the ledger against an export or a witness, then remove the file".into()),
        };
        Checkpoint::open(&note, verifier).map(Some).map_err(could_not)
    }

    /// An older copy of the ledger must not be gone on with: two histories would begin (L-27).
    fn refuse_rollback(&self, log: &Log, seen: Option<Checkpoint>) -> Result<(), CliError> {
        let Some(seen) = seen else { return Ok(()) };
        let message = if seen.size > log.len() {
            format!("rollback: the ledger has {} entries, {} were verified here once", log.len(), seen.size)
        } else if log.tree().root_at(seen.size)? != seen.root {
            format!("its first {} entries are not the ones that were verified here", seen.size)
        } else {
            return Ok(());
        };
        let path = self.verified_path();
        let hint = format!(
            "bring the newer copy back, or rebuild it from an export; only if nobody ever saw its entries may {} go",
            path.display()
        );
        Err(CliError::Rollback { message, hint })
    }

    /// File of the mirror.
    pub fn mirror_path(&self) -> PathBuf {
        self.dir.join("mirror.sqlite")
    }

    /// The mirror, brought up to the ledger.
    pub fn mirror(&self) -> Result<Mirror, CliError> {
        let mut mirror = Mirror::open(&self.mirror_path())?;
        mirror.catch_up(&self.log()?)?;
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

    /// The deploy repository.
    pub fn deploy_path(&self) -> PathBuf {
        self.dir.join("deploy.git")
    }

    /// The gate's folder in the deploy repository.
    pub fn gate_dir(&self) -> PathBuf {
        self.deploy_path().join("assay")
    }

    /// A snapshot by hash, its values verified.
    pub fn snapshot(&self, hash: &str) -> Result<(Hash, Market), CliError> {
        let hash: Hash = hash.parse().map_err(|e| CliError::usage(format!("{e}"), "see `assay data show`"))?;
        Ok((hash, snapshot::read(&self.snapshot_dir(), &hash)?))
    }

    /// Stores a rule book under its hash.
    pub fn keep_rulebook(&self, book: &Rulebook) -> Result<(), CliError> {
        let dir = self.dir.join("rulebooks");
        std::fs::create_dir_all(&dir).map_err(CliError::io("create", &dir))?;
        let path = dir.join(format!("{}.toml", book.hash()));
        std::fs::write(&path, book.to_toml()).map_err(CliError::io("write", &path))
    }

    /// A rule book by hash; its text must have that hash.
    pub fn rulebook(&self, hash: &str) -> Result<Rulebook, CliError> {
        let path = self.dir.join("rulebooks").join(format!("{hash}.toml"));
        let text = std::fs::read_to_string(&path).map_err(CliError::io("read", &path))?;
        let book = Rulebook::parse(&text)?;
        if book.hash().to_string() != hash {
            return Err(CliError::Verification(format!(
                "{}: its text has another hash than its name says",
                path.display()
            )));
        }
        Ok(book)
    }

    /// A study by name or id (or the newest).
    pub fn study(&self, mirror: &Mirror, wanted: Option<&str>) -> Result<StudyRow, CliError> {
        let studies = mirror.studies()?;
        let found = match wanted {
            None => studies.first(),
            Some(w) => {
                studies.iter().find(|s| s.name == w || s.study_id == w || (w.len() >= 6 && s.study_id.starts_with(w)))
            }
        };
        found.cloned().ok_or_else(|| {
            let names: Vec<&str> = studies.iter().map(|s| s.name.as_str()).collect();
            let hint = if names.is_empty() {
                "run one with `assay study run`".into()
            } else {
                format!("there are: {}", names.join(", "))
            };
            CliError::usage(format!("there is no study '{}'", wanted.unwrap_or("")), hint)
        })
    }

    /// Opens the ledger for writing, with the keys it needs.
    pub fn writer(&self) -> Result<Writer, CliError> {
        // Read before the ledger, which others may go on with in the meantime.
        let seen = self.verified(&read_verifier(&RealDisk, &self.ledger_dir())?)?;
        let log = self.log()?;
        self.refuse_rollback(&log, seen)?;
        let (signer, log_signer) = (self.signer()?, self.log_signer()?);
        Writer::new(log, signer, log_signer)
    }
}

/// A ledger that can be written: events in, durable entries out.
#[derive(Debug)]
pub struct Writer {
    /// The log.
    pub log: Log,
    signer: Signer,
    log_signer: Signer,
    roster: Roster,
    seen: u64,
}

impl Writer {
    /// A writer over a log.
    pub fn new(log: Log, signer: Signer, log_signer: Signer) -> Result<Writer, CliError> {
        let mut writer = Writer { log, signer, log_signer, roster: Roster::new(), seen: 0 };
        writer.follow()?;
        Ok(writer)
    }

    /// Follows the key events, so that nothing is recorded that verification would refuse.
    fn follow(&mut self) -> Result<(), CliError> {
        use assay_ledger::Authority;
        self.log.read(self.seen..self.log.len(), |entry| {
            let refused = |(reason, words)| CliError::Verification(format!("entry {}: {reason}: {words}", entry.seq));
            self.roster.admit(&entry).map_err(refused).map(|_| ())
        })?;
        self.seen = self.log.len();
        Ok(())
    }

    /// Records events durably.
    pub fn record(&mut self, events: &[Event]) -> Result<Vec<Receipt>, CliError> {
        let transient = !self.log.is_held();
        self.log.hold()?;
        let result = self.record_held(events);
        if transient {
            self.log.release();
        }
        result
    }

    /// Under the lock, so that the keys are those at the very position.
    fn record_held(&mut self, events: &[Event]) -> Result<Vec<Receipt>, CliError> {
        self.follow()?;
        let founding = self.log.is_empty();
        for event in events.iter().filter(|_| !founding) {
            let (id, next) = (self.signer.id(), self.log.len());
            self.roster.would_admit(&id, next, self.log.origin(), event).map_err(|(reason, words)| {
                CliError::Refused(format!("{id} may not record {}: {reason}: {words}", event.kind()))
            })?;
        }
        let drafts = events.iter().map(Event::draft).collect::<Result<Vec<_>, _>>()?;
        let receipts = self.log.append(&drafts, &self.signer)?;
        for notice in self.log.notices.drain(..) {
            say(&format!("ledger: {notice}"));
        }
        self.follow()?;
        Ok(receipts)
    }

    /// Records one event and gives its position.
    pub fn record_one(&mut self, event: impl Into<Event>) -> Result<Receipt, CliError> {
        let receipts = self.record(&[event.into()])?;
        receipts
            .first()
            .copied()
            .ok_or_else(|| CliError::CouldNot { message: "the ledger gave no receipt".into(), hint: None })
    }

    /// Publishes a checkpoint.
    pub fn publish(&mut self) -> Result<Checkpoint, CliError> {
        Ok(self.log.publish(&self.log_signer)?)
    }
}
