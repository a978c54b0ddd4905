//! Functions of two values that remember earlier bars.

use super::stat::Paired;
use std::collections::VecDeque;

/// A function of two values that remembers earlier bars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pair {
    /// A figure of the last `n` pairs, the first on the second.
    Figure(Paired, usize),
    /// The second value on the bar, `n` times before the last one, on which the first was true.
    ValueWhen(usize),
    /// True from the first on until the second is true.
    Latch,
    /// The first value so many bars ago as the second says, from 0 to a limit; else unknown.
    At(usize),
    /// A state: its start until that is known, then what comes next; what is not known keeps it.
    State,
}

/// A state's value from the last one, its start and what comes next.
#[inline(always)]
pub(super) fn state(last: f64, start: f64, next: f64) -> f64 {
    let value = if last.is_nan() { start } else { next };
    if value.is_nan() { last } else { value }
}

/// The running state of a [`Pair`].
#[derive(Debug, Clone)]
pub struct PairState {
    kind: Pair,
    known: usize,
    queue: VecDeque<(f64, f64)>,
    last: f64,
}

impl PairState {
    /// Nothing seen yet.
    pub fn new(kind: Pair) -> PairState {
        let last = if kind == Pair::Latch { 0.0 } else { f64::NAN };
        PairState { kind, known: 0, queue: VecDeque::new(), last }
    }

    /// Takes this bar's values and gives the function's.
    pub fn push(&mut self, a: f64, b: f64) -> f64 {
        match self.kind {
            Pair::Figure(figure, n) => {
                self.known = if a.is_nan() || b.is_nan() { 0 } else { self.known + 1 };
                self.keep((a, b), n);
                if self.known < n {
                    return f64::NAN;
                }
                figure.of(self.queue.iter().map(|p| p.0), self.queue.iter().map(|p| p.1))
            }
            Pair::ValueWhen(n) => {
                if a == 1.0 {
                    self.keep((a, b), n + 1);
                }
                if self.queue.len() > n { self.queue[0].1 } else { f64::NAN }
            }
            Pair::Latch => {
                self.last = if b == 1.0 {
                    0.0
                } else if a == 1.0 {
                    1.0
                } else {
                    self.last
                };
                self.last
            }
            Pair::At(limit) => {
                self.keep((a, b), limit + 1);
                if b.trunc() != b || !(0.0..self.queue.len() as f64).contains(&b) {
                    return f64::NAN;
                }
                self.queue[self.queue.len() - 1 - b as usize].0
            }
            Pair::State => {
                self.last = state(self.last, a, b);
                self.last
            }
        }
    }

    fn keep(&mut self, pair: (f64, f64), most: usize) {
        self.queue.push_back(pair);
        if self.queue.len() > most {
            self.queue.pop_front();
        }
    }
}
