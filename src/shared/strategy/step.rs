//! One node on one bar: the very function of both evaluations.

use super::op::{MemoryState, choose};
use super::pair::PairState;
use super::plan::{Id, Op};
use crate::indicator::{IndicatorError, Running};

/// What a node remembers.
pub(super) enum State {
    None,
    Memory(MemoryState),
    Pair(PairState),
    Ta { running: Box<Running>, out: Vec<f64>, inputs: Vec<f64> },
}

impl State {
    /// Of a node that has seen nothing yet.
    ///
    /// # Errors
    /// An indicator whose options are out of range.
    pub(super) fn of(op: &Op) -> Result<State, IndicatorError> {
        Ok(match op {
            Op::Memory(kind, _) => State::Memory(MemoryState::new(*kind)),
            Op::Pair(kind, ..) => State::Pair(PairState::new(*kind)),
            Op::Ta { function, options, inputs } => State::Ta {
                running: Box::new(Running::new(*function, options)?),
                out: vec![f64::NAN; function.outputs().len()],
                inputs: vec![f64::NAN; inputs.len()],
            },
            _ => State::None,
        })
    }

    /// The same again. Functions of TA-Lib never wait for an account.
    ///
    /// # Errors
    /// An indicator whose options are out of range.
    pub(super) fn copy(&self, op: &Op) -> Result<State, IndicatorError> {
        Ok(match self {
            State::None => State::None,
            State::Memory(state) => State::Memory(state.clone()),
            State::Pair(state) => State::Pair(state.clone()),
            State::Ta { .. } => State::of(op)?,
        })
    }

    /// An output of a function with several.
    pub(super) fn output(&self, k: usize) -> f64 {
        match self {
            State::Ta { out, .. } => out.get(k).copied().unwrap_or(f64::NAN),
            _ => f64::NAN,
        }
    }
}

/// Computes a node from the values of those that it needs. Columns, the calendar, slots, what is held from another
/// clock and further outputs are whoever asks to give.
///
/// # Errors
/// An indicator that refuses its input.
#[inline]
pub(super) fn step(op: &Op, state: &mut State, at: impl Fn(Id) -> f64) -> Result<f64, IndicatorError> {
    Ok(match (op, state) {
        (Op::Const(v), _) => *v,
        (Op::Unary(op, a), _) => op.apply(at(*a)),
        (Op::Binary(op, a, b), _) => op.apply(at(*a), at(*b)),
        (Op::If(c, a, b), _) => choose(at(*c), at(*a), at(*b)),
        (Op::Memory(_, a), State::Memory(state)) => state.push(at(*a)),
        (Op::Pair(_, a, b), State::Pair(state)) => state.push(at(*a), at(*b)),
        (Op::Across(across, ids), _) => across.of(ids.iter().map(|id| at(*id))),
        (Op::Ta { inputs: ids, .. }, State::Ta { running, out, inputs }) => {
            for (place, id) in inputs.iter_mut().zip(ids) {
                *place = at(*id);
            }
            running.update(inputs, out)?;
            out[0]
        }
        _ => f64::NAN,
    })
}
