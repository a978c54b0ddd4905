//! The rows of one symbol's files as one series in order of time. Every oddity of a row is a finding with
//! its file, line and time.

use super::quality::{Place, Quality};
use super::rows::Kline;
use super::treat::Treatments;
use assay_shared::time::{format_ms, interval_text};
use std::collections::BTreeMap;

/// What a series is made for.
pub(super) struct Making<'a> {
    /// Its symbol.
    pub(super) symbol: &'a str,
    /// What it holds, for findings: nothing for traded prices, or `mark`.
    pub(super) kind: &'a str,
    /// Milliseconds between bars.
    pub(super) step: i64,
    /// How findings are treated.
    pub(super) treatments: &'a Treatments,
}

/// Findings of one code and way that follow each other, as one with a count.
struct Group {
    count: usize,
    first: String,
    from: i64,
    to: i64,
}

type Groups = BTreeMap<(&'static str, Option<&'static str>), Group>;

fn note(groups: &mut Groups, code: &'static str, way: Option<&'static str>, ms: i64, detail: String) {
    let group = groups.entry((code, way)).or_insert_with(|| Group { count: 0, first: detail, from: ms, to: ms });
    group.count += 1;
    (group.from, group.to) = (group.from.min(ms), group.to.max(ms));
}

/// A series that is being made, file by file.
#[derive(Default)]
pub(super) struct Made {
    rows: Vec<Kline>,
    names: Vec<String>,
    groups: Groups,
}

/// Bars in a row that may be a spike.
const SPIKE: usize = 3;
/// How many times the prices around it, or one by so many, a spike is beyond them.
const FAR: f64 = 1.5;

/// Whether so many bars are far from both their neighbours, which are not far from each other.
fn is_spike(rows: &[Kline], at: usize, many: usize) -> bool {
    let Some(after) = rows.get(at + many) else { return false };
    let (before, after) = (rows[at - 1].prices[3], after.prices[0]);
    let (least, most) = (before.min(after), before.max(after));
    let far = |row: &Kline| {
        let [_, high, low, _] = row.prices;
        if low > most { low > FAR * most } else { high * FAR < least }
    };
    most < FAR * least && rows[at..at + many].iter().all(far)
}

