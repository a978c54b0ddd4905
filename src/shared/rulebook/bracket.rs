//! Maintenance-margin brackets by notional.
//!
//! Source: Binance USD-M leverage and margin tables; `cum` is Binance's maintenance amount.

use serde::{Deserialize, Serialize};

/// One bracket: notionals in `floor..cap` USDT.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bracket {
    /// Lowest notional, USDT.
    pub floor: f64,
    /// Notional at which the next bracket begins, USDT.
    pub cap: f64,
    /// Highest leverage allowed.
    pub max_leverage: f64,
    /// Maintenance margin rate, a fraction.
    pub mmr: f64,
    /// Maintenance amount, USDT: keeps the maintenance margin continuous.
    pub cum: f64,
}

/// A checked table, lowest bracket first.
#[derive(Debug, Clone, PartialEq)]
pub struct Brackets(Vec<Bracket>);

impl Brackets {
    /// Checks a table: it begins at zero, has no gap, its rates rise, and the maintenance margin
    /// is continuous (`cum_n = floor_n · (mmr_n − mmr_{n−1}) + cum_{n−1}`).
    ///
    /// # Errors
    /// The first contradiction, in words.
    pub fn new(table: Vec<Bracket>) -> Result<Brackets, String> {
        let first = table.first().ok_or("it is empty")?;
        if first.floor != 0.0 || first.cum != 0.0 {
            return Err("the first bracket must begin at 0 with amount 0".into());
        }
        for b in &table {
            let numbers = [b.floor, b.cap, b.max_leverage, b.mmr, b.cum];
            if numbers.iter().any(|v| !v.is_finite())
                || b.cap <= b.floor
                || !(0.0..1.0).contains(&b.mmr)
                || b.max_leverage < 1.0
            {
                return Err(format!("the bracket from {} is impossible", b.floor));
            }
        }
        for pair in table.windows(2) {
            let (a, b) = (&pair[0], &pair[1]);
            let cum = b.floor * (b.mmr - a.mmr) + a.cum;
            if a.cap != b.floor || b.mmr <= a.mmr || b.max_leverage > a.max_leverage {
                return Err(format!("the brackets at {} do not join, or do not tighten", b.floor));
            }
            if (cum - b.cum).abs() > 1e-6 * cum.abs().max(1.0) {
                return Err(format!("the amount at {} is {}, but continuity wants {cum}", b.floor, b.cum));
            }
        }
        Ok(Brackets(table))
    }

    /// The brackets.
    pub fn table(&self) -> &[Bracket] {
        &self.0
    }

    /// The bracket of a notional; beyond the last cap, the last one.
    pub fn of(&self, notional: f64) -> &Bracket {
        let at = self.0.partition_point(|b| b.cap <= notional);
        &self.0[at.min(self.0.len() - 1)]
    }

    /// Maintenance margin of a notional, USDT.
    pub fn maintenance(&self, notional: f64) -> f64 {
        let b = self.of(notional);
        notional * b.mmr - b.cum
    }

    /// The largest notional that may be opened at a leverage, USDT; zero if none.
    pub fn max_notional(&self, leverage: f64) -> f64 {
        self.0.iter().filter(|b| b.max_leverage >= leverage).map(|b| b.cap).fold(0.0, f64::max)
    }
}
