//! The Pareto front of a study of several objectives, as a part of its page.

use super::plots::{Axis, Dot, scatter};
use super::words::{escape, number, wide};
use crate::mirror::query::{TrialRow, front};
use std::fmt::Write as _;

/// Rows of the table.
const ROWS: usize = 20;

/// Writes the front: a chart of the score against each further objective, and its trials, best score first.
pub(super) fn section(out: &mut String, trials: &[TrialRow], objectives: &[String]) {
    if objectives.is_empty() {
        return;
    }
    let mut on = front(trials);
    on.sort_by(|a, b| {
        b.score.unwrap_or_default().total_cmp(&a.score.unwrap_or_default()).then(a.number.cmp(&b.number))
    });
    let _ = write!(
        out,
        "<h2>The front</h2><p>The study has {} objectives. {} trials are on its front: no other feasible one is \
         as good in all of them and better in one. What this page calls the best is the best by the score, the first of them.</p>",
        objectives.len() + 1,
        on.len()
    );
    for (k, name) in objectives.iter().enumerate() {
        let at = |t: &TrialRow| Some((t.score?, *t.also.get(k)?));
        let dot = |t: &TrialRow, class: &'static str| {
            let (x, y) = at(t)?;
            let name = format!("trial {}, score {}, {} {y:.4}", t.number, number(t.score), escape(name));
            Some(Dot { x, y, class, name })
        };
        let all = trials.iter().filter_map(|t| dot(t, if t.is_feasible() { "" } else { "infeasible" }));
        let dots: Vec<Dot> = all.chain(on.iter().filter_map(|t| dot(t, "best"))).collect();
        let shown = escape(name);
        let axes = (Axis::of("score", dots.iter().map(|d| d.x)), Axis::of(&shown, dots.iter().map(|d| d.y)));
        wide(out, &scatter(&format!("score against {shown}"), axes, &dots, &[], false));
    }
    out.push_str("<p class=\"key\">Rings are trials of the front; up and to the right is better.</p>");
    let heads: String = objectives.iter().map(|name| format!("<th>{}</th>", escape(name))).collect();
    let _ = write!(out, "<div class=\"wide\"><table><tr><th>trial</th><th>score</th>{heads}<th>trades</th></tr>");
    for t in on.iter().take(ROWS) {
        let values: String = t.also.iter().map(|v| format!("<td>{v:.4}</td>")).collect();
        let trades = t.metrics.get("trades").map_or("-".into(), |v| format!("{v:.0}"));
        let _ = write!(out, "<tr><td>{}</td><td>{}</td>{values}<td>{trades}</td></tr>", t.number, number(t.score));
    }
    out.push_str("</table></div>");
    if on.len() > ROWS {
        let _ = write!(out, "<p class=\"key\">and {} more</p>", on.len() - ROWS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(number: u32, score: f64, other: f64, violation: f64) -> TrialRow {
        TrialRow {
            study_id: "00".into(),
            number,
            seq: 1,
            state: "COMPLETE".into(),
            score: Some(score),
            also: vec![other],
            violation: Some(violation),
            constraints: vec![violation],
            reason: None,
            params: Default::default(),
            folds: Vec::new(),
            identity: String::new(),
            stream_hash: None,
            metrics: Default::default(),
        }
    }

    /// Trials of the front are in the table, others and infeasible ones are not; names are no markup; nothing of it is
    /// there for one objective.
    #[test]
    fn the_front_is_shown() {
        let trials =
            [trial(0, 1.0, 5.0, 0.0), trial(1, 3.0, 3.0, 0.0), trial(2, 2.0, 2.0, 0.0), trial(3, 9.0, 9.0, 1.0)];
        let mut out = String::new();
        section(&mut out, &trials, &["<b> - max_drawdown".into()]);
        let table = &out[out.find("<table>").unwrap()..];
        assert!(table.contains("<td>1</td>") && table.contains("<td>0</td>"), "{table}");
        assert!(!table.contains("<td>2</td>") && !table.contains("<td>3</td>"), "{table}");
        assert!(table.find("<td>1</td>") < table.find("<td>0</td>"), "the best score first");
        assert!(out.contains("2 trials are on its front") && !out.contains("<b>") && out.contains("&lt;b&gt;"));
        let mut none = String::new();
        section(&mut none, &trials, &[]);
        assert_eq!(none, "");
    }
}
