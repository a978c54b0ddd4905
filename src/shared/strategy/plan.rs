//! A plan: the nodes of a bound strategy, each computed once, earlier ones first.

use super::clock::Calendar;
use super::op::{Binary, Memory, Unary};
use super::pair::Pair;
use super::seen::Seen;
use crate::indicator::Function;
use crate::market::Field;

/// Position of a node in its plan.
pub type Id = usize;

/// What is made of the values of several symbols. Those that are not known are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Across {
    Sum,
    Mean,
    Median,
    Min,
    Max,
    Count,
    /// The place of the symbol with this number among the inputs: 1 is the highest, ties in the order of symbols.
    Rank(usize),
}

/// A node.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum Op {
    Const(f64),
    /// A field of a bar of the node's clock.
    Column {
        symbol: usize,
        field: Field,
    },
    Calendar(Calendar),
    Unary(Unary, Id),
    Binary(Binary, Id, Id),
    If(Id, Id, Id),
    Memory(Memory, Id),
    Pair(Pair, Id, Id),
    Ta {
        function: Function,
        options: Vec<f64>,
        inputs: Vec<Id>,
    },
    Output(Id, usize),
    /// What the node of a slot was on the bar before: circles go through here.
    Back(usize),
    /// The value of a node of another clock, since its last close.
    Held(Id),
    Across(Across, Vec<Id>),
    /// What an account shows of a symbol.
    Seen(Seen, usize),
    /// What the node of a slot was on the bar before, of what belongs to a position.
    Recalled(usize),
    /// What belongs to a symbol's position: its start, and what comes next.
    Born(usize, Id, Id),
}

impl Op {
    /// Tells the nodes that this one is computed from, on the same bar.
    pub(super) fn needs(&self, mut tell: impl FnMut(Id)) {
        match self {
            Op::Const(_) | Op::Column { .. } | Op::Calendar(_) | Op::Back(_) | Op::Seen(..) | Op::Recalled(_) => {}
            Op::Unary(_, a) | Op::Memory(_, a) | Op::Output(a, _) | Op::Held(a) => tell(*a),
            Op::Binary(_, a, b) | Op::Pair(_, a, b) | Op::Born(_, a, b) => [*a, *b].into_iter().for_each(tell),
            Op::If(c, a, b) => [*c, *a, *b].into_iter().for_each(tell),
            Op::Ta { inputs, .. } | Op::Across(_, inputs) => inputs.iter().copied().for_each(tell),
        }
    }
}

/// Nodes in an order in which each follows what it needs on its bar.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// The nodes.
    pub ops: Vec<Op>,
    /// The clock of each, by its number.
    pub clock_of: Vec<u8>,
    /// Milliseconds of a bar of each clock; the first one is that of the data.
    pub clocks: Vec<i64>,
    /// For each slot the node whose value it gives on the next bar.
    pub slots: Vec<Id>,
    /// The same for what belongs to a symbol's position.
    pub recalled: Vec<(usize, Id)>,
    /// Whether a node depends on what the account shows: it is computed when that is known.
    pub account: Vec<bool>,
    /// Whether a node depends on a parameter: other values make it another one.
    pub varies: Vec<bool>,
}

impl Plan {
    /// Whether a node waits for the account.
    pub fn waits(&self, id: Id) -> bool {
        self.account.get(id).copied().unwrap_or(false)
    }
}

impl Across {
    /// Numbers of its own.
    pub(super) fn key(self) -> [u64; 2] {
        match self {
            Across::Sum => [0, 0],
            Across::Mean => [1, 0],
            Across::Median => [2, 0],
            Across::Min => [3, 0],
            Across::Max => [4, 0],
            Across::Count => [5, 0],
            Across::Rank(at) => [6, at as u64],
        }
    }

    /// Of the values of several symbols, in their order.
    pub fn of(self, values: impl ExactSizeIterator<Item = f64> + Clone) -> f64 {
        let known = values.clone().filter(|v| !v.is_nan());
        let count = known.clone().count();
        match self {
            Across::Count => count as f64,
            _ if count == 0 => f64::NAN,
            Across::Sum => known.sum(),
            Across::Mean => known.sum::<f64>() / count as f64,
            Across::Median => {
                let mut sorted: Vec<f64> = known.collect();
                sorted.sort_by(f64::total_cmp);
                (sorted[(count - 1) / 2] + sorted[count / 2]) / 2.0
            }
            Across::Min => known.fold(f64::INFINITY, f64::min),
            Across::Max => known.fold(f64::NEG_INFINITY, f64::max),
            Across::Rank(at) => {
                let own = values.clone().nth(at).unwrap_or(f64::NAN);
                if own.is_nan() {
                    return f64::NAN;
                }
                let before = |(i, v): (usize, f64)| v > own || v == own && i < at;
                1.0 + values.enumerate().filter(|p| before(*p)).count() as f64
            }
        }
    }
}
