//! The promoted config: what is signed, committed and deployed; and what reviewers sign.

use crate::account::Assumptions;
use crate::event::Environment;
use crate::strategy::file::StrategyFile;
use crate::strategy::{Params, StrategyFile as File};
use assay_ledger::Hash;
use serde::{Deserialize, Serialize};

/// SSHSIG namespace of the author's signature over a config.
pub const NAMESPACE: &str = "promotion@assay";
/// SSHSIG namespace of a reviewer's signature over an approval statement.
pub const APPROVAL_NAMESPACE: &str = "approval@assay";
/// The largest config.
pub const MAX_TEXT: usize = 65_536;

/// A config as it stands in `configs/live/<strategy>.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LiveConfig {
    /// What is promoted, by whom, replacing what.
    pub promotion: Promotion,
    /// Versions the result depends on.
    pub environment: Versions,
    /// Assumptions of the run.
    pub assumptions: Assumptions,
    /// The bound parameters.
    pub parameters: Params,
    /// The whole strategy file.
    pub strategy: File,
    /// Where the evidence stands. Not part of what the proposal event hashes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<LedgerRef>,
}

/// The head of a config.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Promotion {
    /// Name of the strategy; also of the file.
    pub strategy: String,
    /// Counts up by exactly one.
    pub version: u64,
    /// SHA-256 of the config file it replaces, zeros for the first.
    pub replaces_sha256: Hash,
    /// Who proposed it, as the policy names them.
    pub author: String,
    /// Study and trial it comes from.
    pub study_id: String,
    /// The study's name.
    pub study_name: String,
    /// The trial's number in its study.
    pub trial_id: u32,
    /// Hash of the strategy's canonical form.
    pub strategy_hash: Hash,
    /// Hash of the data it was tested on.
    pub data_hash: Hash,
    /// Hash of the rule book.
    pub rulebook_hash: Hash,
    /// Hash of the trial's orders, fills and cash.
    pub stream_hash: Hash,
    /// When it was proposed, UTC.
    pub promotion_timestamp: String,
    /// True when the data was generated: never trade it.
    pub generated_data: bool,
    /// For a rollback: the version whose content comes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restores_version: Option<u64>,
}

/// The version lock of a config.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Versions {
    pub engine_version: String,
    pub talib_version: String,
    pub source_commit: String,
    pub cargo_lock_sha256: String,
    pub rustc: String,
    pub target: String,
}

impl From<&Environment> for Versions {
    fn from(e: &Environment) -> Versions {
        Versions {
            engine_version: e.engine_version.clone(),
            talib_version: e.talib_version.clone(),
            source_commit: e.source_commit.clone(),
            cargo_lock_sha256: e.lock_hash.clone(),
            rustc: e.rustc.clone(),
            target: e.target.clone(),
        }
    }
}

/// An event by position and leaf hash.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventRef {
    /// Position in the log.
    pub seq: u64,
    /// Leaf hash of the stored entry.
    pub leaf: Hash,
}

/// The evidence of a config: a checkpoint and the events under it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerRef {
    /// The log's origin.
    pub origin: String,
    /// Size of the checkpoint.
    pub size: u64,
    /// Root of the checkpoint.
    pub root: Hash,
    /// `StudyOpened`.
    pub study: EventRef,
    /// `TrialCompleted`.
    pub trial: EventRef,
    /// `StudyClosed`.
    pub closed: EventRef,
    /// `WalkForwardCompleted`.
    pub walk_forward: EventRef,
    /// `ParityVerified`.
    pub parity: EventRef,
    /// `PromotionProposed` or `RollbackProposed`.
    pub proposal: EventRef,
}

impl LedgerRef {
    /// All events with their names.
    pub fn events(&self) -> [(&'static str, EventRef); 6] {
        [
            ("study", self.study),
            ("trial", self.trial),
            ("closed", self.closed),
            ("walk-forward", self.walk_forward),
            ("parity", self.parity),
            ("proposal", self.proposal),
        ]
    }
}

impl LiveConfig {
    /// The file's text.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).unwrap_or_default()
    }

    /// SHA-256 of the text without the `[ledger]` table: what the proposal event names.
    pub fn core_sha256(&self) -> Hash {
        let core = LiveConfig { ledger: None, ..self.clone() };
        Hash::of(core.to_toml().as_bytes())
    }

    /// Reads a config. Only the text that [`LiveConfig::to_toml`] would write is accepted, so a
    /// change of one byte is a change of the config.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(bytes: &[u8]) -> Result<LiveConfig, String> {
        if bytes.len() > MAX_TEXT {
            return Err(format!("it is over {MAX_TEXT} bytes"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8")?;
        let config: LiveConfig = toml::from_str(text).map_err(|e| e.to_string())?;
        if config.to_toml() != text {
            return Err("it is not in the canonical form that `assay promote` writes".into());
        }
        Ok(config)
    }

    /// Path of a strategy's config in the repository.
    pub fn path(strategy: &str) -> String {
        format!("configs/live/{strategy}.toml")
    }

    /// The strategy file inside.
    pub fn strategy_file(&self) -> &StrategyFile {
        &self.strategy
    }
}

/// What a reviewer signs: it binds the strategy, the config, what it replaces and the policy.
pub fn approval_statement(config: &LiveConfig, config_sha256: &Hash, policy_sha256: &Hash) -> String {
    let p = &config.promotion;
    format!(
        "assay approval v1\nstrategy {}\nversion {}\nconfig {config_sha256}\nreplaces {}\npolicy {policy_sha256}\n",
        p.strategy, p.version, p.replaces_sha256
    )
}

/// Folder of a version's approvals and evidence in the repository.
pub fn evidence_dir(strategy: &str, version: u64) -> String {
    format!("evidence/{strategy}/v{version}")
}
