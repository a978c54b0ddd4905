//! Walk-forward windows.
//!
//! `tile`: the step is the out-of-sample length, so each bar is out of sample at most once and
//! the stitched equity has no hole. In-sample ends `purge_bars` before out-of-sample begins.

use crate::format::FormatError;
use crate::time::DAY_MS;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// The data is shorter than one fold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the data has {bars} bars, but one fold needs {needed} (warm-up, in-sample, purge, out-of-sample){}",
    in_vault(*.vault)
)]
pub struct TooShort {
    /// Bars there are.
    pub bars: usize,
    /// Bars that are needed.
    pub needed: usize,
    /// Bars of the vault, which are not to be had.
    pub vault: usize,
}

fn in_vault(bars: usize) -> String {
    if bars == 0 { String::new() } else { format!(" and the last {bars} bars are the vault (vault_days)") }
}

/// Days of the vault, of a study file that says nothing of its windows.
const VAULT_DAYS: u32 = 90;

/// How the data is cut.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Splits {
    /// The scheme.
    #[serde(default)]
    pub mode: Mode,
    /// Length of each in-sample window, days.
    #[serde(default = "in_sample")]
    pub in_sample_days: u32,
    /// Length of each out-of-sample window, days.
    #[serde(default = "out_of_sample")]
    pub out_of_sample_days: u32,
    /// Bars dropped between the two.
    #[serde(default)]
    pub purge_bars: u32,
    /// Bars at the start of the data that only warm indicators up.
    #[serde(default = "warmup")]
    pub warmup_bars: u32,
    /// Days at the end of the data that no trial sees; windows that are given without them have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault_days: Option<u32>,
}

fn in_sample() -> u32 {
    180
}

fn out_of_sample() -> u32 {
    90
}

fn warmup() -> u32 {
    480
}

impl Default for Splits {
    fn default() -> Splits {
        Splits {
            mode: Mode::Tile,
            in_sample_days: in_sample(),
            out_of_sample_days: out_of_sample(),
            purge_bars: 0,
            warmup_bars: warmup(),
            vault_days: Some(VAULT_DAYS),
        }
    }
}

/// Schemes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Windows of equal length, one step apart.
    #[default]
    Tile,
    /// In-sample always begins at the first bar.
    Anchored,
}

/// One fold: bars in sample and out of sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoldBars {
    /// In-sample bars.
    pub in_sample: Range<usize>,
    /// Out-of-sample bars.
    pub out_of_sample: Range<usize>,
}

/// Days are days, however long the bars are: as many bars as cover them.
fn bars_of(days: u32, interval_ms: i64) -> usize {
    (i64::from(days) * DAY_MS).unsigned_abs().div_ceil(interval_ms.unsigned_abs().max(1)) as usize
}

impl Splits {
    /// Checks the lengths.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn check(&self) -> Result<(), FormatError> {
        if self.in_sample_days == 0 || self.out_of_sample_days == 0 {
            return Err(FormatError::Wrong("in_sample_days and out_of_sample_days must be at least 1".into()));
        }
        Ok(())
    }

    /// Bars of each window out of sample.
    pub fn out_of_sample_bars(&self, interval_ms: i64) -> usize {
        bars_of(self.out_of_sample_days, interval_ms)
    }

    /// Bars of the vault: the last ones, which no trial sees.
    pub fn vault_bars(&self, interval_ms: i64) -> usize {
        bars_of(self.vault_days.unwrap_or(0), interval_ms)
    }

    /// How many folds so many bars hold.
    pub fn fold_count(&self, bars: usize, interval_ms: i64) -> usize {
        let is = bars_of(self.in_sample_days, interval_ms);
        let first = (self.warmup_bars as usize).saturating_add(is).saturating_add(self.purge_bars as usize);
        let seen = bars.saturating_sub(self.vault_bars(interval_ms));
        seen.saturating_sub(first) / self.out_of_sample_bars(interval_ms).max(1)
    }

    /// The folds of `bars` bars, the last one ending at the last bar before the vault.
    ///
    /// # Errors
    /// When not even one fold fits.
    pub fn folds(&self, bars: usize, interval_ms: i64) -> Result<Vec<FoldBars>, TooShort> {
        let (is, oos) = (bars_of(self.in_sample_days, interval_ms), self.out_of_sample_bars(interval_ms));
        let (purge, warmup) = (self.purge_bars as usize, self.warmup_bars as usize);
        let first = warmup + is + purge;
        let (all, vault) = (bars, self.vault_bars(interval_ms));
        let bars = bars.saturating_sub(vault);
        if bars < first + oos {
            return Err(TooShort { bars: all, needed: first + oos, vault });
        }
        let folds = (bars - first) / oos;
        // What does not fill a fold is left at the front, where data is oldest.
        let slack = (bars - first) % oos;
        let fold = |k: usize| {
            let start = slack + first + k * oos;
            let from = match self.mode {
                Mode::Tile => start - purge - is,
                Mode::Anchored => slack + warmup,
            };
            FoldBars { in_sample: from..start - purge, out_of_sample: start..start + oos }
        };
        Ok((0..folds).map(fold).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_each_bar_at_most_once() {
        for mode in [Mode::Tile, Mode::Anchored] {
            let s = Splits {
                mode,
                in_sample_days: 4,
                out_of_sample_days: 2,
                purge_bars: 3,
                warmup_bars: 5,
                vault_days: None,
            };
            let w = s.folds(24 * 20, 3_600_000).unwrap();
            assert_eq!(w.last().unwrap().out_of_sample.end, 480);
            for pair in w.windows(2) {
                assert_eq!(pair[0].out_of_sample.end, pair[1].out_of_sample.start);
            }
            for f in &w {
                assert_eq!(f.in_sample.end + 3, f.out_of_sample.start);
                assert!(mode == Mode::Anchored || f.in_sample.len() == 96);
                assert_eq!(f.out_of_sample.len(), 48);
            }
        }
        let s = Splits {
            in_sample_days: 30,
            out_of_sample_days: 10,
            warmup_bars: 0,
            vault_days: None,
            ..Splits::default()
        };
        for (hours, in_sample, out_of_sample) in
            [(1, 720, 240), (4, 180, 60), (7, 103, 35), (24, 30, 10), (72, 10, 4), (7 * 24, 5, 2)]
        {
            let fold = s.folds(2000, hours * 3_600_000).unwrap().remove(0);
            assert_eq!((fold.in_sample.len(), fold.out_of_sample.len()), (in_sample, out_of_sample), "{hours}h");
        }
        assert!(s.folds(100, 3_600_000).unwrap_err().to_string().contains("one fold needs 960"));
        // A vault takes its days from the end; the folds are those of data without them.
        let vault = Splits { vault_days: Some(7), ..s.clone() };
        assert_eq!(vault.folds(2000, 3_600_000), s.folds(2000 - 7 * 24, 3_600_000));
        assert_eq!(vault.fold_count(2000, 3_600_000), s.fold_count(2000 - 7 * 24, 3_600_000));
        let short = vault.folds(1000, 3_600_000).unwrap_err().to_string();
        assert!(short.contains("the last 168 bars are the vault"), "{short}");
    }
}
