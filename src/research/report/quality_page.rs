//! The quality report as a page: where each symbol has bars and what is odd about them, at one look.

use super::html::STYLE;
use super::quality::QualityReport;
use super::words::{escape, money};
use crate::data::Oddity;
use assay_shared::time::{format_date, parse};
use std::collections::BTreeMap;
use std::fmt::Write as _;

const MORE: &str = "
svg .bars{fill:var(--accent);opacity:.28}svg .error{fill:var(--bad)}svg .treated{fill:var(--good)}svg .note{fill:var(--soft)}
td.left,th.left{text-align:left;white-space:normal}td.code{white-space:nowrap}.key{color:var(--soft);font-size:.8rem}.key b{font-weight:600}
";
const WIDTH: f64 = 1000.0;
const LEFT: f64 = 150.0;
const ROW: f64 = 18.0;
/// Findings in the table: more would not be read, and the JSON has all.
const SHOWN: usize = 2000;

fn class(f: &Oddity) -> &'static str {
    match (f.error, &f.treated) {
        (true, _) => "error",
        (_, Some(_)) => "treated",
        _ => "note",
    }
}

fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// The report as a page that fetches nothing.
pub fn html(r: &QualityReport) -> String {
    let title = format!("Data quality · {}", escape(&r.source));
    let mut out = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title><style>{STYLE}{MORE}</style></head><body><h1>{title}</h1>"
    );
    let symbols = counted(r.series.len(), "symbol");
    let finer = r.detail.as_ref().map_or(String::new(), |finer| format!(", their paths by bars of {finer}"));
    let _ = write!(out, "<p class=\"sub\">{symbols} · {} bars{finer} · {} to {} UTC</p>", r.interval, r.first, r.last);
    if r.generated {
        out += "<div class=\"warn\">GENERATED DATA: these prices are made up.</div>";
    }
    match r.errors() {
        0 => {}
        n => {
            let findings = counted(n, "finding");
            let _ = write!(out, "<div class=\"warn\">{findings} must be treated before these data can be used.</div>");
        }
    }
    cards(&mut out, r);
    timeline(&mut out, r);
    findings(&mut out, r);
    series(&mut out, r);
    list(&mut out, "Assumptions of the rule book", &r.assumptions);
    list(&mut out, "Treatments that had nothing to treat", &r.treatments_unused);
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for u in &r.unused {
        reasons.entry(&u.why).or_default().push(&u.file);
    }
    let lines: Vec<String> = reasons.iter().map(|(why, files)| format!("{why}: {}", files.join(", "))).collect();
    list(&mut out, &format!("Files not used ({})", r.unused.len()), &lines);
    list(&mut out, &format!("Files used ({})", r.used.len()), &r.used);
    out += "</body></html>\n";
    out
}

fn cards(out: &mut String, r: &QualityReport) {
    let count = |c: &str| r.findings.iter().filter(|f| class(f) == c).count().to_string();
    let settled: u64 = r.series.iter().map(|s| s.settlements).sum();
    let bars: u64 = r.series.iter().map(|s| s.bars).sum();
    let cards = [
        ("bars of all symbols", money(bars as f64)),
        ("funding settlements", money(settled as f64)),
        ("errors", count("error")),
        ("findings treated", count("treated")),
        ("notes", count("note")),
        ("files used", r.used.len().to_string()),
    ];
    out.push_str("<div class=\"cards\">");
    for (name, value) in cards {
        let _ = write!(out, "<div><b>{value}</b><span>{name}</span></div>");
    }
    out.push_str("</div>");
}

