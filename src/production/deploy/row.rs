//! A row of the live table.

use super::DeployError;
use crate::gate::InForce;
use crate::repository::Repo;
use assay_ledger::Hash;
use assay_shared::format::config::LiveConfig;
use serde::Serialize;
use serde_json::json;

/// A value of a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Cell {
    /// Text.
    Text(String),
    /// A whole number.
    Int(i64),
}

/// Columns of `active_configs` after `strategy` and `version`; true for whole numbers.
pub const COLUMNS: [(&str, bool); 22] = [
    ("config_sha256", false),
    ("config_toml", false),
    ("replaces_sha256", false),
    ("study_id", false),
    ("trial_id", true),
    ("data_hash", false),
    ("strategy_hash", false),
    ("rulebook_hash", false),
    ("stream_hash", false),
    ("engine_version", false),
    ("talib_version", false),
    ("environment", false),
    ("promotion_timestamp", false),
    ("author", false),
    ("approvers", false),
    ("ledger_origin", false),
    ("ledger_size", true),
    ("ledger_root", false),
    ("event_hashes", false),
    ("policy_sha256", false),
    ("commit_oid", false),
    ("generated_data", true),
];

/// A row of `active_configs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The strategy: the key.
    pub strategy: String,
    /// Its version.
    pub version: i64,
    /// The other columns, in the order of [`COLUMNS`].
    pub cells: Vec<Cell>,
    /// When it went live, microseconds since 1970. Not compared: it is the reconciler's own.
    pub deployed_us: i64,
}

/// What git wants of one strategy, as far as a comparison needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
    /// The strategy.
    pub strategy: String,
    /// Its version.
    pub version: i64,
    /// SHA-256 of its config.
    pub config_sha256: String,
    /// Nothing of it is to be live.
    pub retired: bool,
    /// SHA-256 of its row.
    pub row: Hash,
}

/// A version in the history, as far as a comparison needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Past {
    pub(super) strategy: String,
    pub(super) version: i64,
    pub(super) config_sha256: String,
    pub(super) deployed_us: i64,
}

impl Row {
    /// The row of a config in force, whose text is read from git.
    ///
    /// # Errors
    /// A text that git does not hold.
    pub fn of(c: &InForce, repo: &Repo) -> Result<Row, DeployError> {
        let what = |e: crate::gate::GateError| DeployError::Text { strategy: c.strategy.clone(), what: e.to_string() };
        let (config, text) = c.config(repo).map_err(what)?;
        Ok(Row::from(&config, &text, &c.approvers, (&c.policy_sha256, &c.commit)))
    }

    /// SHA-256 of all that is compared of it: version and columns, each behind its length.
    pub fn hash(&self) -> Hash {
        // Which columns are numbers is fixed: none passes for a text.
        fn part(cell: &Cell) -> ([u8; 8], &[u8]) {
            match cell {
                Cell::Text(text) => ((text.len() as u64).to_be_bytes(), text.as_bytes()),
                Cell::Int(n) => (n.to_be_bytes(), &[]),
            }
        }
        let parts: Vec<_> = self.cells.iter().map(part).chain([(self.version.to_be_bytes(), &[][..])]).collect();
        Hash::of_parts(&parts.iter().flat_map(|(len, bytes)| [&len[..], bytes]).collect::<Vec<_>>())
    }

    /// The row of a config by its text, who approved it, and the policy and the commit under which it came in.
    pub fn from(config: &LiveConfig, toml: &str, approvers: &[String], (policy, commit): (&Hash, &str)) -> Row {
        let (p, e) = (&config.promotion, &config.environment);
        let text = |s: &str| Cell::Text(s.into());
        let ledger = config.ledger.as_ref();
        let events: serde_json::Map<String, serde_json::Value> = ledger
            .map(|l| l.events().iter().map(|(n, e)| (n.to_string(), json!(e.leaf))).collect())
            .unwrap_or_default();
        let cells = vec![
            Cell::Text(Hash::of(toml.as_bytes()).to_string()),
            text(toml),
            Cell::Text(p.replaces_sha256.to_string()),
            text(&p.study_id),
            Cell::Int(i64::from(p.trial_id)),
            Cell::Text(p.data_hash.to_string()),
            Cell::Text(p.strategy_hash.to_string()),
            Cell::Text(p.rulebook_hash.to_string()),
            Cell::Text(p.stream_hash.to_string()),
            text(&e.engine_version),
            text(&e.talib_version),
            Cell::Text(json!(e).to_string()),
            text(&p.promotion_timestamp),
            text(&p.author),
            Cell::Text(json!(approvers).to_string()),
            text(ledger.map_or("", |l| &l.origin)),
            Cell::Int(ledger.map_or(0, |l| l.size as i64)),
            Cell::Text(ledger.map(|l| l.root.to_string()).unwrap_or_default()),
            Cell::Text(serde_json::Value::Object(events).to_string()),
            Cell::Text(policy.to_string()),
            text(commit),
            Cell::Int(i64::from(p.generated_data)),
        ];
        Row { strategy: p.strategy.clone(), version: p.version as i64, cells, deployed_us: 0 }
    }

    /// Whether its config takes the strategy out of force.
    pub fn is_retired(&self) -> bool {
        LiveConfig::parse(self.text("config_toml").as_bytes()).is_ok_and(|c| c.promotion.retired)
    }

    /// A text column by name.
    pub fn text(&self, column: &str) -> &str {
        let at = COLUMNS.iter().position(|(c, _)| *c == column);
        match at.and_then(|i| self.cells.get(i)) {
            Some(Cell::Text(t)) => t,
            _ => "",
        }
    }

    pub(super) fn differences(&self, other: &Row) -> Vec<&'static str> {
        COLUMNS.iter().zip(self.cells.iter().zip(&other.cells)).filter(|(_, (a, b))| a != b).map(|(c, _)| c.0).collect()
    }
}

/// A column list with a prefix for each, for SQL.
pub(super) fn columns() -> String {
    let names: Vec<&str> =
        ["strategy", "version"].into_iter().chain(COLUMNS.iter().map(|c| c.0)).chain(["deployed_us"]).collect();
    names.join(", ")
}
