//! The page's sections that stand beside a tearsheet: figures of days, months, years, falls, distribution, rolling.

use super::Report;
use super::days::{Figure, Shown};
use super::plots::histogram;
use super::svg::Chart;
use super::words::{escape, percent};
use assay_shared::metric::Metric;
use assay_shared::time::format_date;
use std::collections::BTreeMap;
use std::fmt::Write as _;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// Days of a rolling stretch.
pub(super) const ROLLING: usize = 90;
/// Falls that are listed.
const FALLS: usize = 10;

/// A figure as it is shown.
pub fn shown(f: Option<&Figure>) -> String {
    match f.and_then(|f| Some((f.value?, f.shown))) {
        None => "undefined".into(),
        Some((v, Shown::Percent)) => format!("{:.2} %", v * 100.0),
        // No zero has a sign.
        Some((v, Shown::Number)) => format!("{:.3}", if v.abs() < 5e-4 { 0.0 } else { v }),
        Some((v, Shown::Whole)) => format!("{v:.0}"),
    }
}

/// The figures of days, beside what holding gave.
pub(super) fn figures(out: &mut String, r: &Report) {
    let sheet = &r.sheet;
    let benchmarks: Vec<Vec<Figure>> = sheet.benchmarks.iter().map(|b| b.days.figures()).collect();
    out.push_str("<h2>Returns of days</h2><div class=\"wide\"><table><tr><th>figure</th><th>out of sample</th><th>whole run</th>");
    for b in &sheet.benchmarks {
        let _ = write!(out, "<th>{}</th>", escape(&b.name));
    }
    out.push_str("</tr>");
    for (i, f) in sheet.tested_figures.iter().enumerate() {
        let _ = write!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td>",
            f.name,
            shown(Some(f)),
            shown(sheet.whole_figures.get(i))
        );
        benchmarks.iter().for_each(|b| {
            let _ = write!(out, "<td>{}</td>", shown(b.get(i)));
        });
        out.push_str("</tr>");
    }
    type Part = fn((f64, f64)) -> f64;
    let rows: [(&str, Part); 2] = [("beta of the run on it", |b| b.0), ("correlation of the run with it", |b| b.1)];
    for (name, part) in rows.iter().filter(|_| !sheet.benchmarks.is_empty()) {
        let _ = write!(out, "<tr><td>{name}</td><td></td><td></td>");
        for b in &sheet.benchmarks {
            let _ = write!(out, "<td>{}</td>", b.beside.map_or("undefined".into(), |v| format!("{:.3}", part(v))));
        }
        out.push_str("</tr>");
    }
    let cut = match sheet.tested.cut {
        (false, false) => "",
        _ => " The first or the last day has only a part of its bars, and counts as a day.",
    };
    let _ = write!(
        out,
        "</table></div><p class=\"key\">Of days of UTC with 365 a year, defined as in QuantStats, but value at risk and expected shortfall are of the days themselves and not of a normal distribution; the figures above are of bars, and those are what is signed.{} Holding is without leverage, fees or funding, out of sample.</p>",
        cut
    );
}

fn cell(out: &mut String, value: Option<f64>, tested: bool) {
    let Some(v) = value else {
        out.push_str("<td></td>");
        return;
    };
    let (class, strength) = (if v < 0.0 { "loss" } else { "gain" }, (v.abs() * 100.0).clamp(2.0, 12.0) * 4.0);
    let class = if tested { class.to_string() } else { format!("{class} seen") };
    let _ = write!(out, "<td class=\"{class}\" style=\"--s:{strength:.0}%\">{:.1}</td>", v * 100.0);
}

/// A row of months for each year.
pub(super) fn months(out: &mut String, r: &Report) {
    let (months, years) = (r.sheet.whole.months(), r.sheet.whole.years());
    let first = r.out_of_sample_ms.unwrap_or(i64::MAX);
    let (mut year, mut month, day) = assay_shared::time::civil(first.min(253_402_300_799_000));
    // The first month that is out of sample as a whole, and the first year.
    (year, month) = if day > 1 { (year + month / 12, month % 12 + 1) } else { (year, month) };
    let whole_year = if month > 1 { year + 1 } else { year };
    out.push_str("<h2>Months, %</h2><div class=\"wide\"><table class=\"months\"><tr><th>year</th>");
    MONTHS.iter().for_each(|m| {
        let _ = write!(out, "<th>{m}</th>");
    });
    out.push_str("<th>year</th></tr>");
    for (y, all) in &years {
        let _ = write!(out, "<tr><td>{y}</td>");
        (1..=12).for_each(|m| cell(out, months.get(&(*y, m)).copied(), (*y, m) >= (year, month)));
        cell(out, Some(*all), *y >= whole_year);
        out.push_str("</tr>");
    }
    out.push_str("</table></div><p class=\"key\">In italics: months and years that are in sample, or begin there. Out of sample too the search has seen what it chose by; only the vault it has not.</p>");
}

/// The deepest falls.
pub(super) fn falls(out: &mut String, r: &Report) {
    let falls = r.sheet.tested.falls();
    out.push_str("<h2>Deepest falls out of sample</h2><div class=\"wide\"><table><tr><th>from</th><th>lowest</th><th>to</th><th>days</th><th>depth</th></tr>");
    for f in falls.iter().take(FALLS) {
        let days = (f.to_ms - f.from_ms) / assay_shared::time::DAY_MS + 1;
        let to = if f.recovered { format_date(f.to_ms) } else { "not made good".into() };
        let (from, lowest) = (format_date(f.from_ms), format_date(f.lowest_ms));
        let _ = write!(
            out,
            "<tr><td>{from}</td><td>{lowest}</td><td>{to}</td><td>{days}</td><td class=\"neg\">{}</td></tr>",
            percent(f.depth)
        );
    }
    if falls.is_empty() {
        out.push_str("<tr><td colspan=\"5\">none</td></tr>");
    }
    out.push_str("</table></div>");
}

