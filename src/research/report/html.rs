//! The HTML page: readable without scripts, in light and dark, on paper and on a phone; nothing from elsewhere.

use super::svg::Chart;
use super::words::{escape, money, percent, price};
use super::{Report, folds, live, sheet_page};
use assay_shared::account::record::Trade;
use assay_shared::time::{format_date, format_ms, interval_text};
use std::fmt::Write as _;

pub(super) const STYLE: &str = "
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#6a737d;--line:#d9dee3;--paper:#fff;--good:#0b7a53;--bad:#b3261e;--accent:#1f5fbf}
@media(prefers-color-scheme:dark){:root{--ink:#e6e8eb;--soft:#9aa4ae;--line:#333a41;--paper:#15181c;--good:#4cc38a;--bad:#ff8a80;--accent:#7aa9ff}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:1060px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.05rem;margin:2rem 0 .4rem}p.sub{color:var(--soft);margin:.2rem 0 1.2rem}
.warn{border:2px solid var(--bad);color:var(--bad);padding:.6rem .9rem;border-radius:6px;font-weight:600;margin:1rem 0}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:.6rem}
.cards div{border:1px solid var(--line);border-radius:6px;padding:.5rem .7rem}.cards b{display:block;font-size:1.15rem}.cards span{color:var(--soft);font-size:.8rem}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:.85rem}th,td{text-align:right;padding:.25rem .5rem;border-bottom:1px solid var(--line)}
th{color:var(--soft);font-weight:600}th:first-child,td:first-child{text-align:left}td{white-space:nowrap}.neg{color:var(--bad)}.pos{color:var(--good)}
svg{width:100%;height:auto}svg line{stroke:var(--line)}svg text{fill:var(--soft);font-size:11px}
svg line.tested{stroke:var(--soft);stroke-dasharray:4 4}svg polyline{fill:none;stroke:var(--accent);stroke-width:1.4}svg polygon{fill:var(--accent);opacity:.15}svg.down polyline{stroke:var(--bad)}svg.down polygon{fill:var(--bad)}
code{font-size:.8rem;word-break:break-all}.scroll{max-height:420px;overflow:auto}
.wide{overflow-x:auto}.wide svg{min-width:640px}p.key{color:var(--soft);font-size:.85rem;margin:.3rem 0}pre{background:#8881;padding:.7rem;overflow-x:auto;font-size:.8rem}
@media print{body{max-width:none;margin:0;font-size:11px}.scroll{max-height:none;overflow:visible}h2{break-after:avoid}svg,tr{break-inside:avoid}.wide svg{min-width:0}}
";

/// What only a report's page has.
const MORE: &str = "
.cards{grid-template-columns:repeat(auto-fill,minmax(140px,1fr))}table.months td,table.months th{padding:.25rem .3rem;text-align:right}
td.gain{background:color-mix(in srgb,var(--good) var(--s),transparent)}td.loss{background:color-mix(in srgb,var(--bad) var(--s),transparent)}td.seen{font-style:italic;opacity:.75}
svg circle.long,.long{fill:var(--good);color:var(--good)}svg circle.short,.short{fill:var(--bad);color:var(--bad)}svg circle.exit,.exit{fill:var(--soft);color:var(--soft)}
.chart.live svg{display:none}.chart.live{overflow:visible;min-height:260px}.chart .u-legend{text-align:left;font-size:.8rem}
button{font:inherit;color:inherit;background:none;border:1px solid var(--line);border-radius:4px;font-size:.75rem;padding:.1rem .4rem;cursor:pointer}
th button{border:0;padding:0;font-size:inherit;font-weight:600}th[aria-sort=ascending] button::after{content:' ▲'}th[aria-sort=descending] button::after{content:' ▼'}button[aria-pressed=true]{border-color:var(--accent)}
svg rect{fill:var(--accent)}svg rect.bar{opacity:.55}
table.facts td{white-space:normal;text-align:left;overflow-wrap:anywhere}table.facts td:first-child{white-space:nowrap}
thead th{position:sticky;top:0;background:var(--paper)}.money td{border:0;padding:.15rem .5rem}.share{display:inline-block;height:.7rem;vertical-align:middle}.share.gain{background:var(--good)}.share.loss{background:var(--bad)}
@media(max-width:640px){td:first-child,th{white-space:normal}table{font-size:.78rem}td,th{padding:.2rem .3rem}}
@media print{.chart.live{min-height:0}.chart.live svg{display:block}.chart.live .uplot,button{display:none}th button{display:inline}table{font-size:.7rem}details{display:none}}
";

/// Trades that the page lists: of more it would grow heavy.
const TRADES: usize = 2000;

pub(super) fn page(r: &Report) -> String {
    let title = format!("{} · trial {}", escape(&r.study.name), r.trial.number);
    let mut out = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{}\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title}</title>\
         <style>{STYLE}{MORE}{}</style></head><body><h1>{title}</h1>",
        live::policy(),
        live::STYLE.trim()
    );
    head(&mut out, r);
    cards(&mut out, r);
    charts(&mut out, r);
    sheet_page::figures(&mut out, r);
    sheet_page::months(&mut out, r);
    sheet_page::falls(&mut out, r);
    sheet_page::spread(&mut out, r);
    sheet_page::robustness(&mut out, r);
    out += "<h2>Walk-forward folds</h2>";
    folds::table(&mut out, &r.trial.folds, &r.rules.folds_ms);
    parameters(&mut out, r);
    books(&mut out, r);
    sheet_page::prices(&mut out, r);
    trades(&mut out, r);
    data(&mut out, r);
    provenance(&mut out, r);
    out += &live::elements(r);
    out += "</body></html>\n";
    out
}

