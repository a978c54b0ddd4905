//! What was seen of trials after their study, in words: the vault, and forward runs.

use super::output::table;
use assay_ledger::Hash;
use assay_shared::event::later::LaterFact;
use assay_shared::metric::Metric;
use assay_shared::time::format_ms;
use serde_json::{Value, json};

/// The columns of [`rows`].
pub const HEAD: [&str; 9] = ["trial", "seen on", "from", "to", "Sharpe", "CAGR", "max DD", "trades", "liq."];

/// A row for each run.
pub fn rows(all: &[LaterFact]) -> Vec<Vec<String>> {
    let row = |l: &LaterFact| {
        let of = |m: Metric, show: fn(f64) -> String| l.metrics.get(m.name()).map_or("-".into(), |v| show(*v));
        let percent = |v: f64| format!("{:.1}%", v * 100.0);
        let day = |ms: i64| format_ms(ms).chars().take(10).collect::<String>();
        vec![
            l.number.to_string(),
            if l.forward.is_some() { "forward" } else { "vault" }.into(),
            day(l.first_ms),
            day(l.last_ms),
            of(Metric::Sharpe, |v| format!("{v:.2}")),
            of(Metric::Cagr, percent),
            of(Metric::MaxDrawdown, percent),
            of(Metric::Trades, |v| format!("{v:.0}")),
            of(Metric::Liquidations, |v| format!("{v:.0}")),
        ]
    };
    all.iter().map(row).collect()
}

/// How much the evidence of a vault is worth.
pub fn worth(vaults: u64) -> String {
    match vaults {
        0 => "no vault on these prices was opened yet".into(),
        1 => "the only vault that was opened on these prices: nobody chose by it".into(),
        n => format!(
            "{n} vaults were opened on prices that overlap: what was chosen after the first was chosen by it too"
        ),
    }
}

/// A table of the runs, and what they are worth.
pub fn words(all: &[LaterFact], vaults: u64) -> String {
    format!("{}\n{}", table(&HEAD, &rows(all)), worth(vaults))
}

/// A run as JSON.
pub fn to_json(l: &LaterFact) -> Value {
    json!({
        "trial": l.number, "on": if l.forward.is_some() { "forward" } else { "vault" }, "elsewhere": l.forward,
        "first": format_ms(l.first_ms), "last": format_ms(l.last_ms), "bars": l.bars, "metrics": l.metrics,
        "stream_hash": Hash(l.stream_hash).to_string(),
    })
}
