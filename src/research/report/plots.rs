//! Points, bars and cells as inline SVG.

use super::svg::ticks;
use std::fmt::Write as _;

const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 72.0;
const BOTTOM: f64 = 40.0;
const TOP: f64 = 12.0;
/// Cells of a map in each direction.
const CELLS: usize = 10;

/// A point: where it is, how it is drawn, and what it is called.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Dot {
    pub x: f64,
    pub y: f64,
    pub class: &'static str,
    pub name: String,
}

/// An axis with what it shows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis<'a> {
    pub name: &'a str,
    pub low: f64,
    pub high: f64,
}

impl<'a> Axis<'a> {
    /// One that holds all of these values.
    pub(super) fn of(name: &'a str, values: impl Iterator<Item = f64>) -> Axis<'a> {
        let (low, high) = values.filter(|v| v.is_finite()).fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
        match high - low {
            wide if wide > 1e-12 => Axis { name, low: low - 0.03 * wide, high: high + 0.03 * wide },
            _ if low <= high => Axis { name, low: low - 1.0, high: high + 1.0 },
            _ => Axis { name, low: 0.0, high: 1.0 },
        }
    }
}

fn at_x(axis: &Axis<'_>, v: f64) -> f64 {
    LEFT + (v - axis.low) / (axis.high - axis.low) * (WIDTH - LEFT - 12.0)
}

fn at_y(axis: &Axis<'_>, v: f64) -> f64 {
    TOP + (axis.high - v) / (axis.high - axis.low) * (HEIGHT - BOTTOM - TOP)
}

fn number(v: f64) -> String {
    match v.abs() {
        a if a >= 1000.0 || v.fract() == 0.0 => format!("{v:.0}"),
        a if a >= 10.0 => format!("{v:.1}"),
        _ => format!("{v:.2}"),
    }
}

/// Axes with their lines, numbers and names; what is drawn between them comes after.
fn framed(label: &str, x: &Axis<'_>, y: &Axis<'_>) -> String {
    framed_with(label, x, y, &number)
}

/// The same with other names below.
fn framed_with(label: &str, x: &Axis<'_>, y: &Axis<'_>, name: &dyn Fn(f64) -> String) -> String {
    let mut out = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{label}\">");
    for t in ticks(y.low, y.high, 4.0) {
        let at = at_y(y, t);
        let _ = write!(out, "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>", WIDTH - 12.0);
        let _ =
            write!(out, "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>", LEFT - 6.0, at + 4.0, number(t));
    }
    for t in ticks(x.low, x.high, 8.0) {
        let (at, bottom) = (at_x(x, t), HEIGHT - BOTTOM + 14.0);
        let _ = write!(out, "<text x=\"{at:.1}\" y=\"{bottom}\" text-anchor=\"middle\">{}</text>", name(t));
    }
    let _ = write!(out, "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>", WIDTH / 2.0, HEIGHT - 6.0, x.name);
    let _ = write!(out, "<text x=\"{LEFT}\" y=\"{}\" dx=\"4\" dy=\"6\">{}</text>", TOP, y.name);
    out
}

/// Points, with a line through some others, and a diagonal where both axes say the same.
pub(super) fn scatter(
    label: &str,
    (x, y): (Axis<'_>, Axis<'_>),
    dots: &[Dot],
    line: &[(f64, f64)],
    diagonal: bool,
) -> String {
    let mut out = framed(label, &x, &y);
    if diagonal {
        let (low, high) = (x.low.max(y.low), x.high.min(y.high));
        let (x1, x2, y1, y2) = (at_x(&x, low), at_x(&x, high), at_y(&y, low), at_y(&y, high));
        let _ = write!(out, "<line class=\"tested\" x1=\"{x1:.1}\" x2=\"{x2:.1}\" y1=\"{y1:.1}\" y2=\"{y2:.1}\"/>");
    }
    for d in dots.iter().filter(|d| d.x.is_finite() && d.y.is_finite()) {
        let (cx, cy) = (at_x(&x, d.x), at_y(&y, d.y));
        let r = if d.class == "best" { 6 } else { 3 };
        let (class, name) = (d.class, &d.name);
        let _ = write!(
            out,
            "<circle class=\"{class}\" cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"{r}\"><title>{name}</title></circle>"
        );
    }
    let points: Vec<String> = line.iter().map(|(a, b)| format!("{:.1},{:.1}", at_x(&x, *a), at_y(&y, *b))).collect();
    let _ = write!(out, "<polyline points=\"{}\"/></svg>", points.join(" "));
    out
}