/// What it is of, and what must be known before a figure is read.
fn head(out: &mut String, r: &Report) {
    let span =
        r.times_ms.first().zip(r.times_ms.last()).map(|(a, b)| format!("{} to {}", format_date(*a), format_date(*b)));
    let _ = write!(
        out,
        "<p class=\"sub\">{} on {} · {}, out of sample from {} on · {} trials were tried to find it{}</p>",
        escape(&r.study.strategy),
        escape(&r.symbols.join(", ")),
        span.unwrap_or_default(),
        r.out_of_sample_ms.map(format_date).unwrap_or_default(),
        r.study.trials,
        r.statistics.map_or(String::new(), |s| format!(", beside {} in all", s.beside()))
    );
    if r.generated_data {
        *out += "<div class=\"warn\">GENERATED DATA: this market was made up for demonstration. The figures say nothing about real trading.</div>";
    }
    if !r.reproduced {
        *out += "<div class=\"warn\">This release gives another run than the one that was recorded: charts, books and trades are its own, the figures are the recorded ones.</div>";
    }
    if let Some(reason) = &r.trial.reason {
        let _ = write!(
            out,
            "<div class=\"warn\">This trial has no score ({}): {}.</div>",
            r.trial.state.to_lowercase(),
            escape(reason)
        );
    }
    if r.trial.violation.is_some_and(|by| by > 0.0) {
        *out += "<div class=\"warn\">This trial breaks a guardrail of its study: it cannot be promoted.</div>";
    }
    if let Some(ms) = r.ruined_ms {
        let _ = write!(
            out,
            "<div class=\"warn\">The account was ruined on {}: from then on it traded nothing, and figures of days that stand still say nothing.</div>",
            format_date(ms)
        );
    }
    *out += "<h2>Figures out of sample</h2>";
}

/// The run over time.
fn charts(out: &mut String, r: &Report) {
    let mut chart = |id: &str, title: &str, values: &[f64], class, base, label| {
        let tested_ms = r.out_of_sample_ms;
        let svg = Chart { times_ms: &r.times_ms, values, class, base, label, tested_ms, title }.draw();
        let _ = write!(out, "<h2>{title}</h2><div class=\"wide chart\" id=\"{id}\">{svg}</div>");
    };
    chart("equity", "Equity, USDT", &r.equity_usdt, "", None, money);
    chart("drawdown", "Drawdown", &r.drawdown, "down", Some(0.0), percent);
    chart("margin", "Margin in use / equity", &r.margin_usage, "", Some(0.0), percent);
    *out += "<p class=\"hint key\" hidden>Drag over a chart to zoom in, click it twice to see all of it again.</p>";
}

/// A figure's name, its value if defined, and how to show it.
type Card<'a> = (&'a str, Option<f64>, &'a dyn Fn(f64) -> String);

