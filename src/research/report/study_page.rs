//! A study as a page: how the search went, what decides, and how much the best is worth. No scripts, no outside references.

use super::folds::{self, Windows};
use super::front;
use super::html::STYLE;
use super::plots::{Axis, Dot, heat, histogram, scatter};
use super::search::{Placed, ends, explained, placed, plateau};
use super::words::{escape, number, wide};
use crate::mirror::query::{StudyRow, TrialRow};
use assay_shared::metric::YEAR_MS;
use assay_shared::recount::figures::Statistics;
use assay_shared::statistic::Effective;
use assay_shared::strategy::Value;
use assay_shared::strategy::space::Range;
use std::collections::BTreeMap;
use std::fmt::Write as _;

const MORE: &str = "
svg circle{fill:var(--accent);opacity:.55}svg circle.infeasible{fill:var(--soft);opacity:.35}svg circle.best{fill:none;stroke:var(--bad);stroke-width:2.5;opacity:1}
svg rect{fill:var(--accent)}svg rect.bar{opacity:.55}svg rect.none{fill:none;stroke:var(--line);stroke-width:.5}
.maps{display:grid;grid-template-columns:repeat(auto-fill,minmax(280px,1fr));gap:1rem}svg.heat{max-width:420px}td.left,th.left{text-align:left;white-space:normal}
.wide{overflow-x:auto}.wide svg{min-width:640px}p.key{color:var(--soft);font-size:.85rem}pre{background:#8881;padding:.7rem;overflow-x:auto;font-size:.8rem}
.share{display:inline-block;height:.7rem;background:var(--accent);opacity:.6;vertical-align:middle}
";
/// Parameters that are mapped against each other.
const MAPPED: usize = 4;
/// How a page of this kind is told from others.
const MARK: &str = "<meta name=\"generator\" content=\"assay study page\">";

/// What the page shows.
#[derive(Debug, Clone)]
pub struct StudyPage {
    /// The study.
    pub study: StudyRow,
    /// All its trials, by number.
    pub trials: Vec<TrialRow>,
    /// What is searched.
    pub space: BTreeMap<String, Range>,
    /// Its folds.
    pub folds: Vec<Windows>,
    /// Length of a bar, milliseconds.
    pub interval_ms: i64,
    /// The statistics of the best.
    pub statistics: Option<Statistics>,
    /// How many independent trials its trials are worth.
    pub effective: Option<Effective>,
    /// Years of data before which the best of all by chance would be as good as its best.
    pub min_backtest_years: Option<f64>,
    /// Probability that its choice is overfitted.
    pub pbo: Option<f64>,
    /// What was seen of its trials afterwards: head and rows, and what they are worth.
    pub later: (Vec<String>, Vec<Vec<String>>, String),
}

/// As many digits as one reads.
fn short(v: &Value) -> String {
    match v.number() {
        n if n.is_nan() || n.fract() == 0.0 || matches!(v, Value::Truth(_)) => v.to_string(),
        n => format!("{n:.4}"),
    }
}

impl StudyPage {
    /// Whether a file is such a page.
    pub fn is_one(text: &str) -> bool {
        text.contains(MARK)
    }

    /// The page.
    pub fn html(&self) -> String {
        let s = &self.study;
        let title = format!("Study {}", escape(&s.name));
        let mut out = format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">{MARK}\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title}</title><style>{STYLE}{MORE}</style></head><body><h1>{title}</h1>"
        );
        let state = if s.closed { "complete" } else { "not complete" };
        let _ = write!(
            out,
            "<p class=\"sub\">{} · {} trials · {state} · {}</p>",
            escape(&s.strategy),
            s.trials,
            s.study_id
        );
        if s.generated {
            out += "<div class=\"warn\">GENERATED DATA: this market was made up. The figures say nothing about real trading.</div>";
        }
        self.cards(&mut out);
        front::section(&mut out, &self.trials, &s.expressions().0);
        self.progress(&mut out);
        self.chance(&mut out);
        self.in_and_out(&mut out);
        self.parameters(&mut out);
        self.folds(&mut out);
        self.later(&mut out);
        self.rejected(&mut out);
        let _ = writeln!(out, "<h2>The study</h2><pre>{}</pre></body></html>", escape(s.text.trim_end()));
        out
    }

    fn best(&self) -> Option<&TrialRow> {
        self.trials.iter().find(|t| Some(t.number) == self.study.best)
    }

    fn cards(&self, out: &mut String) {
        let count = |of: &dyn Fn(&&TrialRow) -> bool| self.trials.iter().filter(|t| of(t)).count().to_string();
        let year = (YEAR_MS / self.interval_ms as f64).sqrt();
        let s = self.statistics.filter(|_| !self.study.generated);
        let cards = [
            (count(&|t| t.state == "COMPLETE"), "trials with a score"),
            (count(&|t| t.score.is_some() && !t.is_feasible()), "of them infeasible"),
            (count(&|t| t.state == "PRUNED"), "pruned"),
            (count(&|t| t.state == "FAIL"), "without a score"),
            (self.study.best.map_or("none".into(), |n| n.to_string()), "best trial"),
            (number(self.study.best_score), "its score"),
            (number(s.map(|s| s.sharpe_per_bar * year)), "its Sharpe ratio (year)"),
            (number(s.map(|s| s.expected_max * year)), "what the best of so many has by chance"),
            (number(s.and_then(|s| s.dsr)), "deflated Sharpe ratio (probability)"),
            (
                s.map_or("-".into(), |s| format!("{} in {}", s.trials, s.studies)),
                "trials in studies that count beside it",
            ),
            (
                self.effective.map_or("-".into(), |e| format!("{:.0} in {} groups", e.trials, e.clusters)),
                "independent trials that its trials are worth",
            ),
            (
                number(self.min_backtest_years.filter(|_| !self.study.generated)),
                "years on which chance alone gives its Sharpe ratio, whatever the spread of its trials",
            ),
            (number(self.pbo.filter(|_| !self.study.generated)), "probability of overfitting"),
        ];
        out.push_str("<div class=\"cards\">");
        for (value, name) in cards {
            let _ = write!(out, "<div><b>{value}</b><span>{name}</span></div>");
        }
        out.push_str("</div>");
    }

    fn dots(&self, at: impl Fn(&TrialRow) -> Option<(f64, f64)>) -> Vec<Dot> {
        let dot = |t: &TrialRow, class: &'static str| {
            let (x, y) = at(t)?;
            Some(Dot { x, y, class, name: format!("trial {}, score {}", t.number, number(t.score)) })
        };
        let all = self.trials.iter().filter_map(|t| dot(t, if t.is_feasible() { "" } else { "infeasible" }));
        all.chain(self.best().and_then(|t| dot(t, "best"))).collect()
    }

    fn progress(&self, out: &mut String) {
        let dots = self.dots(|t| Some((f64::from(t.number), t.score?)));
        let mut line: Vec<(f64, f64)> = Vec::new();
        for t in self.trials.iter().filter(|t| t.is_feasible()) {
            let (x, score) = (f64::from(t.number), t.score.unwrap_or_default());
            let before = line.last().map_or(f64::NEG_INFINITY, |p| p.1);
            if score > before {
                line.extend((before.is_finite()).then_some((x, before)));
                line.push((x, score));
            }
        }
        line.extend(line.last().map(|p| (self.trials.len() as f64, p.1)));
        // A few that are far below all others would hide the rest.
        let mut scores: Vec<f64> = dots.iter().map(|d| d.y).collect();
        scores.sort_by(f64::total_cmp);
        let low = scores.get(scores.len() / 20).copied().unwrap_or(0.0);
        let shown: Vec<Dot> = dots.into_iter().filter(|d| d.y >= low).collect();
        let axes = (Axis::of("trial", shown.iter().map(|d| d.x)), Axis::of("score", shown.iter().map(|d| d.y)));
        out.push_str("<h2>How the search went</h2>");
        wide(out, &scatter("score by trial", axes, &shown, &line, false));
        out.push_str("<p class=\"key\">Each point is a trial, grey where it breaks a guardrail; the line is the best so far, the ring the best. The lowest twentieth is not shown.</p>");
    }

    /// The trials' Sharpe ratios beside what chance gives the best of so many.
    fn chance(&self, out: &mut String) {
        let sharpe = |t: &TrialRow| t.metrics.get("sharpe").copied();
        let values: Vec<f64> = self.trials.iter().filter_map(sharpe).collect();
        let year = (YEAR_MS / self.interval_ms as f64).sqrt();
        let mut marks = Vec::new();
        marks.extend(self.best().and_then(sharpe).map(|v| (v, "the best trial")));
        let statistics = self.statistics.filter(|_| !self.study.generated);
        marks.extend(statistics.map(|s| (s.expected_max * year, "the best of so many by chance")));
        out.push_str("<h2>Beside chance</h2>");
        wide(
            out,
            &histogram("Sharpe ratios out of sample", ["Sharpe ratio out of sample (year)", "trials"], &values, &marks),
        );
        if let Some(s) = statistics {
            let _ = write!(
                out,
                "<p class=\"key\">Of {}, with a variance of {:.3e} of their Sharpe ratios per bar, no less than that of chance.</p>",
                s.beside(),
                s.variance
            );
        }
    }

    fn in_and_out(&self, out: &mut String) {
        let mean = |values: Vec<Option<f64>>| {
            let known: Vec<f64> = values.into_iter().flatten().collect();
            (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
        };
        let at = |t: &TrialRow| {
            t.score?;
            let is = mean(t.folds.iter().map(|f| f.in_sample).collect())?;
            Some((is, mean(t.folds.iter().map(|f| f.out_of_sample).collect())?))
        };
        let dots = self.dots(at);
        let axes = (
            Axis::of("mean of the folds in sample", dots.iter().map(|d| d.x)),
            Axis::of("out of sample", dots.iter().map(|d| d.y)),
        );
        out.push_str("<h2>In sample and out of sample</h2>");
        wide(out, &scatter("in sample against out of sample", axes, &dots, &[], true));
        out.push_str("<p class=\"key\">Below the dashed line a trial did worse out of sample than in sample.</p>");
    }

    fn parameters(&self, out: &mut String) {
        let placed = placed(&self.trials, &self.space);
        let names: Vec<(&String, &Range)> = self.space.iter().collect();
        let mut order: Vec<(usize, f64)> = (0..names.len()).map(|d| (d, explained(&placed, d))).collect();
        order.sort_by(|a, b| b.1.total_cmp(&a.1));
        out.push_str("<h2>What decides</h2><div class=\"wide\"><table><tr><th>parameter</th><th class=\"left\">share of the scores' spread that it explains alone</th><th>best</th><th>range</th></tr>");
        for (d, share) in &order {
            let (name, range) = names[*d];
            let best = self.best().and_then(|t| t.params.get(name)).map_or("-".into(), short);
            let (low, high) = ends(range);
            let width = (share * 300.0).round();
            let _ = write!(
                out,
                "<tr><td>{}</td><td class=\"left\"><span class=\"share\" style=\"width:{width}px\"></span> {share:.2}</td><td>{}</td><td>{} to {}</td></tr>",
                escape(name),
                escape(&best),
                escape(&low),
                escape(&high)
            );
        }
        out.push_str("</table></div>");
        if let Some((median, near)) = self.study.best.and_then(|best| plateau(&placed, best)) {
            let _ = write!(
                out,
                "<p>The {near} trials nearest to the best have a median score of {median:.4}, the best {}. A best that stands alone is luck.</p>",
                number(self.study.best_score)
            );
        }
        self.maps(out, &placed, &order);
    }

    /// The parameters that decide most, each against each.
    fn maps(&self, out: &mut String, placed: &[Placed], order: &[(usize, f64)]) {
        let names: Vec<(&String, &Range)> = self.space.iter().collect();
        let first: Vec<usize> = order.iter().take(MAPPED).map(|o| o.0).collect();
        let best = placed.iter().find(|t| Some(t.number) == self.study.best);
        out.push_str("<div class=\"maps\">");
        for (i, a) in first.iter().enumerate() {
            for b in &first[i + 1..] {
                let points: Vec<(f64, f64, f64)> = placed.iter().map(|t| (t.at[*a], t.at[*b], t.score)).collect();
                let escaped = |d: usize| {
                    let (low, high) = ends(names[d].1);
                    (escape(&low), escape(&high))
                };
                let (x, y) = (escape(names[*a].0), escape(names[*b].0));
                out.push_str(&heat([&x, &y], [escaped(*a), escaped(*b)], &points, best.map(|t| (t.at[*a], t.at[*b]))));
            }
        }
        out.push_str("</div><p class=\"key\">Mean scores; darker is better, white was never tried. A plateau around the ring is worth more than a peak.</p>");
    }

    fn folds(&self, out: &mut String) {
        let Some(best) = self.best() else { return };
        out.push_str("<h2>Folds of the best trial</h2>");
        folds::table(out, &best.folds, &self.folds);
    }

    fn later(&self, out: &mut String) {
        let (head, rows, words) = &self.later;
        out.push_str("<h2>Seen afterwards</h2>");
        if !rows.is_empty() {
            let cells = |tag: &str, row: &[String]| -> String {
                row.iter().map(|c| format!("<{tag}>{}</{tag}>", escape(c))).collect()
            };
            let body: String = rows.iter().map(|r| format!("<tr>{}</tr>", cells("td", r))).collect();
            let _ = write!(out, "<div class=\"wide\"><table><tr>{}</tr>{body}</table></div>", cells("th", head));
        }
        let _ = write!(out, "<p>{}</p>", escape(words).replace('\n', "<br>"));
    }

    /// Why trials have no score, were stopped, or are never the best; numbers left out, so that equal reasons meet.
    fn rejected(&self, out: &mut String) {
        let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
        let (_, required) = self.study.expressions();
        let blurred = |text: &str| {
            let digit = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | ':');
            let words = text.split(' ').map(|w| if w.chars().all(digit) && !w.is_empty() { "…" } else { w });
            words.collect::<Vec<_>>().join(" ")
        };
        for t in &self.trials {
            if let Some(reason) = &t.reason {
                *reasons.entry(blurred(reason)).or_default() += 1;
            }
            let names =
                ["too few trades out of sample", "too many liquidations in a window", "too many undecided bars"];
            let all = names.into_iter().chain(required.iter().map(String::as_str));
            for (at, (name, _)) in all.zip(&t.constraints).enumerate().filter(|(_, (_, by))| **by > 0.0) {
                let does = if at < names.len() { "" } else { " does not hold" };
                *reasons.entry(format!("infeasible: {name}{does}")).or_default() += 1;
            }
        }
        out.push_str("<h2>What was rejected, and why</h2>");
        if reasons.is_empty() {
            out.push_str("<p>nothing</p>");
            return;
        }
        let mut rows: Vec<(String, usize)> = reasons.into_iter().collect();
        rows.sort_by_key(|r| std::cmp::Reverse(r.1));
        out.push_str("<table><tr><th class=\"left\">why</th><th>trials</th></tr>");
        for (reason, n) in rows {
            let _ = write!(out, "<tr><td class=\"left\">{}</td><td>{n}</td></tr>", escape(&reason));
        }
        out.push_str("</table>");
    }
}