/// Lines, each of a class; `name` says what stands below.
pub(super) fn lines(
    label: &str,
    (x, y): (Axis<'_>, Axis<'_>),
    lines: &[(String, Vec<(f64, f64)>)],
    name: &dyn Fn(f64) -> String,
) -> String {
    let mut out = framed_with(label, &x, &y, name);
    for (class, line) in lines {
        let points: Vec<String> =
            line.iter().map(|(a, b)| format!("{:.1},{:.1}", at_x(&x, *a), at_y(&y, *b))).collect();
        let _ = write!(out, "<polyline class=\"{class}\" points=\"{}\"/>", points.join(" "));
    }
    out + "</svg>"
}

/// How often values fall into equal parts, with some places marked.
/// `names` are what is counted by, and what is counted.
pub(super) fn histogram(label: &str, [name, what]: [&str; 2], values: &[f64], marks: &[(f64, &str)]) -> String {
    let x = Axis::of(name, values.iter().copied().chain(marks.iter().map(|m| m.0)));
    let parts = 30;
    let mut counts = vec![0_u32; parts];
    for v in values {
        let part = ((v - x.low) / (x.high - x.low) * parts as f64) as usize;
        counts[part.min(parts - 1)] += 1;
    }
    let most = counts.iter().copied().max().unwrap_or(1).max(1);
    let y = Axis { name: what, low: 0.0, high: f64::from(most) * 1.1 };
    let mut out = framed(label, &x, &y);
    let width = (x.high - x.low) / parts as f64;
    for (i, count) in counts.iter().enumerate().filter(|(_, n)| **n > 0) {
        let (from, to) = (at_x(&x, x.low + i as f64 * width), at_x(&x, x.low + (i + 1) as f64 * width));
        let (top, bottom) = (at_y(&y, f64::from(*count)), at_y(&y, 0.0));
        let _ = write!(
            out,
            "<rect class=\"bar\" x=\"{:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\"><title>{count} {what}</title></rect>",
            from + 1.0,
            to - from - 2.0,
            bottom - top
        );
    }
    for (n, (at, text)) in marks.iter().enumerate() {
        let (x1, label_y) = (at_x(&x, *at), TOP + 22.0 + 14.0 * n as f64);
        let (anchor, dx) = if x1 > WIDTH * 0.7 { ("end", -5) } else { ("start", 5) };
        let _ = write!(
            out,
            "<line class=\"tested\" x1=\"{x1:.1}\" x2=\"{x1:.1}\" y1=\"{TOP}\" y2=\"{}\"/><text x=\"{x1:.1}\" dx=\"{dx}\" y=\"{label_y}\" text-anchor=\"{anchor}\">{text}</text>",
            HEIGHT - BOTTOM
        );
    }
    out + "</svg>"
}

