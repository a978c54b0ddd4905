//! A plan: the nodes of a bound strategy, each computed once, earlier ones first.

use super::op::{Binary, Memory, Unary};
use crate::indicator::Function;
use crate::market::Field;

/// Position of a node in its plan.
pub type Id = usize;

/// A node.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum Op {
    Const(f64),
    Column { symbol: usize, field: Field },
    Unary(Unary, Id),
    Binary(Binary, Id, Id),
    If(Id, Id, Id),
    Memory(Memory, Id),
    Ta { function: Function, options: Vec<f64>, inputs: Vec<Id> },
    Output(Id, usize),
}

impl Op {
    /// Tells the nodes that this one is computed from.
    pub(super) fn needs(&self, mut tell: impl FnMut(Id)) {
        match self {
            Op::Const(_) | Op::Column { .. } => {}
            Op::Unary(_, a) | Op::Memory(_, a) | Op::Output(a, _) => tell(*a),
            Op::Binary(_, a, b) => [*a, *b].into_iter().for_each(tell),
            Op::If(c, a, b) => [*c, *a, *b].into_iter().for_each(tell),
            Op::Ta { inputs, .. } => inputs.iter().copied().for_each(tell),
        }
    }
}

/// Nodes in an order in which each follows what it needs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// The nodes.
    pub ops: Vec<Op>,
}
