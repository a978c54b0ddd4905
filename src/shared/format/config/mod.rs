//! The promoted config: what is signed, committed and deployed; and what reviewers sign.

pub mod v1;
pub mod v2;

use super::{FormatError, canonical, number};
use crate::account::Assumptions;
use crate::event::Environment;
use crate::strategy::Params;
use assay_ledger::Hash;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version that is written.
pub const CURRENT: u32 = 2;

/// SSHSIG namespace of the author's signature over a config.
pub const NAMESPACE: &str = "promotion@assay";
/// SSHSIG namespace of a reviewer's signature over an approval statement.
pub const APPROVAL_NAMESPACE: &str = "approval@assay";
/// SSHSIG namespace of a signature over a reproduction's statement.
pub const REPRODUCTION_NAMESPACE: &str = "reproduction@assay";
/// Folder of reproductions among a version's evidence.
pub const REPRODUCTIONS: &str = "reproductions";
/// The largest config.
pub const MAX_TEXT: usize = 65_536;

/// A config as it stands in `configs/live/<strategy>.toml`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LiveConfig {
    /// The format of its text: what a rollback restores keeps its own.
    pub format: u32,
    /// What is promoted, by whom, replacing what.
    pub promotion: Promotion,
    /// Versions the result depends on.
    pub environment: Versions,
    /// Assumptions of the run.
    pub assumptions: Assumptions,
    /// The bound parameters.
    pub parameters: Params,
    /// The first bar of each symbol that it reads: what it remembers depends on where it began. Configs of before have
    /// none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub anchors: BTreeMap<String, String>,
    /// The whole strategy, in its canonical text of whatever version.
    pub strategy_text: String,
    /// Where the evidence stands. Not part of what the proposal event hashes.
    #[serde(skip_serializing_if = "Option::is_none")]
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
    /// The strategy goes out of force: the content is that of the version before, and nothing is live.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retired: bool,
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
    /// Version of the results that the golden streams pin; absent before they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub results: Option<u32>,
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
            results: e.results,
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
    /// Other logs whose trials were counted beside this one's, each as far as it was known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counted: Vec<Counted>,
}

