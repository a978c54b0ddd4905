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

/// How a table contradicts itself.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[allow(missing_docs)]
pub enum BracketProblem {
    #[error("it is empty")]
    Empty,
    #[error("the first bracket must begin at 0 with amount 0")]
    Start,
    #[error("the bracket from {floor} is impossible")]
    Impossible { floor: f64 },
    #[error("the brackets at {floor} do not join, or do not tighten")]
    Join { floor: f64 },
    #[error("the amount at {floor} is {cum}, but continuity wants {wanted}")]
    Amount { floor: f64, cum: f64, wanted: f64 },
}

/// A checked table, lowest bracket first.
#[derive(Debug, Clone, PartialEq)]
pub struct Brackets(Vec<Bracket>);

impl Brackets {
    /// Checks a table: it begins at zero, has no gap, it tightens, and the maintenance margin
    /// is continuous (`cum_n = floor_n · (mmr_n − mmr_{n−1}) + cum_{n−1}`).
    ///
    /// # Errors
    /// The first contradiction.
    pub fn new(table: Vec<Bracket>) -> Result<Brackets, BracketProblem> {
        let first = table.first().ok_or(BracketProblem::Empty)?;
        if first.floor != 0.0 || first.cum != 0.0 {
            return Err(BracketProblem::Start);
        }
        for b in &table {
            let numbers = [b.floor, b.cap, b.max_leverage, b.mmr, b.cum];
            if numbers.iter().any(|v| !v.is_finite())
                || b.cap <= b.floor
                || !(0.0..1.0).contains(&b.mmr)
                || b.max_leverage < 1.0
            {
                return Err(BracketProblem::Impossible { floor: b.floor });
            }
        }
        for pair in table.windows(2) {
            let (a, b) = (&pair[0], &pair[1]);
            let cum = b.floor * (b.mmr - a.mmr) + a.cum;
            // A bracket may be there for its leverage alone.
            let tighter = b.mmr > a.mmr || b.mmr == a.mmr && b.max_leverage < a.max_leverage;
            if a.cap != b.floor || !tighter || b.max_leverage > a.max_leverage {
                return Err(BracketProblem::Join { floor: b.floor });
            }
            if (cum - b.cum).abs() > 1e-6 * cum.abs().max(1.0) {
                return Err(BracketProblem::Amount { floor: b.floor, cum: b.cum, wanted: cum });
            }
        }
        Ok(Brackets(table))
    }

    /// A table that allows no position.
    pub(super) fn nothing() -> Brackets {
        Brackets(vec![Bracket { floor: 0.0, cap: f64::MIN_POSITIVE, max_leverage: 1.0, mmr: 0.0, cum: 0.0 }])
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

/// The table that asks at every notional what the one of both asks that asks more: the higher maintenance margin,
/// and the lower leverage. Where one ends, it ends.
pub fn harsher(a: &[Bracket], b: &[Bracket]) -> Vec<Bracket> {
    let at = |table: &[Bracket], notional: f64| table.iter().find(|r| r.cap > notional).copied();
    let end = [a, b].map(|t| t.last().map_or(0.0, |r| r.cap)).into_iter().fold(f64::INFINITY, f64::min);
    let mut edges: Vec<f64> = a.iter().chain(b).map(|r| r.cap).filter(|cap| *cap <= end).collect();
    edges.sort_by(f64::total_cmp);
    edges.dedup();
    let (mut out, mut floor): (Vec<Bracket>, f64) = (Vec::new(), 0.0);
    let mut push = |line: Bracket, max_leverage: f64, floor: f64, cap: f64| match out.last_mut() {
        Some(last) if (last.mmr, last.cum, last.max_leverage) == (line.mmr, line.cum, max_leverage) => last.cap = cap,
        _ => out.push(Bracket { floor, cap, max_leverage, ..line }),
    };
    for cap in edges {
        let (Some(one), Some(other)) = (at(a, floor), at(b, floor)) else { break };
        let max_leverage = one.max_leverage.min(other.max_leverage);
        // Each margin is a line here; they may cross once.
        let cross = (one.cum - other.cum) / (one.mmr - other.mmr);
        let parts = if cross > floor && cross < cap { vec![cross, cap] } else { vec![cap] };
        for part in parts {
            let middle = floor.midpoint(part);
            let margin = |line: &Bracket| middle * line.mmr - line.cum;
            push(if margin(&one) >= margin(&other) { one } else { other }, max_leverage, floor, part);
            floor = part;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two() -> Vec<Bracket> {
        let first = Bracket { floor: 0.0, cap: 1000.0, max_leverage: 50.0, mmr: 0.01, cum: 0.0 };
        vec![first, Bracket { floor: 1000.0, cap: 9000.0, max_leverage: 20.0, mmr: 0.02, cum: 10.0 }]
    }

    #[test]
    fn each_contradiction_is_named() {
        assert!(Brackets::new(two()).is_ok());
        let of = |change: fn(&mut Vec<Bracket>)| {
            let mut table = two();
            change(&mut table);
            Brackets::new(table).unwrap_err()
        };
        assert_eq!(of(Vec::clear), BracketProblem::Empty);
        assert_eq!(of(|t| t[0].cum = 1.0), BracketProblem::Start);
        assert_eq!(of(|t| t[0].floor = -1.0), BracketProblem::Start);
        assert_eq!(of(|t| t[1].cap = 500.0), BracketProblem::Impossible { floor: 1000.0 });
        assert_eq!(of(|t| t[1].mmr = f64::NAN), BracketProblem::Impossible { floor: 1000.0 });
        assert_eq!(of(|t| t[1].max_leverage = 60.0), BracketProblem::Join { floor: 1000.0 });
        assert_eq!(of(|t| t[0].cap = 900.0), BracketProblem::Join { floor: 1000.0 });
        assert_eq!(of(|t| t[1].cum = 11.0), BracketProblem::Amount { floor: 1000.0, cum: 11.0, wanted: 10.0 });
        assert!(of(|t| t[1].cum = 11.0).to_string().contains("continuity wants 10"));
    }

    #[test]
    fn brackets_by_notional_and_leverage() {
        let b = Brackets::new(two()).unwrap();
        assert_eq!((b.of(999.9).mmr, b.of(1000.0).mmr, b.of(1e9).mmr), (0.01, 0.02, 0.02));
        assert_eq!((b.maintenance(1000.0), b.maintenance(500.0)), (10.0, 5.0));
        assert_eq!((b.max_notional(50.0), b.max_notional(20.0), b.max_notional(51.0)), (1000.0, 9000.0, 0.0));
        assert_eq!(b.table().len(), 2);
    }
}