/// How the days' returns are spread, and how the ratio went.
pub(super) fn spread(out: &mut String, r: &Report) {
    let days = &r.sheet.tested;
    let values: Vec<f64> = days.returns.iter().map(|v| v * 100.0).collect();
    let figure = |name: &str| r.sheet.tested_figures.iter().find(|f| f.name.starts_with(name)).and_then(|f| f.value);
    let marks: Vec<(f64, &str)> = [("value at risk", "worst twentieth"), ("best day", "best day")]
        .iter()
        .filter_map(|(of, name)| Some((figure(of)? * 100.0, *name)))
        .collect();
    out.push_str("<h2>How days are spread, out of sample</h2><div class=\"wide\">");
    out.push_str(&histogram("returns of days", ["return of a day, %", "days"], &values, &marks));
    out.push_str("</div>");
    let (times, sharpe, volatility) = days.rolling(ROLLING);
    if times.len() < 2 {
        return;
    }
    let mut chart = |name: &str, id: &str, values: &[f64], label: fn(f64) -> String| {
        let title = format!("{name} of the last {ROLLING} days, out of sample");
        let chart = Chart { times_ms: &times, values, class: "", base: None, label, tested_ms: None, title: &title };
        let _ = write!(out, "<h2>{title}</h2><div class=\"wide chart\" id=\"{id}\">{}</div>", chart.draw());
    };
    chart("Sharpe ratio", "sharpe", &sharpe, |v| format!("{v:.1}"));
    chart("Volatility", "volatility", &volatility, percent);
}

/// What luck and higher costs would have made of it.
pub(super) fn robustness(out: &mut String, r: &Report) {
    if let Some(b) = &r.bands {
        let _ = write!(
            out,
            "<h2>If the days had come otherwise</h2><div class=\"wide\"><table><tr><th>figure out of sample</th><th>a twentieth below</th><th>middle</th><th>a twentieth above</th></tr>"
        );
        type Of = fn(f64) -> String;
        let two: Of = |v| format!("{v:.2}");
        for (name, band, show) in [
            ("growth a year (CAGR)", b.cagr, percent as Of),
            ("Sharpe ratio (year)", b.sharpe, two),
            ("maximum drawdown", b.max_drawdown, percent as Of),
        ] {
            let _ = write!(
                out,
                "<tr><td>{name}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                show(band.low),
                show(band.middle),
                show(band.high)
            );
        }
        let _ = write!(
            out,
            "</table></div><p class=\"key\">{} runs of blocks of {} days, drawn from its own days; {} of them lost money. It stood still on {} of its days; each day correlates with the one before by {}.</p>",
            b.runs,
            b.block,
            percent(b.lost),
            percent(b.idle),
            b.autocorrelation.map_or("nothing that is defined".into(), |v| format!("{v:.2}"))
        );
    }
    if r.costs.rows.is_empty() {
        return;
    }
    out.push_str("<h2>If trading cost more</h2><div class=\"wide\"><table><tr><th>fees and slippage</th><th>Sharpe ratio</th><th>CAGR</th><th>maximum drawdown</th><th>trades</th><th>liquidations</th></tr>");
    for row in &r.costs.rows {
        let of = |m: Metric, show: fn(f64) -> String| row.metrics.get(&m).map_or("undefined".into(), |v| show(*v));
        let whole: fn(f64) -> String = |v| format!("{v:.0}");
        let _ = write!(
            out,
            "<tr><td>× {}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            row.times,
            of(Metric::Sharpe, |v| format!("{v:.2}")),
            of(Metric::Cagr, percent),
            of(Metric::MaxDrawdown, percent),
            of(Metric::Trades, whole),
            of(Metric::Liquidations, whole)
        );
    }
    let gone = r.costs.gone_at.map_or("At the highest of these costs something is still earned.".to_string(), |at| {
        match at <= 1.0 {
            true => "Nothing is earned at the costs that are assumed.".into(),
            false => {
                format!("At about {at:.1} times the costs that are assumed nothing is earned any more out of sample.")
            }
        }
    });
    let _ = write!(
        out,
        "</table></div><p class=\"key\">Run again with fees, slippage and impact so many times as high. {gone}</p>"
    );
}

/// Prices with the trades in them, a chart for each symbol that was traded.
pub(super) fn prices(out: &mut String, r: &Report) {
    let mut traded: BTreeMap<usize, u32> = BTreeMap::new();
    r.trades.iter().for_each(|t| *traded.entry(t.symbol).or_default() += 1);
    if !traded.is_empty() && r.closes.is_empty() {
        return;
    }
    for (symbol, n) in traded {
        let (Some(closes), Some(name)) = (r.closes.get(symbol), r.symbols.get(symbol)) else { continue };
        let title = format!("{} with {n} trades", escape(name));
        let label: fn(f64) -> String = |v| if v.abs() >= 100.0 { format!("{v:.0}") } else { format!("{v:.3}") };
        let chart = Chart {
            times_ms: &r.times_ms,
            values: closes,
            class: "",
            base: None,
            label,
            tested_ms: r.out_of_sample_ms,
            title: &title,
        };
        let marks = r.fills(symbol);
        let _ = write!(
            out,
            "<h2>{title}</h2><div class=\"wide chart\" id=\"price-{symbol}\">{}</div>",
            chart.draw_with(&marks)
        );
    }
    out.push_str("<p class=\"key\"><span class=\"long\">▲</span> a long is opened or added to, <span class=\"short\">▼</span> a short, <span class=\"exit\">●</span> either is closed or reduced; liquidations are no fills. Of very many only the last are marked.</p>");
}