/// A row for each symbol: its bars, and its findings where they are.
fn timeline(out: &mut String, r: &QualityReport) {
    let (Some(from), Some(to)) = (parse(&r.first), parse(&r.last)) else { return };
    let span = (to - from).max(1) as f64;
    let x = |ms: i64| LEFT + (ms.saturating_sub(from) as f64 / span).clamp(0.0, 1.0) * (WIDTH - LEFT - 8.0);
    let height = ROW * r.series.len() as f64 + 24.0;
    let _ = write!(
        out,
        "<h2>Where there are bars, and what is odd</h2><p class=\"key\"><b style=\"color:var(--bad)\">■</b> error <b style=\"color:var(--good)\">■</b> treated <b>■</b> note</p><svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"bars and findings of each symbol\">"
    );
    for (i, s) in r.series.iter().enumerate() {
        let y = i as f64 * ROW;
        let (Some(first), Some(last)) = (parse(&s.first), parse(&s.last)) else { continue };
        let name = escape(&s.symbol);
        let _ = write!(out, "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{name}</text>", LEFT - 8.0, y + 12.5);
        let (a, b) = (x(first), x(last).max(x(first) + 1.0));
        let _ =
            write!(out, "<rect class=\"bars\" x=\"{a:.1}\" y=\"{}\" width=\"{:.1}\" height=\"12\"/>", y + 2.0, b - a);
        // What must be treated is drawn last, over everything else.
        for kind in ["note", "treated", "error"] {
            for f in r.findings.iter().filter(|f| f.symbol == s.symbol && class(f) == kind) {
                let _ =
                    write!(out, "<g class=\"{kind}\"><title>{}</title>", escape(&format!("{}: {}", f.code, f.detail)));
                for (begin, end) in &f.stretches {
                    let (a, b) = (x(*begin), x(*end).max(x(*begin) + 2.0));
                    let _ = write!(out, "<rect x=\"{a:.1}\" y=\"{}\" width=\"{:.1}\" height=\"6\"/>", y + 5.0, b - a);
                }
                out.push_str("</g>");
            }
        }
    }
    for k in 0..=5i64 {
        let ms = from + (to - from) / 5 * k;
        let anchor = ["start", "middle", "middle", "middle", "middle", "end"][k as usize];
        let _ = write!(
            out,
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>",
            x(ms),
            height - 6.0,
            format_date(ms)
        );
    }
    out.push_str("</svg>");
}

fn findings(out: &mut String, r: &QualityReport) {
    let _ = write!(out, "<h2>Findings ({})</h2>", r.findings.len());
    if r.findings.is_empty() {
        out.push_str("<p>Nothing odd found.</p>");
        return;
    }
    out.push_str("<table><tr><th>symbol</th><th class=\"left\">finding</th><th class=\"left\">verdict</th><th>from</th><th>to</th><th class=\"left\">detail</th></tr>");
    for f in r.findings.iter().take(SHOWN) {
        let colour = if f.error { " neg" } else { "" };
        let _ = write!(
            out,
            "<tr><td>{}</td><td class=\"left code\">{}</td><td class=\"left{colour}\">{}</td><td>{}</td><td>{}</td><td class=\"left\">{}</td></tr>",
            escape(&f.symbol),
            escape(&f.code),
            escape(&f.verdict()),
            escape(&f.from),
            escape(&f.to),
            escape(&f.detail)
        );
    }
    out.push_str("</table>");
    if r.findings.len() > SHOWN {
        let _ = write!(out, "<p class=\"sub\">… and {} more, which the JSON has</p>", r.findings.len() - SHOWN);
    }
}

fn series(out: &mut String, r: &QualityReport) {
    out.push_str("<h2>Symbols</h2><table><tr><th>symbol</th><th>first</th><th>last</th><th>bars</th><th>settlements</th><th class=\"left\">fields</th></tr>");
    for s in &r.series {
        let _ = write!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td class=\"left\">{}</td></tr>",
            escape(&s.symbol),
            escape(&s.first),
            escape(&s.last),
            s.bars,
            s.settlements,
            escape(&s.fields.join(", "))
        );
    }
    out.push_str("</table>");
}

fn list(out: &mut String, title: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    let _ = write!(out, "<h2>{}</h2><div class=\"scroll\"><table>", escape(title));
    for line in lines {
        let _ = write!(out, "<tr><td class=\"left\">{}</td></tr>", escape(line));
    }
    out.push_str("</table></div>");
}
