//! Version 2 of a live config: a number in front, and the strategy's canonical text whole, so that a
//! later form of strategies is no change of this one.

use super::v1::{ledger, parameters, promotion, versions};
use super::{CURRENT, Counted, LedgerRef, LiveConfig, Promotion, Versions};
use crate::account::Assumptions;
use crate::format::FormatError;
use crate::format::assumed::assumptions;
use crate::format::tree::{self, Table, row, some};
use crate::strategy::Params;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigV2 {
    #[serde(rename = "format")]
    _format: u32,
    promotion: Promotion,
    environment: Versions,
    assumptions: Assumptions,
    parameters: Params,
    #[serde(default)]
    anchors: BTreeMap<String, String>,
    strategy: StrategyV2,
    #[serde(default)]
    ledger: Option<LedgerRef>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StrategyV2 {
    text: String,
}

/// Reads the text.
pub(super) fn read(text: &str) -> Result<LiveConfig, FormatError> {
    let c: ConfigV2 = toml::from_str(text).map_err(|e| FormatError::toml(&e))?;
    Ok(LiveConfig {
        format: CURRENT,
        promotion: c.promotion,
        environment: c.environment,
        assumptions: c.assumptions,
        parameters: c.parameters,
        anchors: c.anchors,
        strategy_text: c.strategy.text,
        ledger: c.ledger,
    })
}

/// The text.
pub(super) fn text(c: &LiveConfig) -> String {
    let mut environment = versions(&c.environment);
    environment.extend(some("results", c.environment.results));
    let mut out = vec![
        row("format", CURRENT),
        row("promotion", promotion(&c.promotion)),
        row("environment", environment),
        row("assumptions", assumptions(&c.assumptions)),
        row("parameters", parameters(&c.parameters)),
    ];
    if !c.anchors.is_empty() {
        let anchors: Table = c.anchors.iter().map(|(symbol, time)| row(symbol, time)).collect();
        out.push(row("anchors", anchors));
    }
    out.push(row("strategy", vec![row("text", &c.strategy_text)]));
    let counted = |c: &Counted| -> Table { vec![row("origin", &c.origin), row("size", c.size), row("root", c.root)] };
    out.extend(c.ledger.as_ref().map(|l| {
        let mut table = ledger(l);
        let others: Vec<Table> = l.counted.iter().map(counted).collect();
        table.extend((!others.is_empty()).then(|| row("counted", others)));
        row("ledger", table)
    }));
    tree::text(&out)
}
