//! The quality report of an import, as it is shown, kept beside the snapshot, and read back.

use crate::data::{Contents, Oddity, Quality};
use assay_shared::market::SeriesSum;
use assay_shared::time::{format_ms, interval_text};
use serde::{Deserialize, Serialize};

/// One symbol of a report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeriesRow {
    /// Symbol.
    pub symbol: String,
    /// Opening time of its first bar, UTC.
    pub first: String,
    /// Opening time of its last bar, UTC.
    pub last: String,
    /// Bars.
    pub bars: u64,
    /// Fields that its source has.
    pub fields: Vec<String>,
    /// Funding settlements.
    pub settlements: u64,
}

impl SeriesRow {
    /// What is in a symbol's columns.
    pub fn of(s: &SeriesSum, interval_ms: i64) -> SeriesRow {
        SeriesRow {
            symbol: s.name.clone(),
            first: format_ms(s.first_ms),
            last: format_ms(s.first_ms + (s.bars as i64 - 1) * interval_ms),
            bars: s.bars,
            fields: s.names().into_iter().map(Into::into).collect(),
            settlements: s.settled.0,
        }
    }
}

/// A file that was not read, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NotUsed {
    /// Its path.
    pub file: String,
    /// Why.
    pub why: String,
}

/// What an import found, whatever becomes of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QualityReport {
    /// Where the data came from.
    pub source: String,
    /// True for data that were made up.
    pub generated: bool,
    /// Bar interval.
    pub interval: String,
    /// Opening time of the first bar of all, UTC.
    pub first: String,
    /// Opening time of the last one.
    pub last: String,
    /// Bars from the first to the last.
    pub bars: u64,
    /// The symbols.
    pub series: Vec<SeriesRow>,
    /// Interval of finer bars beside them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Bars whose path those show as a whole, and all bars.
    #[serde(default)]
    pub paths: (u64, u64),
    /// Everything found.
    pub findings: Vec<Oddity>,
    /// Files that were read.
    pub used: Vec<String>,
    /// Files that were not.
    pub unused: Vec<NotUsed>,
    /// What the rule book assumes.
    pub assumptions: Vec<String>,
    /// Treatments that were named and had nothing to treat.
    pub treatments_unused: Vec<String>,
}

impl QualityReport {
    /// The report of what was read, its files and assumptions apart.
    pub fn of(source: &str, contents: &Contents, quality: &Quality) -> QualityReport {
        let ((from, to), step) = (contents.span(), contents.interval_ms);
        QualityReport {
            source: source.into(),
            generated: contents.generated,
            interval: interval_text(step),
            first: format_ms(from),
            last: format_ms(to - step),
            bars: contents.bars(),
            series: contents.series.iter().map(|s| SeriesRow::of(s, step)).collect(),
            detail: contents.detail.as_ref().map(|finer| interval_text(finer.interval_ms)),
            paths: quality.paths,
            findings: quality.oddities.clone(),
            used: Vec::new(),
            unused: Vec::new(),
            assumptions: Vec::new(),
            treatments_unused: Vec::new(),
        }
    }

    /// Findings that no treatment covers.
    pub fn errors(&self) -> usize {
        self.findings.iter().filter(|f| f.error).count()
    }

    /// Whether a text is such a page.
    pub fn is_page(text: &str) -> bool {
        text.starts_with("<!doctype html>") && text.contains("<title>Data quality")
    }
}
