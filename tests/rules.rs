//! The rule book as data: what is shipped, what a lab takes in, and which book a study runs under.

use crate::desk::{Desk, real_data};
use assay_shared::rulebook::bracket::{Bracket, Brackets};
use assay_shared::rulebook::sightings::Sightings;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

const HEAD: &str = "# Bracket tables of Binance USD-M perpetuals, by the day on which each was seen: answers to \
                    leverageBracket as kept in the\n# history of freqtrade's binance_leverage_tiers.json, 2022-02-16 \
                    to 2026-07-02. Made by tests/rules.rs.\n";

/// The shipped tables are those of the history, every number of them.
#[test]
fn shipped_brackets_are_those_that_were_seen() {
    let Some(data) = real_data() else { return };
    let file = std::fs::File::open(data.join("brackets/bracket_history.json.gz")).unwrap();
    let history: Value = serde_json::from_reader(flate2::read::GzDecoder::new(file)).unwrap();
    let (mut seen, mut tables) = (Sightings::default(), 0);
    for (symbol, days) in history["symbols"].as_object().unwrap() {
        for day in days.as_array().unwrap() {
            let number = |row: &Value, at: usize| row[at].as_f64().unwrap();
            let rows = day["brackets"].as_array().unwrap().iter();
            let table: Vec<Bracket> = rows
                .map(|r| Bracket {
                    floor: number(r, 0),
                    cap: number(r, 1),
                    mmr: number(r, 2),
                    cum: number(r, 3),
                    max_leverage: number(r, 4),
                })
                .filter(|b: &Bracket| b.cap > b.floor)
                .collect();
            assert!(Brackets::new(table.clone()).is_ok(), "{symbol}");
            seen.brackets.entry(symbol.clone()).or_default().insert(day["seen"].as_str().unwrap().into(), table);
            tables += 1;
        }
    }
    let text = HEAD.to_string() + &seen.text();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/brackets.txt");
    if std::env::var_os("ASSAY_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let shipped = std::fs::read_to_string(&path).unwrap();
    assert!(shipped == text, "configs/brackets.txt is not the history; run with ASSAY_BLESS=1");
    assert_eq!(Sightings::parse(&shipped).unwrap(), seen, "amounts and floors follow to the last bit");
    assert_eq!((seen.brackets.len(), tables), (786, 4719));
}

/// What is shipped can be asked without a lab; a symbol that is not known is answered with ones that are near.
#[test]
fn shown_and_compared() {
    let desk = Desk::new();
    let shown = desk.assay(&["rules", "show", "avaxusdt", "--at", "2024-06-01", "--json"]).ok().json();
    assert!(shown["brackets"]["seen"].as_str().unwrap() <= "2024-06-01" && shown["filters"].is_null(), "{shown}");
    let early = desk.assay(&["rules", "show", "BTCUSDT", "--at", "2020-01-01"]).ok();
    assert!(early.out.contains("later than that day, so not known for it"), "{}", early.out);
    desk.assay(&["rules", "show", "BTC"]).fails(2, "there are BTC");
    desk.assay(&["rules", "show", "BTCUSDT", "--at", "soon"]).fails(2, "is not a day");
    let diff = desk.assay(&["rules", "diff", "2022-03-01", "2022-06-01", "--symbol", "BTCUSDT", "--json"]).ok().json();
    assert_eq!((diff[0]["what"].as_str(), diff.as_array().unwrap().len()), (Some("brackets"), 1));
    desk.assay(&["rules", "diff", "2022-06-01", "2022-06-02", "--symbol", "NOUSDT"])
        .fails(2, "nothing is known of NOUSDT");
    let all = desk.assay(&["rules", "show", "--all"]).ok().out;
    assert!(Sightings::parse(&all).unwrap().brackets.len() > 786 - 1);
}

const INFO: &str = r#"{"symbols":[{"symbol":"AVAXUSDT","contractType":"PERPETUAL","liquidationFee":"0.015","filters":[
    {"filterType":"PRICE_FILTER","tickSize":"0.0010"},{"filterType":"LOT_SIZE","stepSize":"1"},
    {"filterType":"MIN_NOTIONAL","notional":"5"}]}]}"#;