/// Means of a value over cells of two axes, each from 0 to 1; darker is higher. `names` are those of the axes, `ends`
/// what their ends are called, `best` where the best is.
pub(super) fn heat(
    names: [&str; 2],
    ends: [(String, String); 2],
    points: &[(f64, f64, f64)],
    best: Option<(f64, f64)>,
) -> String {
    let mut cells = vec![(0.0, 0_u32); CELLS * CELLS];
    let cell = |v: f64| ((v * CELLS as f64) as usize).min(CELLS - 1);
    for (a, b, value) in points {
        let c = &mut cells[cell(*b) * CELLS + cell(*a)];
        *c = (c.0 + value, c.1 + 1);
    }
    let means = cells.iter().filter(|c| c.1 > 0).map(|c| c.0 / f64::from(c.1));
    let (low, high) = means.fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
    let (size, left, top) = (30.0, 60.0, 8.0);
    let all = size * CELLS as f64;
    let label = format!("mean score over {} and {}", names[0], names[1]);
    let mut out = format!(
        "<svg class=\"heat\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{label}\">",
        left + all + 8.0,
        top + all + 40.0
    );
    for (i, (sum, n)) in cells.iter().enumerate() {
        let (x, y) = (left + (i % CELLS) as f64 * size, top + all - ((i / CELLS) as f64 + 1.0) * size);
        let _ = match n {
            0 => write!(out, "<rect class=\"none\" x=\"{x}\" y=\"{y}\" width=\"{size}\" height=\"{size}\"/>"),
            n => {
                let mean = sum / f64::from(*n);
                let share = if high > low { (mean - low) / (high - low) } else { 0.5 };
                write!(
                    out,
                    "<rect x=\"{x}\" y=\"{y}\" width=\"{size}\" height=\"{size}\" fill-opacity=\"{:.2}\"><title>{n} trials, mean score {mean:.4}</title></rect>",
                    0.08 + 0.92 * share
                )
            }
        };
    }
    if let Some((a, b)) = best {
        let (cx, cy) = (left + a * all, top + all - b * all);
        let _ = write!(
            out,
            "<circle class=\"best\" cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"6\"><title>the best</title></circle>"
        );
    }
    let bottom = top + all + 14.0;
    let [(x_low, x_high), (y_low, y_high)] = ends;
    let _ = write!(
        out,
        "<text x=\"{left}\" y=\"{bottom}\">{x_low}</text><text x=\"{0}\" y=\"{bottom}\" text-anchor=\"end\">{x_high}</text>\
         <text x=\"{1}\" y=\"{2}\" text-anchor=\"middle\">{3}</text>\
         <text x=\"{4}\" y=\"{5}\" text-anchor=\"end\">{y_low}</text><text x=\"{4}\" y=\"{6}\" text-anchor=\"end\">{y_high}</text>\
         <text x=\"14\" y=\"{7}\" text-anchor=\"middle\" transform=\"rotate(-90 14 {7})\">{8}</text></svg>",
        left + all,
        left + all / 2.0,
        bottom + 18.0,
        names[0],
        left - 4.0,
        top + all,
        top + 10.0,
        top + all / 2.0,
        names[1]
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_lies_inside() {
        let dots: Vec<Dot> =
            (0..50).map(|i| Dot { x: f64::from(i), y: f64::from(i * i), class: "", name: format!("t{i}") }).collect();
        let axes = || (Axis::of("a", dots.iter().map(|d| d.x)), Axis::of("b", dots.iter().map(|d| d.y)));
        let svg = scatter("l", axes(), &dots, &[(0.0, 0.0), (49.0, 2401.0)], true);
        let numbers = |attribute: &str| -> Vec<f64> {
            svg.split(&format!("{attribute}=\"")).skip(1).filter_map(|s| s.split('"').next()?.parse().ok()).collect()
        };
        assert_eq!(numbers("cx").len(), 50);
        assert!(numbers("cx").iter().all(|x| (LEFT..=WIDTH).contains(x)));
        assert!(numbers("cy").iter().all(|y| (0.0..=HEIGHT - BOTTOM).contains(y)));
        // One value, none at all, and what is no number.
        for values in [vec![3.0], vec![], vec![f64::NAN, 1.0]] {
            let axis = Axis::of("x", values.iter().copied());
            assert!(axis.low < axis.high && axis.low.is_finite());
            assert!(histogram("l", ["x", "n"], &values, &[(2.0, "mark")]).contains("mark"));
        }
    }

    #[test]
    fn cells_hold_their_trials() {
        let ends = || [("0".to_string(), "1".to_string()), ("0".to_string(), "1".to_string())];
        let svg = heat(["a", "b"], ends(), &[(0.05, 0.05, 1.0), (0.05, 0.05, 3.0), (1.0, 1.0, 5.0)], Some((1.0, 1.0)));
        assert!(svg.contains("2 trials, mean score 2.0000") && svg.contains("1 trials, mean score 5.0000"), "{svg}");
        assert_eq!(svg.matches("class=\"none\"").count(), CELLS * CELLS - 2);
        assert!(heat(["a", "b"], ends(), &[], None).contains("class=\"none\""));
    }
}
