//! Where a strategy with rules need not be asked.

use super::plan::Id;
use crate::account::coast::Concerns;
use crate::market::course::{Bits, next_of};

/// The bars at whose close something may be asked for.
#[derive(Debug, Clone)]
pub(super) enum May {
    Always,
    At(Bits),
}

impl May {
    pub(super) fn or(self, other: May) -> May {
        match (self, other) {
            (May::At(a), May::At(b)) => May::At(Bits(a.0.iter().zip(&b.0).map(|(a, b)| a | b).collect())),
            _ => May::Always,
        }
    }

    pub(super) fn and(self, other: May) -> May {
        match (self, other) {
            (May::At(a), May::At(b)) => May::At(Bits(a.0.iter().zip(&b.0).map(|(a, b)| a & b).collect())),
            (May::Always, one) | (one, May::Always) => one,
        }
    }
}

/// Where a strategy need not be asked.
#[derive(Debug, Clone)]
pub struct Quiet {
    /// For each symbol where something may be asked for while it is flat, long, short.
    pub(super) may: Vec<[May; 3]>,
    /// For each node that waits and remembers, what it is computed from is while its symbol is flat.
    pub(super) flat: Vec<Option<Vec<(Id, f64)>>>,
}

impl Quiet {
    /// What a node that remembers sees while its symbol is flat, by its number among those that wait.
    pub(super) fn flat(&self, k: usize) -> Option<&[(Id, f64)]> {
        self.flat.get(k)?.as_deref()
    }

    /// Whether a symbol with a position of this side (0 for none) may ask for something at a close.
    pub fn asks(&self, symbol: usize, side: f64, bar: usize) -> bool {
        self.next(symbol, side, bar, bar + 1) == bar
    }
}

impl Concerns for Quiet {
    fn next(&self, symbol: usize, side: f64, from: usize, to: usize) -> usize {
        let [flat, long, short] = &self.may[symbol];
        match if side == 0.0 {
            flat
        } else if side > 0.0 {
            long
        } else {
            short
        } {
            May::Always => from,
            May::At(bits) => next_of(from, to, |w| bits.0.get(w).copied().unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_asked_for() {
        let at = |bars: &[usize]| May::At(Bits::of(100, |t| bars.contains(&t)));
        let places = |may: May| match may {
            May::Always => None,
            May::At(bits) => Some((0..100).filter(|t| bits.at(*t)).collect::<Vec<_>>()),
        };
        assert_eq!(places(at(&[3, 70]).or(at(&[4]))), Some(vec![3, 4, 70]));
        assert_eq!(places(at(&[3, 70]).and(at(&[70, 99]))), Some(vec![70]));
        assert_eq!(places(May::Always.and(at(&[5]))), Some(vec![5]));
        assert_eq!(places(at(&[5]).or(May::Always)), None);
        let flat = vec![None, Some(vec![(7, 0.0)])];
        let quiet = Quiet { may: vec![[at(&[70]), May::Always, at(&[])]], flat };
        assert_eq!([0.0, 1.0, -1.0].map(|side| quiet.next(0, side, 5, 100)), [70, 5, 100]);
        assert!(
            quiet.asks(0, 0.0, 70) && !quiet.asks(0, 0.0, 71) && quiet.asks(0, 1.0, 71) && !quiet.asks(0, -1.0, 70)
        );
        assert_eq!((quiet.flat(0), quiet.flat(1), quiet.flat(2)), (None, Some(&[(7, 0.0)][..]), None));
    }
}
