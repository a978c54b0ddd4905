//! Reports of a trial: JSON for machines, one self-contained HTML page for people.

pub mod bands;
mod benchmark;
mod books;
pub mod compare;
pub mod compare_page;
mod day_figures;
pub mod days;
pub mod folds;
mod front;
mod html;
mod live;
mod plots;
pub mod quality;
pub mod quality_page;
mod search;
pub mod sheet_page;
pub mod study_page;
mod svg;
mod tables;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod told_tests;
mod words;

pub use benchmark::Sheet;
pub use books::Books;

use crate::mirror::query::{SnapshotRow, StudyRow, TrialRow};
use assay_shared::account::Run;
use assay_shared::account::record::{Record, Trade};
use assay_shared::metric::Metric;
use assay_shared::recount::figures::Statistics;
use assay_shared::time::format_ms;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How a stream's file begins.
const STREAM: &str = "{\"stream_hash\":";

/// A market's bars of a run, as the report needs them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Bars {
    /// Symbols, as trades index them.
    pub symbols: Vec<String>,
    /// Opening times, milliseconds since 1970.
    pub times_ms: Vec<i64>,
    /// Closes, by symbol.
    pub closes: Vec<Vec<f64>>,
    /// The first bar that is out of sample.
    pub tested: usize,
}

/// What decided, as texts and dates.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Rules {
    /// Both windows of each fold, by the openings of their first bars and of the bars behind them, milliseconds since 1970.
    pub folds_ms: Vec<folds::Windows>,
    /// The strategy's canonical text.
    pub strategy: String,
}

/// What a report shows.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The study.
    pub study: StudyRow,
    /// The trial.
    pub trial: TrialRow,
    /// Symbols, as trades index them.
    pub symbols: Vec<String>,
    /// The snapshot as it was registered: its source, treatments, and what its rule book assumes.
    pub data: Option<SnapshotRow>,
    /// True for generated data: it must be labelled.
    pub generated_data: bool,
    /// This trial's own statistics, computed when the report was made.
    pub statistics: Option<Statistics>,
    /// Probability that its study's choice is overfitted, if every trial was finished.
    pub pbo: Option<f64>,
    /// Definitions of the figures.
    pub definitions: &'static str,
    /// Bar times, milliseconds since 1970.
    pub times_ms: Vec<i64>,
    /// Equity at each close, USDT.
    pub equity_usdt: Vec<f64>,
    /// Fall from the peak at each close, zero or less.
    pub drawdown: Vec<f64>,
    /// Initial margin in use / equity at each close.
    pub margin_usage: Vec<f64>,
    /// Opening time of the first bar that is out of sample, milliseconds since 1970.
    pub out_of_sample_ms: Option<i64>,
    /// Whether the run gave the stream that was recorded with the trial: if not, another version recorded it.
    pub reproduced: bool,
    /// Sums of cash flows and trades.
    pub books: Books,
    /// Returns of days, their figures, and what simply holding gave.
    pub sheet: Sheet,
    /// How far its figures could have fallen apart by luck.
    pub bands: Option<bands::Bands>,
    /// What it is worth when trading costs more.
    pub costs: bands::Costs,
    /// Closes of each symbol; in the page only.
    #[serde(skip)]
    pub closes: Vec<Vec<f64>>,
    /// First and last bars of the folds' windows, and the strategy's text.
    pub rules: Rules,
    /// When its account could not trade any more, milliseconds since 1970.
    pub ruined_ms: Option<i64>,
    /// Names of the strategy's rules, by their numbers.
    pub tags: Vec<String>,
    /// Trades.
    pub trades: Vec<Trade>,
    /// Orders, fills and cash flows, in a file of their own.
    #[serde(skip)]
    pub records: Vec<Record>,
    /// Wallet at the start, USDT.
    pub initial_usdt: f64,
    /// Hash of its stream, which is the trial's.
    pub stream_hash: assay_ledger::Hash,
}

impl Report {
    /// Whether a file is a report that was written before, as JSON or as a page.
    pub fn is_one(path: &std::path::Path) -> bool {
        let Ok(text) = std::fs::read_to_string(path) else { return false };
        let page = || text.starts_with("<!doctype html>") && text.contains("trials were tried to find it");
        let json = || serde_json::from_str::<Value>(&text).is_ok_and(|v| v.get("equity_usdt").is_some());
        let table = || [tables::TRADES, tables::EQUITY].iter().any(|head| text.lines().next() == Some(head));
        page() || json() || text.starts_with(STREAM) || table()
    }

    /// A report of a trial's run. `reproduced` says that it gave the
    /// stream that was recorded with the trial.
    pub fn new(study: StudyRow, trial: TrialRow, bars: Bars, run: Run, reproduced: bool) -> Report {
        let Bars { symbols, times_ms, closes, tested } = bars;
        let sheet = Sheet::of(&times_ms, &run.equity, run.initial_usdt, tested, &symbols, &closes);
        let mut peak = run.initial_usdt;
        let drawdown = run.equity.iter().map(|e| {
            peak = peak.max(*e);
            e / peak - 1.0
        });
        Report {
            generated_data: study.generated,
            statistics: None,
            pbo: None,
            definitions: assay_shared::metric::DEFINITIONS,
            drawdown: drawdown.collect(),
            out_of_sample_ms: times_ms.get(tested).copied(),
            reproduced,
            books: Books::of(&run),
            bands: bands::Bands::of(&sheet.tested),
            costs: bands::Costs::default(),
            sheet,
            closes,
            rules: Rules::default(),
            ruined_ms: run.ruined_ms,
            tags: Vec::new(),
            times_ms,
            margin_usage: run.margin_usage,
            trades: run.trades,
            records: run.records,
            initial_usdt: run.initial_usdt,
            stream_hash: run.stream_hash,
            equity_usdt: run.equity,
            study,
            trial,
            symbols,
            data: None,
        }
    }

