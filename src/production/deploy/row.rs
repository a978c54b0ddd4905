//! A row of the live table.

use crate::gate::Deployment;
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
    /// What git wants is that nothing is live. Of a row that was read see [`Row::is_retired`].
    #[serde(skip)]
    pub retired: bool,
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
    /// The row of a verified deployment.
    pub fn of(d: &Deployment) -> Row {
        Row::from(&d.config, &d.text, &d.approvers, (&d.policy_sha256, &d.commit))
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
        Row { strategy: p.strategy.clone(), version: p.version as i64, cells, deployed_us: 0, retired: p.retired }
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
