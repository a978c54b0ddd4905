//! Version 1 of a live config, as release 0.1.0 wrote it, with the strategy as tables. Frozen.

use super::{EventRef, LedgerRef, LiveConfig, Promotion, Versions};
use crate::account::Assumptions;
use crate::format::FormatError;
use crate::format::strategy::v1::StrategyV1;
use crate::format::tree::{self, Item, Table, row, some};
use crate::strategy::{Params, Value};
use assay_ledger::Hash;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigV1 {
    promotion: PromotionV1,
    environment: VersionsV1,
    assumptions: AssumptionsV1,
    parameters: BTreeMap<String, ValueV1>,
    strategy: StrategyV1,
    #[serde(default)]
    ledger: Option<LedgerV1>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PromotionV1 {
    strategy: String,
    version: u64,
    replaces_sha256: Hash,
    author: String,
    study_id: String,
    study_name: String,
    trial_id: u32,
    strategy_hash: Hash,
    data_hash: Hash,
    rulebook_hash: Hash,
    stream_hash: Hash,
    promotion_timestamp: String,
    generated_data: bool,
    #[serde(default)]
    restores_version: Option<u64>,
    #[serde(default)]
    retired: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VersionsV1 {
    engine_version: String,
    talib_version: String,
    source_commit: String,
    cargo_lock_sha256: String,
    rustc: String,
    target: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AssumptionsV1 {
    initial_cash_usdt: f64,
    slippage_bps: f64,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ValueV1 {
    Int(i64),
    Float(f64),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventV1 {
    seq: u64,
    leaf: Hash,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LedgerV1 {
    origin: String,
    size: u64,
    root: Hash,
    study: EventV1,
    trial: EventV1,
    closed: EventV1,
    walk_forward: EventV1,
    parity: EventV1,
    proposal: EventV1,
}

/// Reads the text.
pub(super) fn read(text: &str) -> Result<LiveConfig, FormatError> {
    let c: ConfigV1 = toml::from_str(text).map_err(|e| FormatError::toml(&e))?;
    let (p, v) = (c.promotion, c.environment);
    let value = |v: ValueV1| match v {
        ValueV1::Int(i) => Value::Int(i),
        ValueV1::Float(f) => Value::Float(f),
    };
    Ok(LiveConfig {
        format: 1,
        promotion: Promotion {
            strategy: p.strategy,
            version: p.version,
            replaces_sha256: p.replaces_sha256,
            author: p.author,
            study_id: p.study_id,
            study_name: p.study_name,
            trial_id: p.trial_id,
            strategy_hash: p.strategy_hash,
            data_hash: p.data_hash,
            rulebook_hash: p.rulebook_hash,
            stream_hash: p.stream_hash,
            promotion_timestamp: p.promotion_timestamp,
            generated_data: p.generated_data,
            restores_version: p.restores_version,
            retired: p.retired,
        },
        environment: Versions {
            engine_version: v.engine_version,
            talib_version: v.talib_version,
            source_commit: v.source_commit,
            cargo_lock_sha256: v.cargo_lock_sha256,
            rustc: v.rustc,
            target: v.target,
            results: None,
        },
        assumptions: Assumptions {
            initial_cash_usdt: c.assumptions.initial_cash_usdt,
            slippage_bps: c.assumptions.slippage_bps,
            ..Assumptions::default()
        },
        parameters: c.parameters.into_iter().map(|(k, v)| (k, value(v))).collect(),
        anchors: BTreeMap::new(),
        strategy_text: c.strategy.text(),
        ledger: c.ledger.map(reference),
    })
}

fn reference(l: LedgerV1) -> LedgerRef {
    let event = |e: EventV1| EventRef { seq: e.seq, leaf: e.leaf };
    LedgerRef {
        origin: l.origin,
        size: l.size,
        root: l.root,
        study: event(l.study),
        trial: event(l.trial),
        closed: event(l.closed),
        walk_forward: event(l.walk_forward),
        parity: event(l.parity),
        proposal: event(l.proposal),
        counted: Vec::new(),
    }
}

/// The tables that both versions write alike.
pub(super) fn promotion(p: &Promotion) -> Table {
    let mut out = vec![
        row("strategy", &p.strategy),
        row("version", p.version),
        row("replaces_sha256", p.replaces_sha256),
        row("author", &p.author),
        row("study_id", &p.study_id),
        row("study_name", &p.study_name),
        row("trial_id", p.trial_id),
        row("strategy_hash", p.strategy_hash),
        row("data_hash", p.data_hash),
        row("rulebook_hash", p.rulebook_hash),
        row("stream_hash", p.stream_hash),
        row("promotion_timestamp", &p.promotion_timestamp),
        row("generated_data", p.generated_data),
    ];
    out.extend(some("restores_version", p.restores_version));
    out.extend(some("retired", p.retired.then_some(true)));
    out
}

pub(super) fn versions(v: &Versions) -> Table {
    vec![
        row("engine_version", &v.engine_version),
        row("talib_version", &v.talib_version),
        row("source_commit", &v.source_commit),
        row("cargo_lock_sha256", &v.cargo_lock_sha256),
        row("rustc", &v.rustc),
        row("target", &v.target),
    ]
}

fn assumptions(a: &Assumptions) -> Table {
    vec![row("initial_cash_usdt", a.initial_cash_usdt), row("slippage_bps", a.slippage_bps)]
}

pub(super) fn parameters(params: &Params) -> Table {
    let value = |v: &Value| match v {
        Value::Int(i) => Item::Int(*i),
        Value::Float(f) => Item::Real(*f),
        Value::Truth(b) => Item::Bool(*b),
        Value::Text(text) => Item::Text(text.clone()),
    };
    params.iter().map(|(k, v)| (k.clone(), value(v))).collect()
}

pub(super) fn ledger(l: &LedgerRef) -> Table {
    let event = |e: EventRef| -> Table { vec![row("seq", e.seq), row("leaf", e.leaf)] };
    vec![
        row("origin", &l.origin),
        row("size", l.size),
        row("root", l.root),
        row("study", event(l.study)),
        row("trial", event(l.trial)),
        row("closed", event(l.closed)),
        row("walk_forward", event(l.walk_forward)),
        row("parity", event(l.parity)),
        row("proposal", event(l.proposal)),
    ]
}

/// The text. A strategy of another version than 1 has no place in it and is left out, so that the
/// text never reads back.
pub(super) fn text(c: &LiveConfig) -> String {
    let mut out = vec![
        row("promotion", promotion(&c.promotion)),
        row("environment", versions(&c.environment)),
        row("assumptions", assumptions(&c.assumptions)),
        row("parameters", parameters(&c.parameters)),
    ];
    out.extend(StrategyV1::read(&c.strategy_text).ok().map(|s| row("strategy", s.table())));
    out.extend(c.ledger.as_ref().map(|l| row("ledger", ledger(l))));
    tree::text(&out)
}