/// A symbol whose filters nobody saw says so and how to bring them; then it is traded. (Case 80.)
#[test]
fn a_symbol_gets_its_filters() {
    let Some(data) = real_data() else { return };
    let case = data.parent().unwrap().join("cases/data");
    let desk = Desk::new();
    desk.assay(&["init", "lab", "--person", "ana"]).ok();
    let import = ["data", "import", case.join("80_avax_no_filters").to_str().unwrap(), "--treat", "no-mark=last-price"]
        .map(String::from);
    let import: Vec<&str> = import.iter().map(String::as_str).chain(["--treat", "no-funding=zero"]).collect();
    desk.assay(&import).ok();
    std::fs::write(desk.path("s.toml"), STRATEGY).unwrap();
    std::fs::write(desk.path("st.toml"), STUDY).unwrap();
    let run = ["study", "run", "s.toml", "st.toml"];
    let said = desk.assay(&run);
    said.fails(2, "no step, tick and minimum notional of AVAXUSDT");
    assert!(desk.assay(&run).err.contains("assay rules import exchangeInfo.json"), "the way out");
    std::fs::write(desk.path("info.json"), INFO).unwrap();
    desk.assay(&["rules", "import", "info.json"]).fails(2, "--seen DATE");
    desk.assay(&["rules", "import", "info.json", "--seen", "2026-11-01"]).ok();
    assert!(desk.assay(&["rules", "import", "info.json", "--seen", "2026-11-01"]).ok().err.contains("nothing new"));
    desk.assay(&["rules", "import", "s.toml", "--seen", "2026-11-01"]).fails(2, "s.toml");
    desk.assay(&import).ok();
    let shown = desk.assay(&["data", "show", "--json"]).ok().json();
    let assumptions = shown[0]["assumptions"].as_str().unwrap();
    assert!(assumptions.contains("filters of AVAXUSDT: seen on 2026-11-01, assumed from"), "{assumptions}");
    desk.assay(&run).ok();
}

/// An import under another choice between two sightings is another book over the same data, and each study
/// keeps its own.
#[test]
fn the_choice_between_sightings_is_recorded() {
    let Some(data) = real_data() else { return };
    let desk = Desk::new();
    desk.assay(&["init", "lab", "--person", "ana"]).ok();
    let import = |more: &[&str]| {
        let base = [
            "data",
            "import",
            data.to_str().unwrap(),
            "--symbols",
            "BTCUSDT",
            "--from",
            "2022-06-01",
            "--to",
            "2022-09-01",
        ];
        desk.assay(&[&base, more].concat()).ok();
        let shown = desk.assay(&["data", "show", "--json"]).ok().json();
        (shown[0]["data_hash"].clone(), shown[0]["rulebook_hash"].clone(), shown[0]["assumptions"].to_string())
    };
    let (harsher, seen) = (import(&[]), import(&["--brackets", "as-seen"]));
    assert_eq!(harsher.0, seen.0);
    assert_ne!(harsher.1, seen.1);
    assert!(harsher.2.contains("the harsher of both") && seen.2.contains("the one that was seen before"));
    let show = desk.assay(&["data", "show", &seen.0.as_str().unwrap()[..8]]).ok().out;
    for words in ["rule book", "raw files", "assumption", "fees: seen on 2026-09-01", "BTCUSDT", "mark_close"] {
        assert!(show.contains(words), "{words} is not in\n{show}");
    }
    let tables: BTreeMap<String, usize> = [harsher.1, seen.1]
        .iter()
        .map(|hash| {
            let path = desk.path("lab/rulebooks").join(format!("{}.toml", hash.as_str().unwrap()));
            let text = std::fs::read_to_string(path).unwrap();
            (hash.to_string(), text.matches("[[brackets]]").count())
        })
        .collect();
    assert!(tables.values().all(|n| *n >= 5), "{tables:?}");
}

const STRATEGY: &str = r#"
name = "avax"
description = "in and out"
interval = "1h"
symbols = ["AVAXUSDT"]
[parameters]
n = { type = "int", low = 2, high = 20, default = 5 }
[signals]
long_entry = "close > highest(prev(high, 1), n)"
long_exit = "close < lowest(prev(low, 1), n)"
[sizing]
margin_fraction = 0.2
leverage = 2
[risk]
margin_mode = "isolated"
max_concurrent_positions = 1
"#;

const STUDY: &str = r#"
name = "avax"
trials = 2
seed = 1
batch = 2
[sampler]
name = "random"
[splits]
mode = "tile"
in_sample_days = 10
out_of_sample_days = 5
[objective]
figure = "sharpe"
degradation_weight = 0.5
[guardrails]
min_trades = 1
max_liquidations = 2
[assumptions]
initial_cash_usdt = 100000.0
slippage_bps = 2.0
"#;