fn cards(out: &mut String, r: &Report) {
    let m = |name: &str| r.trial.metrics.get(name).copied();
    let two = |v: f64| format!("{v:.2}");
    let whole = |v: f64| format!("{v:.0}");
    let cards: [Card<'_>; 12] = [
        ("score", r.trial.score, &|v| format!("{v:.4}")),
        ("CAGR", m("cagr"), &percent),
        ("Sharpe ratio (year)", m("sharpe"), &two),
        ("Sortino ratio (year)", m("sortino"), &two),
        ("maximum drawdown", m("max_drawdown"), &percent),
        ("trades", m("trades"), &whole),
        ("win rate", m("win_rate"), &percent),
        ("profit factor", m("profit_factor"), &two),
        ("fees, USDT", m("fees_usdt"), &money),
        ("funding, USDT", m("funding_usdt"), &money),
        ("deflated Sharpe (probability)", r.statistics.and_then(|s| s.dsr), &two),
        ("probability of overfitting", r.pbo, &two),
    ];
    out.push_str("<div class=\"cards\">");
    for (name, value, show) in cards.into_iter().filter(|c| !r.generated_data || !c.0.contains("probability")) {
        let text = value.map_or("undefined".into(), show);
        let _ = write!(out, "<div><b>{text}</b><span>{name}</span></div>");
    }
    for (name, value) in r.study.expressions().0.iter().zip(&r.trial.also) {
        let _ = write!(out, "<div><b>{value:.4}</b><span>objective {}</span></div>", escape(name));
    }
    out.push_str("</div>");
}

fn parameters(out: &mut String, r: &Report) {
    out.push_str("<h2>Parameters</h2><table><tr><th>name</th><th>value</th></tr>");
    for (name, value) in &r.trial.params {
        let _ = write!(out, "<tr><td>{}</td><td>{value}</td></tr>", escape(name));
    }
    out.push_str("</table>");
}

/// Cash flows and trades, each adding up to the same.
fn books(out: &mut String, r: &Report) {
    let amount = |v: f64| format!("<td class=\"{}\">{v:.2}</td>", if v < 0.0 { "neg" } else { "" });
    out.push_str("<h2>Books of the whole run, USDT</h2><div class=\"wide\"><table class=\"money\"><tr><th>cash flow</th><th>amount</th><th></th></tr>");
    let flows = || r.books.cash_usdt.iter().filter(|(kind, _)| *kind != "deposit");
    let most = flows().map(|(_, sum)| sum.abs()).fold(1e-9, f64::max);
    let bar = |sum: f64| {
        let (class, width) = (if sum < 0.0 { "loss" } else { "gain" }, sum.abs() / most * 300.0);
        format!("<td style=\"text-align:left\"><span class=\"share {class}\" style=\"width:{width:.0}px\"></span></td>")
    };
    let deposit = r.books.cash_usdt.get("deposit").copied().unwrap_or_default();
    let _ = write!(out, "<tr><td>deposit</td>{}<td></td></tr>", amount(deposit));
    for (kind, sum) in flows() {
        let _ = write!(out, "<tr><td>{}</td>{}{}</tr>", escape(kind), amount(*sum), bar(*sum));
    }
    let _ = write!(out, "<tr><td>balance at the end</td>{}<td></td></tr></table></div>", amount(r.books.balance_usdt));
    out.push_str(
        "<div class=\"wide\"><table><tr><th>trades</th><th>number</th><th>won</th><th>fees</th><th>funding</th><th>profit</th></tr>",
    );
    let symbol = |s: &usize| r.symbols.get(*s).cloned().unwrap_or_default();
    let rows = r.books.by_symbol.iter().map(|(s, sum)| (symbol(s), sum));
    let rows = rows.chain(r.books.by_side.iter().map(|(side, sum)| ((*side).to_string(), sum)));
    let rows = rows.chain(r.books.by_rule.iter().map(|(rule, sum)| (rule.clone(), sum)));
    let rows = rows.chain(r.books.by_tag.iter().map(|(tag, sum)| (format!("entered by '{tag}'"), sum)));
    for (name, sum) in rows.chain(r.books.by_exit.iter().map(|(tag, sum)| (format!("left by '{tag}'"), sum))) {
        let (n, won) = (sum.trades, sum.won);
        let _ = write!(out, "<tr><td>{}</td><td>{n}</td><td>{won}</td>", escape(&name));
        let _ = write!(out, "{}{}{}</tr>", amount(-sum.fees_usdt), amount(sum.funding_usdt), amount(sum.pnl_usdt));
    }
    out.push_str("</table></div>");
}

