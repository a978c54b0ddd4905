//! What a script draws that one can zoom: the charts' numbers as JSON, and the script with its hash, the only one that the
//! page's policy lets run.

use super::Report;
use super::sheet_page::ROLLING;
use super::svg::thin;
use assay_shared::time::DAY_MS;
use base64::Engine as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Points of a chart: more would make the page heavy.
const POINTS: usize = 3000;
/// Fills that are marked, the last ones.
const MARKS: usize = 4000;
const LIBRARY: &str = include_str!("assets/uplot.js");
const PAGE: &str = include_str!("assets/page.js");
/// Looks of the library's charts.
pub(super) const STYLE: &str = include_str!("assets/uplot.css");
/// The library's licence, which goes where it goes.
const LICENCE: &str = include_str!("assets/uplot-LICENSE");

/// The script as it stands between its tags.
fn script() -> String {
    format!("/*! uPlot\n{}*/\n{}\n{PAGE}", LICENCE.trim(), LIBRARY.trim())
}

/// The policy of the page: nothing from elsewhere, and of scripts this one.
pub(super) fn policy() -> String {
    let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(script().as_bytes()));
    format!("default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{hash}'")
}

/// As many digits as can be seen.
fn rounded(v: f64) -> Value {
    if !v.is_finite() {
        return Value::Null;
    }
    format!("{v:.5e}").parse::<f64>().map_or(Value::Null, |v| match v.fract() == 0.0 && v.abs() < 1e15 {
        true => json!(v as i64),
        false => json!(v),
    })
}

/// A chart of lines over times that are evenly spaced.
fn chart(id: &str, kind: &str, (first, step): (i64, i64), lines: &[(String, Vec<f64>)]) -> Value {
    let Some((_, leading)) = lines.first() else { return Value::Null };
    // The extremes of every line, and both ends.
    let some = POINTS / lines.len();
    let mut at: Vec<usize> = lines.iter().flat_map(|(_, line)| thin(line, some)).map(|p| p.0).collect();
    at.extend((!leading.is_empty()).then_some([0, leading.len() - 1]).into_iter().flatten());
    at.sort_unstable();
    at.dedup();
    let mut before = 0;
    let mut deltas = Vec::with_capacity(at.len());
    for i in &at {
        deltas.push(i - before);
        before = *i;
    }
    let values: Vec<Vec<Value>> = lines
        .iter()
        .map(|(_, line)| at.iter().map(|i| line.get(*i).map_or(Value::Null, |v| rounded(*v))).collect())
        .collect();
    let names: Vec<&String> = lines.iter().map(|l| &l.0).collect();
    json!({"id": id, "kind": kind, "first": first, "step": step, "at": deltas, "names": names, "values": values})
}

/// All charts of a report.
fn charts(r: &Report) -> Vec<Value> {
    let Some(first) = r.times_ms.first() else { return Vec::new() };
    let bars = (*first, r.interval_ms());
    let tested = r.tested_bar();
    let before =
        if tested == 0 { r.initial_usdt } else { r.equity_usdt.get(tested - 1).copied().unwrap_or(r.initial_usdt) };
    let mut lines = vec![("equity".to_string(), r.equity_usdt.clone())];
    for b in &r.sheet.benchmarks {
        let worth = b.worth.iter().map(|w| w * before);
        lines.push((b.name.clone(), std::iter::repeat_n(f64::NAN, tested).chain(worth).collect()));
    }
    let mut equity = chart("equity", "money", bars, &lines);
    equity["positive"] = json!(lines.iter().all(|l| l.1.iter().all(|v| v.is_nan() || *v > 0.0)));
    let mut drawdown = chart("drawdown", "percent", bars, &[("drawdown".into(), r.drawdown.clone())]);
    drawdown["class"] = json!("down");
    let mut margin = chart("margin", "percent", bars, &[("margin in use".into(), r.margin_usage.clone())]);
    margin["class"] = json!("up");
    let mut out = vec![equity, drawdown, margin];
    for (symbol, closes) in r.closes.iter().enumerate() {
        let marks: Vec<Value> = r
            .fills(symbol)
            .iter()
            .rev()
            .take(MARKS)
            .map(|(ms, price, kind)| json!([ms, rounded(*price), kind]))
            .collect();
        if !marks.is_empty() {
            let mut price = chart(&format!("price-{symbol}"), "price", bars, &[("close".into(), closes.clone())]);
            price["marks"] = json!(marks);
            out.push(price);
        }
    }
    out.iter_mut().for_each(|c| c["tested"] = json!(r.out_of_sample_ms));
    let (days, sharpe, volatility) = r.sheet.tested.rolling(ROLLING);
    if let Some(first) = days.first().filter(|_| days.len() > 1) {
        out.push(chart("sharpe", "ratio", (*first, DAY_MS), &[("Sharpe ratio".into(), sharpe)]));
        out.push(chart("volatility", "percent", (*first, DAY_MS), &[("volatility".into(), volatility)]));
    }
    out.into_iter().filter(|c| c.get("at").is_some()).collect()
}

/// The data and the script, at the page's end.
pub(super) fn elements(r: &Report) -> String {
    // No text of the data can end its element.
    let data = json!(charts(r)).to_string().replace('<', "\\u003c");
    format!("<script type=\"application/json\" id=\"data\">{data}</script><script>{}</script>", script())
}
