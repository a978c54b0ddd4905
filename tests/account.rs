//! Inputs on which earlier releases were wrong, with right values, by the built program: studies, reports, parity.

use crate::desk::{Desk, real_data};
use serde_json::Value;
use std::path::PathBuf;

fn cases() -> Option<PathBuf> {
    Some(real_data()?.join("../cases/account"))
}

fn lab(data: &str, more: &[&str]) -> Desk {
    let desk = Desk::new();
    desk.assay(&["init", "lab", "--person", "ana"]).ok();
    desk.assay(&[&["data", "import", data, "--assume-brackets-from", "2020-01-01"], more].concat()).ok();
    desk
}

/// Runs a case's study, and gives its only trial.
fn trial(desk: &Desk, case: &str) -> Value {
    let file = |name: String| cases().unwrap().join("strategies").join(name).display().to_string();
    let (strategy, study) = (file(format!("{case}.toml")), file(format!("{case}.study.toml")));
    desk.assay(&["study", "run", &strategy, &study, "--name", case]).ok();
    desk.assay(&["trials", case, "--json"]).ok().json()["trials"][0].clone()
}

/// The report of a case's only trial, whose sums hold and whose stream is the trial's and the proof's.
fn report(desk: &Desk, case: &str) -> Value {
    desk.assay(&["report", "--study", case, "--out", case]).ok();
    let text = std::fs::read_to_string(desk.path(&format!("{case}/0.json"))).unwrap();
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["reproduced"], true);
    let parity = desk.assay(&["parity", "--study", case, "--json"]).ok().json();
    assert_eq!(parity["stream_hash"], report["stream_hash"]);
    let sum = |rows: &Value, of: &dyn Fn(&Value) -> f64| -> f64 {
        rows.as_object().map(|rows| rows.values().map(of).sum()).unwrap_or_default()
    };
    let books = &report["books"];
    let balance = books["balance_usdt"].as_f64().unwrap();
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-6 * b.abs().max(1.0), "{case}: {a} {b}");
    close(sum(&books["cash_usdt"], &|v| v.as_f64().unwrap()), balance);
    let equity = report["equity_usdt"].as_array().unwrap();
    close(equity.last().unwrap().as_f64().unwrap(), balance);
    let insured = books["cash_usdt"]["insurance"].as_f64().unwrap_or_default();
    let gained = balance - report["initial_usdt"].as_f64().unwrap() - insured;
    for by in ["by_symbol", "by_side", "by_rule"] {
        close(sum(&books[by], &|row| row["pnl_usdt"].as_f64().unwrap()), gained);
    }
    close(report["trades"].as_array().unwrap().iter().map(|t| t["pnl_usdt"].as_f64().unwrap()).sum(), gained);
    report
}

/// Made-up bars with right values worked out by hand.
#[test]
fn worked_cases() {
    let Some(cases) = cases() else { return };
    let data = |case: &str| cases.join(case).display().to_string();
    // A stop at 97 in front of a liquidation at 90.36, and a low of 70.
    let desk = lab(&data("stop-before-liq"), &[]);
    trial(&desk, "stop-before-liq");
    let trades = report(&desk, "stop-before-liq")["trades"].clone();
    assert_eq!((trades[1]["rule"].as_str(), trades[1]["exit"].as_f64()), (Some("stop-loss"), Some(97.0)));
    assert!((trades[1]["pnl_usdt"].as_f64().unwrap() + 309.54).abs() < 0.01, "{}", trades[1]);
    // Long one and short the other, both by 12 % and back.
    let desk = lab(&data("hedge2"), &[]);
    let t = trial(&desk, "hedge2");
    assert_eq!(
        (t["metrics"]["undecided_bars"].as_f64(), t["metrics"]["liquidations"].as_f64()),
        (Some(1.0), Some(0.0))
    );
    assert!(t["metrics"]["final_equity_usdt"].as_f64().unwrap() > 9800.0, "{t}");
    let best = desk.assay(&["trials", "hedge2", "--json"]).ok().json()["study"]["best"].clone();
    assert!(best.is_null(), "an undecided bar is a violated constraint: {best}");
    desk.assay(&["report", "--study", "hedge2"]).fails(2, "no feasible trial");
}

/// Four and a half real years of five symbols.
#[test]
fn real_cases() {
    let Some(data) = real_data() else { return };
    let desk = lab(data.to_str().unwrap(), &[]);
    let figure = |t: &Value, name: &str| t["metrics"][name].as_f64();
    // With stops in front of the liquidation price an independent implementation has 2 and 0.
    for (case, liquidations) in [("stop20x", 2.0), ("b7", 0.0)] {
        let t = trial(&desk, case);
        assert_eq!(figure(&t, "liquidations"), Some(liquidations), "{case}");
        report(&desk, case);
    }
    // Ruined, and nothing after it.
    let t = trial(&desk, "ruin");
    assert!(t["reason"].as_str().unwrap().contains("too small to trade"), "{t}");
    // A fold without a trade fails nobody.
    let t = trial(&desk, "quiet");
    assert_eq!(t["state"], "COMPLETE", "{t}");
    let folds = t["folds"].as_array().unwrap();
    assert!(folds.iter().any(|f| f["oos_trades"] == 0) && figure(&t, "cagr").unwrap() > 0.2, "{t}");
    report(&desk, "quiet");
    // Funding took the wallet below zero before the liquidation, and the unrealised profit is not dropped.
    trial(&desk, "c3");
    let trades = report(&desk, "c3")["trades"].clone();
    let long = |t: &&Value| t["symbol"] == "LTCUSDT" && t["entry_time"] == "2021-04-10 13:00:00";
    let long = trades.as_array().unwrap().iter().find(long).unwrap();
    assert_eq!((long["side"].as_str(), long["rule"].as_str()), (Some("long"), Some("liquidation")));
    assert!((long["pnl_usdt"].as_f64().unwrap() + 138.33).abs() < 0.005, "{long}");
    // A cap of 1x makes the same strategy as 1x: trades, figures and score.
    let results = ["capped", "plain1"].map(|name| {
        let file = cases().unwrap().join(format!("{name}.toml"));
        let (file, study) = (file.to_str().unwrap().to_string(), cases().unwrap().join("../studies/small.toml"));
        let run = ["study", "run", &file, study.to_str().unwrap(), "--name", name, "--trials", "1"];
        desk.assay(&run).ok();
        let t = desk.assay(&["trials", name, "--json"]).ok().json()["trials"][0].clone();
        (t["metrics"].clone(), t["score"].clone(), t["state"].clone())
    });
    assert_eq!(results[0], results[1]);
}

/// What is due after a position was closed, at 08:00 and 16:00 of the 30th, is not booked, though the bar holds it.
#[test]
fn funding_after_the_exit_of_a_day() {
    let Some(cases) = cases() else { return };
    let desk =
        lab(cases.join("daily-funding").to_str().unwrap(), &["--interval", "1d", "--treat", "no-mark=last-price"]);
    trial(&desk, "daily-funding");
    let trades = report(&desk, "daily-funding")["trades"].clone();
    let one = &trades[1];
    let days = (one["entry_time"].as_str(), one["exit_time"].as_str());
    assert_eq!(days, (Some("2024-11-29 00:00:00"), Some("2024-11-30 00:00:00")));
    assert_eq!(one["funding_usdt"].as_f64(), Some(0.0), "{one}");
}
