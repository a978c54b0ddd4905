//! What the deploy host remembers outside the repository: the genesis policy it trusts, and the
//! last verified checkpoint of each log.

use super::refusal::GateError;
use assay_ledger::storage::disk::{RealDisk, replace};
use assay_ledger::{Hash, PublicKey};
use serde::{Deserialize, Serialize};
use std::fs::Permissions;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// The gate's settings, `gate.toml` in its folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateSettings {
    /// The branch that is deployed.
    pub deploy_branch: String,
    /// SHA-256 of the first policy: the root of trust.
    pub genesis_policy_sha256: Hash,
    /// Where the live table is: `sqlite:FILE` or `postgres://…`.
    pub live: String,
}

/// A verified checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// The log.
    pub origin: String,
    /// Its size.
    pub size: u64,
    /// Its root.
    pub root: Hash,
    /// Keys that it has revoked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revoked: Vec<PublicKey>,
}

/// The gate's folder on the deploy host.
#[derive(Debug, Clone)]
pub struct Host {
    dir: PathBuf,
    /// Settings.
    pub settings: GateSettings,
    /// Replays every log from its first entry, pins or not.
    pub full: bool,
    /// Whoever only looks writes nothing here.
    pub looks: bool,
}

/// Whether an address of a live table holds a password.
fn holds_a_secret(live: &str) -> bool {
    let rest = live.split_once("://").map_or("", |(_, rest)| rest);
    let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
    address.rsplit_once('@').is_some_and(|(user, _)| user.contains(':')) || query.contains("password")
}

impl Host {
    /// Writes the settings of a new gate.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn create(dir: &Path, settings: &GateSettings) -> Result<Host, GateError> {
        let host = |what: String| GateError::Host { what };
        std::fs::create_dir_all(dir.join("pins"))
            .map_err(|e| host(format!("folder {} cannot be created: {e}", dir.display())))?;
        let text = toml::to_string(settings).map_err(|e| host(e.to_string()))?;
        let path = dir.join("gate.toml");
        // One that holds a password is its owner's alone, from its first byte on: it is written beside, and renamed.
        if holds_a_secret(&settings.live) {
            let beside = dir.join("gate.toml.tmp");
            let made = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(&beside);
            made.and_then(|file| file.set_permissions(Permissions::from_mode(0o600)))
                .map_err(|e| host(format!("settings {} cannot be written: {e}", beside.display())))?;
        }
        replace(&RealDisk, &path, text.as_bytes())?;
        Host::open(dir)
    }

    /// Opens a gate's folder.
    ///
    /// # Errors
    /// When its settings are missing or malformed: the gate then refuses everything.
    pub fn open(dir: &Path) -> Result<Host, GateError> {
        let path = dir.join("gate.toml");
        let host = |what: String| GateError::Host { what };
        let text = std::fs::read_to_string(&path)
            .map_err(|e| host(format!("settings {} cannot be read: {e}", path.display())))?;
        let settings =
            toml::from_str(&text).map_err(|e| host(format!("settings {} are malformed: {e}", path.display())))?;
        Ok(Host { dir: dir.into(), settings, full: false, looks: false })
    }

    /// No host, for whoever only looks at a clone: nothing is pinned but the first policy, and nothing is remembered.
    pub fn nowhere(genesis_policy_sha256: Hash) -> Host {
        let settings = GateSettings { deploy_branch: "main".into(), genesis_policy_sha256, live: String::new() };
        Host { dir: PathBuf::from("/dev/null"), settings, full: true, looks: true }
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Full name of the deploy branch.
    pub fn deploy_reference(&self) -> String {
        format!("refs/heads/{}", self.settings.deploy_branch)
    }

    /// The name of the host's own log.
    pub fn origin(&self) -> String {
        format!("assay.invalid/deploy/{}", self.settings.genesis_policy_sha256.short())
    }

    fn pin_path(&self, origin: &str) -> PathBuf {
        self.dir.join("pins").join(format!("{}.toml", Hash::of(origin.as_bytes()).short()))
    }

    /// The last verified checkpoint of a log.
    ///
    /// # Errors
    /// A pin that cannot be read: never taken for "no pin".
    pub fn pin(&self, origin: &str) -> Result<Option<Pin>, GateError> {
        let path = self.pin_path(origin);
        let host = |what: String| GateError::Host { what };
        match std::fs::read_to_string(&path) {
            Err(e) if matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => Ok(None),
            Err(e) => Err(host(format!("pin {} cannot be read: {e}", path.display()))),
            Ok(text) => {
                let pin: Pin =
                    toml::from_str(&text).map_err(|e| host(format!("pin {} is malformed: {e}", path.display())))?;
                if pin.origin == origin {
                    Ok(Some(pin))
                } else {
                    Err(host(format!("pin {} is of another log", path.display())))
                }
            }
        }
    }

    /// Remembers a verified checkpoint. It never goes back.
    ///
    /// # Errors
    /// When the pin cannot be written.
    pub fn remember(&self, pin: &Pin) -> Result<(), GateError> {
        if self.pin(&pin.origin)?.is_some_and(|old| old.size >= pin.size) {
            return Ok(());
        }
        let text = toml::to_string(pin).map_err(|e| GateError::Host { what: e.to_string() })?;
        Ok(replace(&RealDisk, &self.pin_path(&pin.origin), text.as_bytes())?)
    }
}
