//! Line charts as inline SVG.

use assay_shared::time::format_date;
use std::fmt::Write as _;

/// Most points drawn: more would not be seen.
const POINTS: usize = 1200;
const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 72.0;
const BOTTOM: f64 = 24.0;
const TOP: f64 = 10.0;
/// Most marks drawn: more would hide the line.
const MARKS: usize = 1000;

/// A series to draw.
pub(super) struct Chart<'a> {
    pub times_ms: &'a [i64],
    pub values: &'a [f64],
    pub class: &'static str,
    /// Draw the area down to this value.
    pub base: Option<f64>,
    pub label: fn(f64) -> String,
    /// Where the bars begin that are out of sample.
    pub tested_ms: Option<i64>,
    /// What it shows, for those who do not see it.
    pub title: &'a str,
}

/// Round steps that give about `n` grid lines.
pub(super) fn ticks(low: f64, high: f64, n: f64) -> Vec<f64> {
    let raw = (high - low) / n;
    if raw.is_nan() || raw <= 0.0 {
        return vec![low];
    }
    let power = libm::pow(10.0, libm::log10(raw).floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].iter().map(|m| m * power).find(|s| *s >= raw).unwrap_or(10.0 * power);
    let first = (low / step).ceil() * step;
    (0..20).map(|i| first + f64::from(i) * step).take_while(|t| *t <= high + step * 1e-9).collect()
}

/// Keeps the lowest and the highest value of each stretch, so no spike is lost.
pub(super) fn thin(values: &[f64], points: usize) -> Vec<(usize, f64)> {
    let size = values.len().div_ceil(points / 2).max(1);
    let mut out = Vec::new();
    for (k, part) in values.chunks(size).enumerate() {
        let at = |better: fn(&f64, &f64) -> bool| {
            (0..part.len()).fold(0, |b, i| if part[b].is_nan() || better(&part[i], &part[b]) { i } else { b })
        };
        let (low, high) = (at(|a, b| a < b), at(|a, b| a > b));
        let mut both = [low, high];
        both.sort_unstable();
        out.extend(both.map(|i| (k * size + i, part[i])).into_iter().filter(|p| p.1.is_finite()));
    }
    out
}

impl Chart<'_> {
    /// The chart as an SVG element.
    pub(super) fn draw(&self) -> String {
        self.draw_with(&[])
    }

    /// The same with marks: when, at which value, of which class.
    pub(super) fn draw_with(&self, marks: &[(i64, f64, &'static str)]) -> String {
        let finite = self.values.iter().copied().filter(|v| v.is_finite()).chain(self.base);
        let (mut low, mut high) = finite.fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
        if self.values.is_empty() || low > high {
            return String::from("<p>nothing to draw</p>");
        }
        if high - low < 1e-12 {
            (low, high) = (low - 1.0, high + 1.0);
        }
        let n = self.values.len().max(2) as f64 - 1.0;
        let x = |i: usize| LEFT + i as f64 / n * (WIDTH - LEFT - 8.0);
        let y = |v: f64| TOP + (high - v) / (high - low) * (HEIGHT - BOTTOM - TOP);
        let mut out = format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\" class=\"{}\">",
            self.title, self.class
        );
        for t in ticks(low, high, 4.0) {
            let _ = write!(out, "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{1:.1}\" y2=\"{1:.1}\"/>", WIDTH - 8.0, y(t));
            let _ = write!(
                out,
                "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                LEFT - 6.0,
                y(t) + 4.0,
                (self.label)(t)
            );
        }
        if let Some(i) = self.tested_ms.and_then(|ms| self.times_ms.iter().position(|t| *t >= ms)) {
            let at = x(i.min(self.values.len() - 1));
            let bottom = HEIGHT - BOTTOM;
            let _ = write!(
                out,
                "<line class=\"tested\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{bottom}\"/><text x=\"{:.1}\" y=\"{}\">out of sample</text>",
                at + 5.0,
                TOP + 10.0
            );
        }
        for k in 0..=5usize {
            let i = k * (self.values.len() - 1) / 5;
            let date = self.times_ms.get(i).map(|t| format_date(*t)).unwrap_or_default();
            let anchor = ["start", "middle", "middle", "middle", "middle", "end"][k];
            let _ =
                write!(out, "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"{anchor}\">{date}</text>", x(i), HEIGHT - 6.0);
        }
        let points: Vec<String> =
            thin(self.values, POINTS).iter().map(|(i, v)| format!("{:.1},{:.1}", x(*i), y(*v))).collect();
        if let Some(base) = self.base {
            let (first, last, b) = (x(0), x(self.values.len() - 1), y(base));
            let _ = write!(out, "<polygon points=\"{first:.1},{b:.1} {} {last:.1},{b:.1}\"/>", points.join(" "));
        }
        let _ = write!(out, "<polyline points=\"{}\"/>", points.join(" "));
        let span = self.times_ms.first().zip(self.times_ms.last()).filter(|(a, b)| a < b);
        for (ms, value, class) in marks.iter().filter(|_| marks.len() <= MARKS) {
            let Some((first, last)) = span else { break };
            let at = LEFT + (ms - first) as f64 / (last - first) as f64 * (WIDTH - LEFT - 8.0);
            let _ = write!(
                out,
                "<circle class=\"{class}\" cx=\"{at:.0}\" cy=\"{:.0}\" r=\"2\"/>",
                y(value.clamp(low, high))
            );
        }
        out + "</svg>"
    }
}