impl Making<'_> {
    fn way(&self, code: &str, ms: i64) -> Option<&'static str> {
        self.treatments.of(code, self.symbol, ms).map(|t| t.way)
    }

    /// Takes the bars of a file over. Rows are many: no file's are kept beside the series.
    pub(super) fn take(&self, to: &mut Made, name: String, rows: Vec<Kline>) {
        let (mut before, file) = (i64::MIN, to.names.len() as u32);
        for row in rows {
            if let Some(kept) = self.row(&name, &row, &mut before, &mut to.groups) {
                to.rows.push(Kline { file, ..kept });
            }
        }
        to.names.push(name);
    }

    /// The bars of all files in order of time and without a repeated one.
    pub(super) fn series(&self, made: Made, quality: &mut Quality) -> Vec<Kline> {
        let Made { rows: mut out, names, mut groups } = made;
        if !out.is_sorted_by_key(|row| row.ms) {
            // Stable: of rows with one time the first file's comes first.
            out.sort_by_key(|row| row.ms);
        }
        let repeated = self.merge(&names, &mut out, &mut groups);
        if let Some((first, from, to, count)) = repeated {
            let more = if count > 1 { format!(", and {} more", count - 1) } else { String::new() };
            let place = Place { symbol: self.symbol, from, to };
            quality.note("repeated", &place, format!("{first} stands more than once in its file, counted once{more}"));
        }
        self.spikes(&names, &mut out, &mut groups);
        for ((code, way), group) in groups {
            let more = if group.count > 1 { format!(", and {} more", group.count - 1) } else { String::new() };
            let kind = if self.kind.is_empty() { String::new() } else { format!("{} ", self.kind) };
            let place = Place { symbol: self.symbol, from: group.from, to: group.to };
            quality.problem(code, &place, format!("{kind}{}{more}", group.first), way);
        }
        out
    }

    /// Bars of which no price is anywhere near those before and after them, which agree: a digit too many or too few, or
    /// another contract's. Trading is continuous: no price goes so far between a close and the next open, and comes back.
    fn spikes(&self, names: &[String], rows: &mut Vec<Kline>, groups: &mut Groups) {
        let mut left_out = Vec::new();
        let mut at = 1;
        while at + 1 < rows.len() {
            let Some(many) = (1..=SPIKE).find(|many| is_spike(rows, at, *many)) else {
                at += 1;
                continue;
            };
            for (i, row) in rows.iter().enumerate().skip(at).take(many) {
                let way = self.way("spike", row.ms);
                let ([open, high, low, close], before) = (row.prices, rows[at - 1].prices[3]);
                let name = names.get(row.file as usize).map(String::as_str).unwrap_or_default();
                let time = format_ms(row.ms);
                let what = format!(
                    "{name}:{}: {time} open {open} high {high} low {low} close {close} is far from {before} before it and \
                     from what follows",
                    row.line
                );
                note(groups, "spike", way, row.ms, what);
                left_out.extend((way == Some("drop")).then_some(i));
            }
            at += many;
        }
        let mut i = 0;
        rows.retain(|_| {
            i += 1;
            left_out.binary_search(&(i - 1)).is_err()
        });
    }

    /// A row as it is taken, or nothing when it is left out.
    fn row(&self, name: &str, row: &Kline, before: &mut i64, groups: &mut Groups) -> Option<Kline> {
        let at = |what: String| format!("{name}:{}: {} {what}", row.line, format_ms(row.ms));
        let (mut row, opened) = (*row, row.ms);
        if row.ms < *before {
            let detail = at(format!("stands after {}", format_ms(*before)));
            note(groups, "disordered", self.way("disordered", row.ms), row.ms, detail);
        }
        *before = row.ms;
        if row.ms.rem_euclid(self.step) != 0 {
            let way = self.way("off-grid", row.ms);
            note(groups, "off-grid", way, row.ms, at(format!("is not on the {} grid", interval_text(self.step))));
            match way {
                Some("snap") => row.ms = row.ms.div_euclid(self.step) * self.step,
                _ => return None,
            }
        }
        let [open, high, low, close] = row.prices;
        // No hour of any contract went so far: a digit too many.
        let blank = row.prices.iter().any(|p| !p.is_finite());
        if blank
            || high > low * 1000.0
            || low <= 0.0
            || low > open.min(close)
            || high < open.max(close)
            || row.volume < 0.0
        {
            let way = self.way("impossible-bar", row.ms);
            let what = format!("open {open} high {high} low {low} close {close} volume {}", row.volume);
            note(groups, "impossible-bar", way, row.ms, at(what));
            if way.is_some() {
                return None;
            }
        }
        // The exchange's bars close a millisecond before the next one opens; others write that very time.
        let closes = row.close_ms.map(|close| close - opened);
        if closes.is_some_and(|length| !(self.step - 1000..=self.step).contains(&length)) {
            let length = closes.unwrap_or_default() + 1;
            let what = format!("closes after {} minutes, not {}", length / 60_000, interval_text(self.step));
            note(groups, "wrong-close", self.way("wrong-close", row.ms), row.ms, at(what));
        }
        Some(row)
    }

    /// One row for each time: equal ones are one, others contradict each other. Gives those that one file has more than
    /// once: which is the first, the times of the first and the last, and how many. (Files may overlap.)
    fn merge(&self, names: &[String], rows: &mut Vec<Kline>, groups: &mut Groups) -> Option<(String, i64, i64, usize)> {
        let mut repeated: Option<(String, i64, i64, usize)> = None;
        rows.dedup_by(|row, stands| {
            if stands.ms != row.ms {
                return false;
            }
            let same = |a: f64, b: f64| a == b || a.is_nan() && b.is_nan();
            let place = |r: &Kline| {
                format!("{}:{}", names.get(r.file as usize).map(String::as_str).unwrap_or_default(), r.line)
            };
            if stands.prices == row.prices && same(stands.volume, row.volume) {
                if stands.file == row.file {
                    let first = || (format!("{}: {}", place(row), format_ms(row.ms)), row.ms, row.ms, 0);
                    let found = repeated.get_or_insert_with(first);
                    (found.2, found.3) = (row.ms, found.3 + 1);
                }
                return true;
            }
            let way = self.way("contradiction", row.ms);
            let (first, second) = (place(stands), place(row));
            let detail = format!("{first} and {second}: {} stands twice, with different values", format_ms(row.ms));
            note(groups, "contradiction", way, row.ms, detail);
            if way == Some("last") {
                *stands = *row;
            }
            true
        });
        repeated
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    const HOUR: i64 = 3_600_000;

    fn bar(hour: i64, close: f64) -> Kline {
        Kline {
            ms: hour * HOUR,
            prices: [1.0, 9.0, 0.5, close],
            volume: 1.0,
            close_ms: None,
            line: hour as u32 + 1,
            file: 0,
        }
    }

    fn made(rows: &[(&str, Vec<Kline>)], treatments: &[&str]) -> (Vec<Kline>, Vec<(&'static str, bool, String)>) {
        let treatments = Treatments::parse(treatments.iter().copied()).unwrap();
        let making = Making { symbol: "A", kind: "", step: HOUR, treatments: &treatments };
        let mut quality = Quality::default();
        let mut files = Made::default();
        rows.iter().for_each(|(name, rows)| making.take(&mut files, (*name).to_string(), rows.clone()));
        let out = making.series(files, &mut quality);
        (out, quality.oddities.into_iter().map(|o| (o.found(), o.error, o.detail)).collect())
    }

    /// Identical rows of daily and monthly files are no finding; rows that differ are one of their own kind.
    #[test]
    fn the_same_twice_and_a_contradiction() {
        let month: Vec<Kline> = (0..24).map(|h| bar(h, 1.0)).collect();
        let (out, found) = made(&[("month", month.clone()), ("day", month[20..].to_vec())], &[]);
        assert_eq!((out.len(), found.len()), (24, 0));
        // Of one file they are worth a word.
        let (out, found) = made(&[("month", [&month[..], &month[3..6]].concat())], &["disordered=sort"]);
        let repeated = found.iter().find(|f| f.0 == "repeated").unwrap();
        assert!(out.len() == 24 && !repeated.1 && repeated.2.ends_with("counted once, and 2 more"), "{found:?}");
        let other = vec![bar(20, 2.0), bar(21, 1.0)];
        let files = [("month", month), ("day", other)];
        let (_, found) = made(&files, &[]);
        assert!(found[0].0 == "contradiction" && found[0].1 && found[0].2.contains("month:21 and day:21"), "{found:?}");
        assert_eq!(made(&files, &["contradiction=first"]).0[20].prices[3], 1.0);
        assert_eq!(made(&files, &["contradiction=last"]).0[20].prices[3], 2.0);
    }

    /// A bar that is far from both its neighbours is no price; a fall that stays is one, and so is a wick.
    #[test]
    fn a_digit_too_many() {
        let rows = |odd: &[(usize, f64)]| -> Vec<Kline> {
            let mut rows: Vec<Kline> =
                (0..30).map(|h| Kline { prices: [10.0, 11.0, 9.0, 10.0], ..bar(h, 10.0) }).collect();
            odd.iter().for_each(|(at, by)| rows[*at].prices.iter_mut().for_each(|p| *p *= by));
            rows
        };
        for odd in [vec![(7, 10.0)], vec![(7, 0.1)], vec![(7, 10.0), (8, 10.0), (9, 10.0)], vec![(4, 0.1), (20, 1.8)]] {
            let (out, found) = made(&[("a", rows(&odd))], &[]);
            assert!(out.len() == 30 && found[0].0 == "spike" && found[0].1, "{found:?}");
            assert!(found[0].2.starts_with("a:") && found[0].2.contains("far from 10 before it"), "{found:?}");
            let (out, found) = made(&[("a", rows(&odd))], &["spike=drop"]);
            assert_eq!((out.len(), found[0].1), (30 - odd.len(), false));
            assert!(out.iter().all(|row| row.prices[3] == 10.0));
            assert_eq!(made(&[("a", rows(&odd))], &["spike=keep"]).0.len(), 30);
        }
        let falls: Vec<(usize, f64)> = (10..30).map(|at| (at, 0.4)).collect();
        for (calm, prices) in
            [(rows(&falls), None), (rows(&[(0, 10.0), (29, 0.1)]), None), (rows(&[]), Some([10.0, 90.0, 2.0, 10.0]))]
        {
            let mut calm = calm;
            prices.into_iter().for_each(|p| calm[12].prices = p);
            assert!(made(&[("a", calm)], &[]).1.is_empty());
        }
    }

    #[test]
    fn order_grid_and_closing_times() {
        let mut rows = vec![bar(2, 1.0), bar(1, 1.0), bar(0, 1.0)];
        let (out, found) = made(&[("a", rows.clone())], &["disordered=sort"]);
        assert_eq!((out[0].ms, found[0].0, found[0].1), (0, "disordered", false));
        assert!(found[0].2.ends_with(", and 1 more"), "{}", found[0].2);
        rows.reverse();
        rows[2].ms += 14_800;
        let files = [("a", rows.clone())];
        assert!(made(&files, &[]).1[0].1, "an error");
        assert_eq!(made(&files, &["off-grid=drop"]).0.len(), 2);
        assert_eq!(made(&files, &["off-grid=snap"]).0[2].ms, 2 * HOUR);
        rows[2] = Kline { close_ms: Some(6 * HOUR - 1), ..bar(2, 1.0) };
        rows[1].close_ms = Some(2 * HOUR - 1);
        let (_, found) = made(&[("a", rows)], &[]);
        assert!(found.len() == 1 && found[0].0 == "wrong-close" && found[0].2.contains("240 minutes"), "{found:?}");
    }

    proptest! {
        /// Whatever rows come in: what comes out is in order, on the grid, once each, and made of them.
        #[test]
        fn any_rows(hours in proptest::collection::vec((0i64..50, any::<f64>()), 0..60), last: bool) {
            let rows: Vec<Kline> = hours.iter().map(|(h, close)| bar(*h, *close)).collect();
            let way = if last { "contradiction=last" } else { "contradiction=first" };
            let (out, _) = made(&[("a", rows.clone())], &["disordered=sort", "impossible-bar=drop", way]);
            prop_assert!(out.windows(2).all(|w| w[0].ms < w[1].ms));
            for row in &out {
                prop_assert!(row.prices[2] <= row.prices[3] && row.prices[3] <= row.prices[1]);
                let good = |r: &&Kline| r.ms == row.ms && (0.5..=9.0).contains(&r.prices[3]);
                let of = if last { rows.iter().rfind(good) } else { rows.iter().find(good) };
                prop_assert_eq!(of.map(|r| r.prices[3]), Some(row.prices[3]));
            }
        }
    }
}
