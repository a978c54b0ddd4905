//! What to download of one symbol's series: monthly files, and daily ones where there is no monthly one yet.

use std::collections::BTreeSet;
use std::fmt;

/// What the archive holds of a symbol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// Symbol.
    pub symbol: String,
    /// `klines`, `markPriceKlines` or `fundingRate`: a folder of the archive.
    pub kind: &'static str,
    /// Bar interval; funding has none.
    pub interval: Option<String>,
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.symbol, self.kind)
    }
}

impl Series {
    /// The series of some symbols: traded prices, marks and funding of each.
    pub fn of(symbols: &[String], interval: &str) -> Vec<Series> {
        let one = |symbol: &String, kind, interval: Option<&str>| Series {
            symbol: symbol.clone(),
            kind,
            interval: interval.map(Into::into),
        };
        let all = |s: &String| {
            [one(s, "klines", Some(interval)), one(s, "markPriceKlines", Some(interval)), one(s, "fundingRate", None)]
        };
        symbols.iter().flat_map(all).collect()
    }

    /// Its folder below the archive's address, with a slash at the end.
    pub fn folder(&self, period: &str) -> String {
        let interval = self.interval.as_ref().map(|i| format!("{i}/")).unwrap_or_default();
        format!("data/futures/um/{period}/{}/{}/{interval}", self.kind, self.symbol)
    }

    fn stem(&self) -> String {
        format!("{}-{}-", self.symbol, self.interval.as_deref().unwrap_or(self.kind))
    }

    /// The file of a month (`2024-01`) or of a day (`2024-01-31`).
    pub fn file(&self, date: &str) -> String {
        let period = if date.len() == 7 { "monthly" } else { "daily" };
        format!("{}{}{date}.zip", self.folder(period), self.stem())
    }

    /// The month or day of one of its files.
    pub fn date<'a>(&self, key: &'a str) -> Option<&'a str> {
        let name = key.rsplit('/').next()?;
        name.strip_prefix(self.stem().as_str())?.strip_suffix(".zip")
    }

    /// Whether the archive has daily files of it too: funding comes by the month alone.
    pub fn has_days(&self) -> bool {
        self.interval.is_some()
    }
}

/// Months that were asked for and are not had, in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absent {
    /// Of what.
    pub series: String,
    /// The first month.
    pub from: String,
    /// The last one.
    pub to: String,
    /// What is known of why.
    pub why: String,
}

impl fmt::Display for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: nothing of {}", self.series, self.from)?;
        if self.from != self.to {
            write!(f, " to {}", self.to)?;
        }
        write!(f, ", {}", self.why)
    }
}

/// `2024-01`, … from one month to another, both included.
pub fn months(from: &str, to: &str) -> Option<Vec<String>> {
    let parse = |t: &str| {
        let (y, m) = t.split_once('-').filter(|_| t.len() == 7)?;
        let (y, m): (i32, i32) = (y.parse().ok()?, m.parse().ok()?);
        ((2017..2100).contains(&y) && (1..=12).contains(&m)).then_some(y * 12 + m - 1)
    };
    let (a, b) = (parse(from)?, parse(to)?);
    (a <= b).then(|| (a..=b).map(|k| format!("{:04}-{:02}", k / 12, k % 12 + 1)).collect())
}

/// The dates to download: a month's file where there is one, else its days. `listed` is what the archive says
/// that it has, months and days.
pub fn dates(months: &[String], listed: &BTreeSet<String>) -> Vec<String> {
    let of = |month: &String| -> Vec<String> {
        if listed.contains(month) {
            return vec![month.clone()];
        }
        listed.iter().filter(|d| d.len() == 10 && d.starts_with(month.as_str())).cloned().collect()
    };
    months.iter().flat_map(of).collect()
}

/// The months that nothing is had of, in rows, each with what is known of why. `had` is what the archive has,
/// months and days, also of other months than the wanted ones.
pub fn absent(series: &Series, months: &[String], had: &BTreeSet<String>) -> Vec<Absent> {
    let missing = |month: &String| !had.iter().any(|d| d.starts_with(month.as_str()));
    let mut out = Vec::new();
    for row in months.chunk_by(|a, b| missing(a) == missing(b)).filter(|row| missing(&row[0])) {
        let (from, to) = (row[0].clone(), row[row.len() - 1].clone());
        let why = match (had.first(), had.last()) {
            (Some(first), _) if *first > to => format!("before its first file, of {first}"),
            (_, Some(last)) if *last < from => format!("after its last file, of {last}"),
            (Some(_), _) => "though there are files before and after".into(),
            _ => "and nothing of other months".into(),
        };
        out.push(Absent { series: series.to_string(), from, to, why });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(dates: &[&str]) -> BTreeSet<String> {
        dates.iter().map(|d| (*d).to_string()).collect()
    }

    #[test]
    fn months_in_a_row() {
        assert_eq!(months("2023-11", "2024-02").unwrap(), ["2023-11", "2023-12", "2024-01", "2024-02"]);
        let none = [("2024-02", "2024-01"), ("2024-13", "2024-14"), ("24-01", "24-02"), ("x", "y"), ("2024", "2024")];
        for (from, to) in none.into_iter().chain([("2024-1", "2024-02"), ("2024-01", "2024-02-01")]) {
            assert_eq!(months(from, to), None, "{from} {to}");
        }
    }

    /// A month that has no file yet is made of its days; what is before, between and behind is told apart.
    #[test]
    fn days_where_there_is_no_month() {
        let wanted = months("2023-11", "2024-05").unwrap();
        let listed = set(&["2024-01", "2024-01-05", "2024-03", "2024-04-01", "2024-04-02"]);
        assert_eq!(dates(&wanted, &listed), ["2024-01", "2024-03", "2024-04-01", "2024-04-02"]);
        let series = Series::of(&["AUSDT".into()], "1h").remove(0);
        let told: Vec<String> = absent(&series, &wanted, &listed).iter().map(Absent::to_string).collect();
        let right = [
            "AUSDT klines: nothing of 2023-11 to 2023-12, before its first file, of 2024-01",
            "AUSDT klines: nothing of 2024-02, though there are files before and after",
            "AUSDT klines: nothing of 2024-05, after its last file, of 2024-04-02",
        ];
        assert_eq!(told, right);
        assert!(absent(&series, &wanted[2..3], &listed).is_empty());
        assert!(absent(&series, &wanted, &set(&[]))[0].to_string().contains("nothing of other months"));
    }

    /// A file's path is read back, and belongs to no other series.
    #[test]
    fn names_are_read_back() {
        let all = Series::of(&["AUSDT".into(), "币安USDT".into()], "1h");
        for (i, s) in all.iter().enumerate() {
            for date in ["2024-01", "2024-01-31"] {
                for (k, other) in all.iter().enumerate().filter(|(_, o)| o.interval.is_some() == s.interval.is_some()) {
                    let mine = s.symbol == other.symbol;
                    assert_eq!(other.date(&s.file(date)), mine.then_some(date), "{i} {k}");
                }
            }
        }
    }
}