/// A log as far as its trials were counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counted {
    /// The log's origin.
    pub origin: String,
    /// How many of its entries.
    pub size: u64,
    /// Root of the tree over them.
    pub root: Hash,
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
    pub fn text(&self) -> String {
        match self.format {
            1 => v1::text(self),
            _ => v2::text(self),
        }
    }

    /// SHA-256 of the text without the `[ledger]` table: what the proposal event names.
    pub fn core_sha256(&self) -> Hash {
        let core = LiveConfig { ledger: None, ..self.clone() };
        Hash::of(core.text().as_bytes())
    }

    /// Reads a config of any version. Only the text that [`LiveConfig::text`] would write is
    /// accepted, so a change of one byte is a change of the config.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn parse(bytes: &[u8]) -> Result<LiveConfig, FormatError> {
        if bytes.len() > MAX_TEXT {
            return Err(FormatError::TooLong { limit: MAX_TEXT });
        }
        let text = std::str::from_utf8(bytes).map_err(|_| FormatError::NotUtf8)?;
        let config = match number(text)? {
            1 => v1::read(text)?,
            2 => v2::read(text)?,
            found => return Err(FormatError::Unknown { found, newest: CURRENT }),
        };
        canonical(text, &config.text())?;
        config.plain()?;
        Ok(config)
    }

    /// Reads a text that [`LiveConfig::parse`] has accepted before, and that is known by its hash to be the very one: it is
    /// not written again to see that it is canonical.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn parse_again(bytes: &[u8]) -> Result<LiveConfig, FormatError> {
        match std::str::from_utf8(bytes) {
            Ok(text) if text.starts_with("format = 2\n") => v2::read(text),
            _ => LiveConfig::parse(bytes),
        }
    }

    /// Names are shown in terminals: none of them holds a control character, and the strategy's is that of a file.
    fn plain(&self) -> Result<(), FormatError> {
        let p = &self.promotion;
        let shown = [&p.strategy, &p.author, &p.study_id, &p.study_name, &p.promotion_timestamp];
        let origins = self.ledger.iter().flat_map(|l| l.counted.iter().map(|c| &c.origin).chain([&l.origin]));
        let names = self.parameters.keys();
        if let Some(odd) = shown.into_iter().chain(origins).chain(names).find(|s| s.chars().any(char::is_control)) {
            return Err(FormatError::Wrong(format!("the name {odd:?} holds a control character")));
        }
        if p.strategy.is_empty() || p.strategy.contains(['/', '\\']) || p.strategy.starts_with('.') {
            return Err(FormatError::Wrong(format!("'{}' is no name of a strategy", p.strategy)));
        }
        Ok(())
    }

    /// Path of a strategy's config in the repository.
    pub fn path(strategy: &str) -> String {
        format!("configs/live/{strategy}.toml")
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

/// What the branch of a proposal is called.
pub fn proposal_branch(strategy: &str, version: u64, sha256: &Hash) -> String {
    format!("promote/{strategy}-v{version}-{}", sha256.short())
}

/// Strategy, version and the beginning of the config's hash that a proposal's branch is called after; none of any other
/// name. People copy it into their shells.
pub fn proposal_of(branch: &str) -> Option<(&str, u64, &str)> {
    let (front, short) = branch.strip_prefix("promote/")?.rsplit_once('-')?;
    let (strategy, number) = front.rsplit_once("-v")?;
    let version = number.parse().ok().filter(|v: &u64| *v > 0 && v.to_string() == number)?;
    let of = |text: &str, good: fn(u8) -> bool| !text.is_empty() && text.bytes().all(good);
    let fits = of(strategy, |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && of(short, |b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    fits.then_some((strategy, version, short))
}

/// Folder of a version's approvals and evidence in the repository.
pub fn evidence_dir(strategy: &str, version: u64) -> String {
    format!("evidence/{strategy}/v{version}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A branch that is called after what it proposes, and nothing that a shell would run or that a person would misread.
    #[test]
    fn branches_of_proposals() {
        let hash = Hash::of(b"x");
        let name = proposal_branch("a-v2-b", 17, &hash);
        assert_eq!(proposal_of(&name), Some(("a-v2-b", 17, hash.short().as_str())));
        for bad in [
            "promote/a-v0-00ff",
            "promote/a-v01-00ff",
            "promote/a-v+1-00ff",
            "promote/a-vx-00ff",
            "promote/a-v1-",
            "a-v1-00ff",
            "promote/a-v1-00FF",
            "promote/a-v1$(id)-00ff",
            "promote/$(id)-v1-00ff",
            "promote/a b-v1-00ff",
            "promote/-v1-x",
            "promote/a-v18446744073709551616-00ff",
            "promote/a\u{202e}-v1-00ff",
            "promote/a/b-v1-00ff",
        ] {
            assert_eq!(proposal_of(bad), None, "{bad}");
        }
    }

    const ODD: &str = "a = '''\n\"\"\" \\ \u{1}";
    const V1: &str = include_str!("golden/v1.toml");

    /// Version 1 reads and writes back to the byte, and its hashes are those that are signed.
    #[test]
    fn version_1_is_read_for_ever() {
        let config = LiveConfig::parse(V1.as_bytes()).unwrap();
        assert_eq!((config.format, config.text().as_str()), (1, V1));
        assert_eq!(config.strategy_text, include_str!("../strategy/golden/v1.toml"));
        let strategy = crate::strategy::Strategy::recorded(&config.strategy_text).unwrap();
        assert_eq!(strategy.hash(), config.promotion.strategy_hash);
        let one_more = V1.replacen("version = 3", "version = 3 ", 1);
        let said = LiveConfig::parse(one_more.as_bytes()).unwrap_err().to_string();
        assert!(said.contains("canonical form") && said.contains("line 3"), "{said}");
    }

    /// Version 2, with a strategy whose text has everything that needs care in quotes.
    #[test]
    fn golden() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/format/config/golden/v2.toml");
        let old = LiveConfig::parse(V1.as_bytes()).unwrap();
        let source = include_str!("../strategy/golden/v1.toml");
        let strategy = crate::strategy::Strategy::parse(source).unwrap();
        let config = LiveConfig { format: CURRENT, strategy_text: strategy.canonical().into(), ..old };
        let text = config.text();
        if std::env::var_os("ASSAY_BLESS").is_some() {
            std::fs::write(path, &text).unwrap();
        }
        assert_eq!(text, std::fs::read_to_string(path).unwrap());
        assert_eq!(LiveConfig::parse(text.as_bytes()).unwrap(), config);
        let odd = LiveConfig { strategy_text: ODD.into(), ..config };
        assert_eq!(LiveConfig::parse(odd.text().as_bytes()).unwrap(), odd);
    }

    #[test]
    fn refusals() {
        let of = |text: &str| LiveConfig::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(of(&format!("format = 9\n\n{V1}")).contains("use a newer one"));
        assert!(of(&format!("format = 1\n\n{V1}")).contains("no number"));
        assert!(of(&"x".repeat(MAX_TEXT + 1)).contains("over"));
        assert!(LiveConfig::parse(&[0xff, 0xfe]).is_err());
    }
}