/// The rule that closed a trade, with the names of those that opened and closed it.
fn why(r: &Report, t: &Trade) -> String {
    let rule = serde_json::to_value(t.rule).ok().and_then(|v| v.as_str().map(str::to_string)).unwrap_or_default();
    match (r.tag(t.tag), r.tag(t.exit_tag)) {
        ("", "") => rule,
        (entry, "") => format!("{entry}: {rule}"),
        ("", exit) => format!("{rule} ({exit})"),
        (entry, exit) => format!("{entry}: {rule} ({exit})"),
    }
}

/// A time without its seconds, which are those of a bar's beginning.
fn minute(ms: i64) -> String {
    format_ms(ms).chars().take(16).collect()
}

fn trades(out: &mut String, r: &Report) {
    let _ = write!(
        out,
        "<h2>Trades ({})</h2>{}<div class=\"scroll\"><table class=\"sortable\"><thead><tr><th>symbol</th><th>side</th><th>entry</th><th>average entry</th><th>exit</th><th>average exit</th><th>profit, USDT</th><th>MAE</th><th>MFE</th><th>funding</th><th>rule</th></tr></thead><tbody>",
        r.trades.len(),
        if r.trades.len() > TRADES {
            format!("<p class=\"key\">The last {TRADES}; the report's JSON file has all.</p>")
        } else {
            String::new()
        }
    );
    for t in &r.trades[r.trades.len().saturating_sub(TRADES)..] {
        let symbol = r.symbols.get(t.symbol).map(String::as_str).unwrap_or_default();
        let _ = write!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td class=\"{}\">{:.2}</td><td>{}</td><td>{}</td><td>{:.2}</td><td>{}</td></tr>",
            escape(symbol),
            t.side,
            minute(t.entry_ms),
            price(t.entry),
            minute(t.exit_ms),
            price(t.exit),
            if t.pnl_usdt < 0.0 { "neg" } else { "pos" },
            t.pnl_usdt,
            percent(t.mae),
            percent(t.mfe),
            t.funding_usdt,
            escape(&why(r, t))
        );
    }
    out.push_str("</tbody></table></div>");
}

/// Where the data came from, what was done to them, and what is assumed: figures depend on all of it.
fn data(out: &mut String, r: &Report) {
    let Some(d) = &r.data else { return };
    out.push_str("<h2>Data</h2><table class=\"facts\">");
    let mut row = |name: &str, value: &str| {
        let _ = write!(out, "<tr><td>{name}</td><td>{}</td></tr>", escape(value));
    };
    row("source", &d.source);
    let (interval, bars) = (interval_text(d.interval_ms), d.bars);
    row("bars", &format!("{bars} of {interval}, {} to {}", format_date(d.first_ms), format_date(d.last_ms)));
    if let (Some(files), Some(checked)) = (d.files, d.vendor_checked) {
        row("raw files", &format!("{files}, {checked} of them compared with the vendor's checksum"));
    }
    row("findings", &d.findings.to_string());
    for (name, text, mark) in [("treatment", &d.treatments, ','), ("assumption", &d.assumptions, ';')] {
        text.split(mark).map(str::trim).filter(|t| !t.is_empty()).for_each(|t| row(name, t));
    }
    out.push_str("</table>");
}

fn provenance(out: &mut String, r: &Report) {
    out.push_str("<h2>Where it comes from</h2><table class=\"facts\">");
    let seq = r.trial.seq.to_string();
    let stream = r.stream_hash.to_string();
    for (name, value) in [
        ("study", r.study.study_id.as_str()),
        ("ledger entry", &seq),
        ("trial identity", &r.trial.identity),
        ("strategy", &r.study.strategy_hash),
        ("data", &r.study.data_hash),
        ("rule book", &r.study.rulebook_hash),
        ("stream of the run", &stream),
        ("definitions", r.definitions),
    ] {
        let _ = write!(out, "<tr><td>{name}</td><td><code>{}</code></td></tr>", escape(value));
    }
    out.push_str("</table>");
    for (name, text) in [("The strategy", r.rules.strategy.as_str()), ("The study", r.study.text.as_str())] {
        if !text.is_empty() {
            let _ = write!(out, "<h2>{name}</h2><pre>{}</pre>", escape(text.trim_end()));
        }
    }
}
