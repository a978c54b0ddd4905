//! A circle of nodes over whole columns: bar by bar, by the very functions that streaming uses.

use super::op::{Binary, MemoryState, Unary, choose};
use super::pair::PairState;
use super::plan::{Id, Op, Plan};
use super::step::{State, step};
use crate::indicator::IndicatorError;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Where a value comes from: a node of the circle on the same bar, or a column.
enum From<'c> {
    Now(usize),
    Column(&'c [f64]),
}

impl From<'_> {
    #[inline]
    fn at(&self, t: usize, now: &[f64]) -> f64 {
        match self {
            From::Now(k) => now[*k],
            From::Column(column) => column[t],
        }
    }
}

/// A node with its inputs found.
enum Cell<'c> {
    Back(usize),
    Unary(Unary, From<'c>),
    Binary(Binary, From<'c>, From<'c>),
    If(From<'c>, From<'c>, From<'c>),
    Memory(MemoryState, From<'c>),
    Pair(PairState, From<'c>, From<'c>),
    /// An output of a function that is in the circle itself.
    Output(usize, usize),
    Column(&'c [f64]),
    /// What is rare in a circle.
    Other(&'c Op, State, Vec<(Id, From<'c>)>),
}

/// A circle while it is computed.
pub(super) struct Circle<'c> {
    plan: &'c Plan,
    ids: &'c [Id],
    cells: Vec<Cell<'c>>,
    /// For each slot in it the place of the node whose value it gives on the next bar.
    backs: Vec<(usize, usize)>,
}

/// Columns of nodes, and all outputs of functions with several.
type Computed = (Vec<Vec<f64>>, BTreeMap<Id, Vec<Vec<f64>>>);

impl<'c> Circle<'c> {
    /// Finds the inputs of all nodes.
    ///
    /// # Errors
    /// An indicator whose options are out of range.
    pub(super) fn new(
        plan: &'c Plan,
        ids: &'c [Id],
        values: &'c [Cow<'_, [f64]>],
        others: &'c BTreeMap<Id, Vec<Vec<f64>>>,
    ) -> Result<Circle<'c>, IndicatorError> {
        let place = |id: Id| ids.binary_search(&id).ok();
        let from = |id: &Id| place(*id).map_or_else(|| From::Column(&values[*id]), From::Now);
        let (mut cells, mut backs) = (Vec::with_capacity(ids.len()), Vec::new());
        for id in ids {
            let op = &plan.ops[*id];
            cells.push(match op {
                Op::Back(slot) => {
                    backs.push((cells.len(), place(plan.slots[*slot]).unwrap_or_default()));
                    Cell::Back(backs.len() - 1)
                }
                Op::Unary(op, a) => Cell::Unary(*op, from(a)),
                Op::Binary(op, a, b) => Cell::Binary(*op, from(a), from(b)),
                Op::If(c, a, b) => Cell::If(from(c), from(a), from(b)),
                Op::Memory(kind, a) => Cell::Memory(MemoryState::new(*kind), from(a)),
                Op::Pair(kind, a, b) => Cell::Pair(PairState::new(*kind), from(a), from(b)),
                Op::Output(of, k) => match (place(*of), others.get(of)) {
                    (Some(of), _) => Cell::Output(of, *k),
                    (None, outputs) => Cell::Column(outputs.map_or(&[], |o| &o[*k])),
                },
                op => {
                    let mut needs = Vec::new();
                    op.needs(|of| needs.push(of));
                    Cell::Other(op, State::of(op)?, needs.iter().map(|of| (*of, from(of))).collect())
                }
            });
        }
        Ok(Circle { plan, ids, cells, backs })
    }

    /// Goes over so many bars. Columns that nobody needs afterwards are empty.
    ///
    /// # Errors
    /// An indicator that refuses its input.
    pub(super) fn run(mut self, len: usize, spent: &[Id]) -> Result<Computed, IndicatorError> {
        let kept = |id: &Id| !spent.contains(id);
        let mut out: Vec<Vec<f64>> =
            self.ids.iter().map(|id| Vec::with_capacity(if kept(id) { len } else { 0 })).collect();
        let keeps: Vec<usize> = (0..self.ids.len()).filter(|k| kept(&self.ids[*k])).collect();
        let mut several: BTreeMap<Id, Vec<Vec<f64>>> = BTreeMap::new();
        for id in self.ids {
            if let Op::Ta { function, .. } = &self.plan.ops[*id]
                && function.outputs().len() > 1
            {
                several.insert(*id, vec![Vec::with_capacity(len); function.outputs().len()]);
            }
        }
        let mut now = vec![f64::NAN; self.ids.len()];
        let mut before = vec![f64::NAN; self.backs.len()];
        for t in 0..len {
            for k in 0..self.cells.len() {
                now[k] = match &mut self.cells[k] {
                    Cell::Back(slot) => before[*slot],
                    Cell::Unary(op, a) => op.apply(a.at(t, &now)),
                    Cell::Binary(op, a, b) => op.apply(a.at(t, &now), b.at(t, &now)),
                    Cell::If(c, a, b) => choose(c.at(t, &now), a.at(t, &now), b.at(t, &now)),
                    Cell::Memory(state, a) => state.push(a.at(t, &now)),
                    Cell::Pair(state, a, b) => state.push(a.at(t, &now), b.at(t, &now)),
                    Cell::Column(column) => column.get(t).copied().unwrap_or(f64::NAN),
                    Cell::Other(op, state, needs) => {
                        let at =
                            |of: Id| needs.iter().find(|n| n.0 == of).map_or(f64::NAN, |(_, from)| from.at(t, &now));
                        step(op, state, at)?
                    }
                    Cell::Output(..) => self.output(k),
                };
            }
            for (slot, (_, of)) in self.backs.iter().enumerate() {
                before[slot] = now[*of];
            }
            keeps.iter().for_each(|k| out[*k].push(now[*k]));
            for (id, outputs) in &mut several {
                let at = self.ids.binary_search(id).unwrap_or_default();
                if let Cell::Other(_, state, _) = &self.cells[at] {
                    outputs.iter_mut().enumerate().for_each(|(o, column)| column.push(state.output(o)));
                }
            }
        }
        Ok((out, several))
    }

    fn output(&self, k: usize) -> f64 {
        match &self.cells[k] {
            Cell::Output(of, output) => match &self.cells[*of] {
                Cell::Other(_, state, _) => state.output(*output),
                _ => f64::NAN,
            },
            _ => f64::NAN,
        }
    }
}
