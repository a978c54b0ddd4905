//! What a reader must know is told: what became of a trial, what its charts end with, and which days are compared.

use super::Report;
use super::compare::Comparison;
use super::compare_page;
use super::tests::report;
use assay_shared::account::record::Record;
use assay_shared::time::DAY_MS;
use serde_json::Value;

/// The charts that a page holds.
fn charts(page: &str) -> Vec<Value> {
    let data = page.split("id=\"data\">").nth(1).unwrap().split("</script>").next().unwrap();
    serde_json::from_str(data).unwrap()
}

/// A trial without a score, one that breaks a guardrail, and an account that died say so on their pages and beside others.
#[test]
fn what_became_of_a_trial() {
    let sound = report("s", false, 6);
    let quiet = ["has no score", "breaks a guardrail", "account was ruined"];
    assert!(quiet.iter().all(|words| !sound.to_html().contains(words)));
    let with = |change: &dyn Fn(&mut Report)| {
        let mut r = sound.clone();
        change(&mut r);
        r
    };
    let failed = with(&|r| {
        r.trial.state = "FAIL".into();
        r.trial.reason = Some("it never <trades>".into());
    });
    let infeasible = with(&|r| r.trial.violation = Some(2.0));
    let ruined = with(&|r| r.ruined_ms = Some(1_704_067_200_000));
    assert!(failed.to_html().contains("This trial has no score (fail): it never &lt;trades&gt;."));
    assert!(infeasible.to_html().contains("This trial breaks a guardrail of its study"));
    assert!(ruined.to_html().contains("The account was ruined on 2024-01-01"));
    let all = [("a", sound.clone()), ("f", failed), ("i", infeasible), ("r", ruined)];
    let c = Comparison::of(all.into_iter().map(|(name, r)| (name.to_string(), r)).collect());
    let states: Vec<&str> = c.sides.iter().map(|s| s.state.as_str()).collect();
    assert_eq!(states, ["complete", "fail: it never <trades>", "infeasible: it breaks a guardrail", "complete"]);
    let page = compare_page::html(&c);
    assert!(page.contains("on 2024-01-01") && page.contains("fail: it never &lt;trades&gt;"));
    assert!(page.contains("class=\"s0 d0\"") && page.contains("class=\"s3 d0\""));
}

/// A chart ends where the run ends, and holds the extremes of each of its lines.
#[test]
fn charts_hold_ends_and_extremes() {
    let r = report("s", false, 6);
    let close = |a: f64, b: f64| assert!((a - b).abs() <= 1e-5 * b.abs(), "{a} is not {b}");
    let ends = |values: &[f64]| {
        let known = values.iter().copied().filter(|v| v.is_finite());
        (known.clone().fold(f64::MAX, f64::min), known.fold(f64::MIN, f64::max))
    };
    let before = r.equity_usdt[r.tested_bar() - 1];
    for chart in charts(&r.to_html()).iter().filter(|c| c["id"] == "equity" || c["id"] == "drawdown") {
        let at: usize = chart["at"].as_array().unwrap().iter().map(|d| d.as_u64().unwrap() as usize).sum();
        assert_eq!(at, r.equity_usdt.len() - 1, "the deltas add up to the last bar");
        for (name, line) in chart["names"].as_array().unwrap().iter().zip(chart["values"].as_array().unwrap()) {
            let shown: Vec<f64> = line.as_array().unwrap().iter().filter_map(Value::as_f64).collect();
            let of: Vec<f64> = match name.as_str().unwrap() {
                "equity" => r.equity_usdt.clone(),
                "drawdown" => r.drawdown.clone(),
                name => {
                    let held = r.sheet.benchmarks.iter().find(|b| b.name == name).unwrap();
                    held.worth.iter().map(|w| w * before).collect()
                }
            };
            close(*shown.last().unwrap(), *of.last().unwrap());
            let (found, known) = (ends(&shown), ends(&of));
            close(found.0, known.0);
            close(found.1, known.1);
        }
    }
}

/// Each fill is marked at its own price: what opens or adds on the side that it opens, the rest as what takes from it.
#[test]
fn fills_are_marked_where_they_were() {
    let r = report("s", false, 6);
    let prices = |of: usize| {
        let fill = |record: &Record| match record {
            Record::Fill { ms, symbol, price, .. } if *symbol == of => Some((*ms, *price)),
            _ => None,
        };
        r.records.iter().filter_map(fill).collect::<Vec<_>>()
    };
    for symbol in 0..r.symbols.len() {
        let fills = r.fills(symbol);
        assert_eq!(fills.iter().map(|f| (f.0, f.1)).collect::<Vec<_>>(), prices(symbol));
        let simple = r.trades.iter().filter(|t| t.symbol == symbol && t.adds == 0);
        for t in simple {
            assert!(fills.iter().any(|f| f.0 == t.entry_ms && f.2 == t.side), "{t:?}");
        }
    }
}

/// A day of which one of them has a part only is not compared.
#[test]
fn only_whole_days_are_compared() {
    let whole = report("s", false, 6);
    let mut part = whole.clone();
    part.sheet.tested.cut = (true, true);
    let days = whole.sheet.tested.days_ms.clone();
    let c = Comparison::of(vec![("whole".into(), whole), ("part".into(), part)]);
    assert_eq!(c.sides[0].days.days_ms, days[1..days.len() - 1]);
    assert_eq!(c.span(), Some((days[0] + DAY_MS, days[days.len() - 2])));
    assert_eq!((c.growth(0)[0], c.growth(0).len()), (1.0, days.len() - 1));
}