    /// The same with the trial's statistics.
    pub fn with_statistics(self, statistics: Option<Statistics>, pbo: Option<f64>) -> Report {
        Report { statistics, pbo, ..self }
    }

    /// The same with the names of the strategy's rules, in the order of their numbers.
    pub fn with_tags(self, tags: Vec<String>) -> Report {
        let mut books = Books { by_tag: BTreeMap::new(), by_exit: BTreeMap::new(), ..self.books };
        for t in &self.trades {
            for (of, tag) in [(&mut books.by_tag, t.tag), (&mut books.by_exit, t.exit_tag)] {
                if let Some(name) = tags.get(usize::from(tag)).filter(|name| !name.is_empty()) {
                    of.entry(name.clone()).or_default().add(t);
                }
            }
        }
        Report { books, tags, ..self }
    }

    /// The same with what decided.
    pub fn with_rules(self, rules: Rules) -> Report {
        Report { rules, ..self }
    }

    /// The same with what it is worth when trading costs more.
    pub fn with_costs(self, costs: bands::Costs) -> Report {
        Report { costs, ..self }
    }

    /// Milliseconds between its bars.
    fn interval_ms(&self) -> i64 {
        self.times_ms.first().zip(self.times_ms.get(1)).map_or(assay_shared::time::DAY_MS, |(a, b)| b - a)
    }

    /// Number of the first bar that is out of sample.
    fn tested_bar(&self) -> usize {
        let first = |ms: i64| self.times_ms.iter().position(|t| *t >= ms);
        self.out_of_sample_ms.and_then(first).unwrap_or(self.times_ms.len())
    }

    /// When and at which price a symbol was filled, and what it was: `long` or `short` for what opened a position or added to
    /// it, `exit` for what took from it.
    fn fills(&self, of: usize) -> Vec<(i64, f64, &'static str)> {
        let (mut held, mut out) = (0.0_f64, Vec::new());
        for record in &self.records {
            let Record::Fill { ms, symbol, side, qty, price, .. } = record else { continue };
            if *symbol == of {
                let signed = f64::from(*side) * qty;
                let kind = match (held * signed < -1e-12, signed > 0.0) {
                    (true, _) => "exit",
                    (false, true) => "long",
                    (false, false) => "short",
                };
                held = if (held + signed).abs() < 1e-9 * qty.max(held.abs()) { 0.0 } else { held + signed };
                out.push((*ms, *price, kind));
            }
        }
        out
    }

    /// Whether the figures out of sample count a trade: it was entered there.
    fn counts(&self, trade: &Trade) -> bool {
        self.out_of_sample_ms.is_some_and(|first| trade.entry_ms >= first)
    }

    /// The name of a rule by its number.
    fn tag(&self, number: u16) -> &str {
        self.tags.get(usize::from(number)).map(String::as_str).unwrap_or_default()
    }

    /// The same with what was registered of its data.
    pub fn with_data(self, data: Option<SnapshotRow>) -> Report {
        Report { data, ..self }
    }

    /// The report as JSON.
    pub fn to_json(&self) -> String {
        let mut value: Value = json!(self);
        if let Some(trades) = value.get_mut("trades").and_then(Value::as_array_mut) {
            for (row, trade) in trades.iter_mut().zip(&self.trades) {
                row["symbol"] = json!(self.symbols.get(trade.symbol));
                row["tag"] = json!(self.tag(trade.tag));
                row["exit_tag"] = json!(self.tag(trade.exit_tag));
                row["out_of_sample"] = json!(self.counts(trade));
                row["entry_time"] = json!(format_ms(trade.entry_ms));
                row["exit_time"] = json!(format_ms(trade.exit_ms));
            }
        }
        let figure =
            |m: &Metric| json!({"name": m, "unit": m.unit(), "direction": m.direction(), "definition": m.definition()});
        value["figures"] = Metric::ALL.iter().map(figure).collect();
        serde_json::to_string_pretty(&value).unwrap_or_default() + "\n"
    }

    /// The stream as JSON Lines: a head, then every order, fill and cash flow in order, as they are hashed.
    pub fn to_stream(&self) -> String {
        let (study, trial) = (&self.study.study_id, self.trial.number);
        let mut out =
            format!("{STREAM}{},\"study_id\":\"{study}\",\"trial\":{trial}}}\n", json!(self.stream_hash.to_string()));
        for record in &self.records {
            let mut row = json!(record);
            if let Some(symbol) = row["symbol"].as_u64().and_then(|at| self.symbols.get(at as usize)) {
                row["symbol"] = json!(symbol);
            }
            out += &(row.to_string() + "\n");
        }
        out
    }

    /// Its trades as CSV, a row each.
    pub fn trades_csv(&self) -> String {
        tables::trades(self)
    }

    /// Its equity, drawdown and margin usage as CSV, a row for each bar.
    pub fn equity_csv(&self) -> String {
        tables::equity(self)
    }

    /// The report as one HTML page without outside references.
    pub fn to_html(&self) -> String {
        html::page(self)
    }
}
