//! Trials beside each other as a page: no scripts, no outside references.

use super::compare::Comparison;
use super::html::STYLE;
use super::plots::{Axis, lines};
use super::sheet_page::shown;
use super::words::escape;
use assay_shared::time::{DAY_MS, civil, format_date};
use std::fmt::Write as _;

/// How a page of this kind is told from others.
const MARK: &str = "<meta name=\"generator\" content=\"assay comparison\">";
const MORE: &str = "
svg polyline.d1{stroke-dasharray:8 4}svg polyline.d2{stroke-dasharray:2 3}svg polyline.d3{stroke-dasharray:12 3 2 3}
svg polyline.s1{stroke:var(--good)}svg polyline.s2{stroke:var(--bad)}svg polyline.s3{stroke:var(--soft)}svg polyline.s4{stroke:var(--ink)}
.s0::before,.s1::before,.s2::before,.s3::before,.s4::before{content:'━ '}.s0{color:var(--accent)}.s1{color:var(--good)}.s2{color:var(--bad)}.s3{color:var(--soft)}.s4{color:var(--ink)}span.d1::before{content:'╍ '}span.d2::before{content:'┅ '}span.d3::before{content:'┉ '}
";
/// Lines have so many colours.
const COLOURS: usize = 5;

/// The look of a line: its colour, and from the sixth on how it is broken.
fn style(i: usize) -> String {
    format!("s{} d{}", i % COLOURS, (i / COLOURS).min(3))
}

/// Whether a file is such a page.
pub fn is_one(text: &str) -> bool {
    text.contains(MARK)
}

fn row(out: &mut String, name: &str, cells: impl Iterator<Item = String>) {
    let _ = write!(out, "<tr><td>{}</td>", escape(name));
    cells.for_each(|cell| {
        let _ = write!(out, "<td>{}</td>", escape(&cell));
    });
    out.push_str("</tr>");
}

fn table(out: &mut String, c: &Comparison, title: &str, rows: impl FnOnce(&mut String)) {
    let _ = write!(out, "<h2>{title}</h2><div class=\"wide\"><table><tr><th></th>");
    for (i, s) in c.sides.iter().enumerate() {
        let _ = write!(out, "<th><span class=\"{}\">{}</span></th>", style(i), escape(&s.name));
    }
    out.push_str("</tr>");
    rows(out);
    out.push_str("</table></div>");
}

/// The page.
pub fn html(c: &Comparison) -> String {
    let names: Vec<&str> = c.sides.iter().map(|s| s.name.as_str()).collect();
    let title = escape(&names.join(" · "));
    let mut out = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">{MARK}\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title}</title><style>{STYLE}{MORE}</style></head><body><h1>{title}</h1>"
    );
    let span = c.span().map_or("no day is out of sample in all of them".into(), |(a, b)| {
        format!("on the days that are out of sample in all: {} to {}", format_date(a), format_date(b))
    });
    let _ = write!(out, "<p class=\"sub\">{span}</p>");
    if c.sides.iter().any(|s| s.generated) {
        out += "<div class=\"warn\">GENERATED DATA: a market was made up. The figures say nothing about real trading.</div>";
    }
    growth(&mut out, c);
    table(&mut out, c, "Figures of the days that all have", |out| {
        let figures = c.sides.first().map(|s| s.figures.len()).unwrap_or_default();
        for i in 0..figures {
            row(out, c.sides[0].figures[i].name, c.sides.iter().map(|s| shown(s.figures.get(i))));
        }
    });
    table(&mut out, c, "Correlation of days", |out| {
        for (s, with) in c.sides.iter().zip(&c.correlations) {
            row(out, &s.name, with.iter().map(|v| v.map_or("undefined".into(), |v| format!("{v:.3}"))));
        }
    });
    years(&mut out, c);
    recorded(&mut out, c);
    out + "</body></html>\n"
}

/// What one grew to, a line for each.
fn growth(out: &mut String, c: &Comparison) {
    let grown: Vec<Vec<f64>> = (0..c.sides.len()).map(|i| c.growth(i)).collect();
    let Some((first, last)) = c.span().filter(|(a, b)| a < b) else { return };
    let after = |ms: i64| (ms - first) as f64 / DAY_MS as f64;
    let axes =
        (Axis::of("", [0.0, after(last) + 1.0].into_iter()), Axis::of("one grows to", grown.iter().flatten().copied()));
    let ends = |ms: &i64| after(*ms) + 1.0;
    let days: Vec<f64> = std::iter::once(0.0).chain(c.sides[0].days.days_ms.iter().map(ends)).collect();
    let all: Vec<(String, Vec<(f64, f64)>)> =
        grown.into_iter().enumerate().map(|(i, g)| (style(i), days.iter().copied().zip(g).collect())).collect();
    let date = |day: f64| format_date(first + (day * DAY_MS as f64) as i64);
    let _ = write!(
        out,
        "<h2>What one grew to</h2><div class=\"wide\">{}</div>",
        lines("growth of each", axes, &all, &date)
    );
}

fn years(out: &mut String, c: &Comparison) {
    let years: Vec<_> = c.sides.iter().map(|s| s.days.years()).collect();
    let Some((first, last)) = c.span() else { return };
    table(out, c, "Years", |out| {
        for year in civil(first).0..=civil(last).0 {
            let of = |y: &std::collections::BTreeMap<i64, f64>| {
                y.get(&year).map_or(String::new(), |r| format!("{:.1} %", r * 100.0))
            };
            row(out, &year.to_string(), years.iter().map(of));
        }
    });
}

/// What was recorded of each, over its own bars.
fn recorded(out: &mut String, c: &Comparison) {
    table(out, c, "Recorded, each over its own bars", |out| {
        row(out, "study and trial", c.sides.iter().map(|s| format!("{} {}", s.study, s.number)));
        row(out, "state", c.sides.iter().map(|s| s.state.clone()));
        row(
            out,
            "ruined",
            c.sides.iter().map(|s| s.ruined_ms.map_or("no".into(), |ms| format!("on {}", format_date(ms)))),
        );
        row(out, "score", c.sides.iter().map(|s| s.score.map_or("undefined".into(), |v| format!("{v:.4}"))));
        row(
            out,
            "deflated Sharpe ratio as of now",
            c.sides.iter().map(|s| s.dsr.map_or("undefined".into(), |v| format!("{v:.3}"))),
        );
        let mut names: Vec<&String> = c.sides.iter().flat_map(|s| s.metrics.keys()).collect();
        names.sort();
        names.dedup();
        for name in names {
            row(
                out,
                name,
                c.sides.iter().map(|s| s.metrics.get(name).map_or("undefined".into(), |v| format!("{v:.4}"))),
            );
        }
        for name in c.parameters() {
            row(out, name, c.sides.iter().map(|s| s.params.get(name).map_or("-".into(), ToString::to_string)));
        }
        for (name, hash) in [("strategy", 0), ("data", 1)] {
            let short = |h: &String| h.get(..12).unwrap_or(h).to_string();
            row(out, name, c.sides.iter().map(|s| short(if hash == 0 { &s.strategy_hash } else { &s.data_hash })));
        }
    });
}
