//! The folds of a trial as a table, with their dates.

use assay_shared::event::study::FoldFact;
use assay_shared::time::format_date;
use std::fmt::Write as _;

/// Both windows of a fold, by the openings of their first bars and of the bars behind them.
pub type Windows = ((i64, i64), (i64, i64));

/// A row for each fold; a window that is not known has no dates.
pub(super) fn table(out: &mut String, folds: &[FoldFact], windows: &[Windows]) {
    out.push_str("<div class=\"wide\"><table><tr><th>fold</th><th>in sample</th><th>figure</th><th>trades</th><th>out of sample</th><th>figure</th><th>trades</th></tr>");
    let number = |v: Option<f64>| {
        v.map_or("undefined".into(), |v| {
            format!("<span class=\"{}\">{v:.4}</span>", if v < 0.0 { "neg" } else { "pos" })
        })
    };
    let span =
        |w: Option<(i64, i64)>| w.map_or("-".into(), |(a, b)| format!("{} to {}", format_date(a), format_date(b)));
    for (i, f) in folds.iter().enumerate() {
        let windows = windows.get(i);
        let _ = write!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            i + 1,
            span(windows.map(|w| w.0)),
            number(f.in_sample),
            f.is_trades,
            span(windows.map(|w| w.1)),
            number(f.out_of_sample),
            f.oos_trades
        );
    }
    out.push_str("</table></div>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_for_each_fold() {
        let fold = |figure| FoldFact { in_sample: figure, out_of_sample: Some(-0.5), is_trades: 4, oos_trades: 2 };
        let day = |d: i64| 1_704_067_200_000 + d * 86_400_000;
        let mut out = String::new();
        table(&mut out, &[fold(Some(1.0)), fold(None)], &[((day(0), day(10)), (day(10), day(20)))]);
        let first = "<td>1</td><td>2024-01-01 to 2024-01-11</td><td><span class=\"pos\">1.0000</span></td><td>4</td>";
        assert!(out.contains(first) && out.contains("<td>2024-01-11 to 2024-01-21</td>"), "{out}");
        assert!(out.contains("<td>2</td><td>-</td><td>undefined</td><td>4</td><td>-</td>"), "{out}");
    }
}
