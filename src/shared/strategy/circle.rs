//! Circles of nodes over whole columns: bar by bar, by the very functions that streaming uses. Circles of one shape,
//! such as those of several symbols, go in lanes beside each other.

use super::op::{Binary, Memory, MemoryState, Unary, choose};
use super::pair::{Pair, PairState, state};
use super::plan::{Id, Op, Plan};
use super::series::Column;
use super::step::{State, step};
use crate::indicator::IndicatorError;
use std::collections::BTreeMap;

/// Most circles beside each other.
pub(super) const LANES: usize = 8;

/// A node, its inputs by their slots.
enum Cell<'c, const L: usize> {
    Back(usize),
    Unary(Unary, usize),
    Binary(Binary, usize, usize),
    If(usize, usize, usize),
    State(usize, usize),
    Memory([MemoryState; L], usize),
    Pair([PairState; L], usize, usize),
    /// An output of a function that is in the circle itself.
    Output(usize, usize),
    /// What is rare in a circle.
    Other(Vec<(&'c Op, State)>, Vec<([Id; L], usize)>),
}

/// Circles of one shape while they are computed. A bar's values stand in slots, lane beside lane: first those of
/// columns, then those of the nodes.
struct Circles<'c, const L: usize> {
    plan: &'c Plan,
    ids: [&'c [Id]; L],
    columns: Vec<[&'c [f64]; L]>,
    cells: Vec<Cell<'c, L>>,
    /// For each node through which a circle goes the slot of the one whose value it gives on the next bar.
    backs: Vec<usize>,
}

/// Columns of nodes, and all outputs of functions with several.
#[derive(Default)]
pub(super) struct Computed {
    pub columns: BTreeMap<Id, Vec<f64>>,
    pub several: BTreeMap<Id, Vec<Vec<f64>>>,
}

/// What a node does, whatever it is computed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Back,
    Unary(Unary),
    Binary(Binary),
    If,
    Memory(Memory),
    Pair(Pair),
}

/// What circles of one shape have in common: what their nodes do, and which of their own that is computed from. None
/// for circles of other functions, which go alone.
pub(super) fn shape(plan: &Plan, ids: &[Id]) -> Option<Vec<(Kind, Vec<usize>)>> {
    let place = |id: Id| ids.binary_search(&id).unwrap_or(usize::MAX);
    let of = |id: &Id| {
        let mut places = Vec::new();
        plan.ops[*id].needs(|of| places.push(place(of)));
        let kind = match &plan.ops[*id] {
            Op::Back(slot) => {
                places.push(place(plan.slots[*slot]));
                Kind::Back
            }
            Op::Unary(op, _) => Kind::Unary(*op),
            Op::Binary(op, ..) => Kind::Binary(*op),
            Op::If(..) => Kind::If,
            Op::Memory(memory, _) => Kind::Memory(*memory),
            Op::Pair(pair, ..) => Kind::Pair(*pair),
            _ => return None,
        };
        Some((kind, places))
    };
    ids.iter().map(of).collect()
}

/// Goes over so many bars. Columns that nobody needs afterwards are left out.
///
/// # Errors
/// An indicator whose options are out of range, or that refuses its input.
pub(super) fn run<'c>(
    plan: &'c Plan,
    circles: &'c [Vec<Id>],
    values: &'c [Column<'_>],
    len: usize,
    kept: &dyn Fn(Id) -> bool,
) -> Result<Computed, IndicatorError> {
    let mut out = Computed::default();
    macro_rules! lanes {
        ($($n:literal),+) => {
            match circles.len() {
                $($n => {
                    let ids: [&[Id]; $n] = std::array::from_fn(|lane| &circles[lane][..]);
                    Circles::new(plan, ids, values)?.run(len, kept, &mut out)?;
                })+
                _ => {}
            }
        };
    }
    lanes!(1, 2, 3, 4, 5, 6, 7, 8);
    Ok(out)
}

impl<'c, const L: usize> Circles<'c, L> {
    /// Finds the inputs of all nodes.
    fn new(plan: &'c Plan, ids: [&'c [Id]; L], values: &'c [Column<'_>]) -> Result<Circles<'c, L>, IndicatorError> {
        let needs: Vec<Vec<[Id; L]>> = (0..ids[0].len()).map(|k| needs(plan, ids, k)).collect();
        let (mut columns, mut first) = (Vec::new(), BTreeMap::new());
        for of in needs.iter().flatten().filter(|of| ids[0].binary_search(&of[0]).is_err()) {
            first.entry(*of).or_insert_with(|| {
                columns.push(of.map(|id| &*values[id]));
                columns.len() - 1
            });
        }
        let place = |id: Id| ids[0].binary_search(&id).unwrap_or_default();
        let (mut cells, mut backs) = (Vec::with_capacity(needs.len()), Vec::new());
        for (k, needs) in needs.iter().enumerate() {
            let slot = |of: &[Id; L]| first.get(of).copied().unwrap_or_else(|| columns.len() + place(of[0]));
            let slot = |n: usize| slot(&needs[n]);
            cells.push(match &plan.ops[ids[0][k]] {
                Op::Back(slot) => {
                    backs.push(columns.len() + place(plan.slots[*slot]));
                    Cell::Back(backs.len() - 1)
                }
                Op::Unary(op, _) => Cell::Unary(*op, slot(0)),
                Op::Binary(op, ..) => Cell::Binary(*op, slot(0), slot(1)),
                Op::If(..) => Cell::If(slot(0), slot(1), slot(2)),
                Op::Memory(kind, _) => Cell::Memory(std::array::from_fn(|_| MemoryState::new(*kind)), slot(0)),
                Op::Pair(Pair::State, ..) => Cell::State(slot(0), slot(1)),
                Op::Pair(kind, ..) => Cell::Pair(std::array::from_fn(|_| PairState::new(*kind)), slot(0), slot(1)),
                Op::Output(of, n) => Cell::Output(place(*of), *n),
                _ => Cell::Other(
                    ids.iter()
                        .map(|ids| Ok((&plan.ops[ids[k]], State::of(&plan.ops[ids[k]])?)))
                        .collect::<Result<_, _>>()?,
                    (0..needs.len()).map(|n| (needs[n], slot(n))).collect(),
                ),
            });
        }
        Ok(Circles { plan, ids, columns, cells, backs })
    }

    fn run(mut self, len: usize, kept: &dyn Fn(Id) -> bool, out: &mut Computed) -> Result<(), IndicatorError> {
        let width = self.columns.len();
        let mut keeps: Vec<(usize, usize, Vec<f64>)> = Vec::new();
        let mut several: Vec<(usize, Id, Vec<Vec<f64>>)> = Vec::new();
        for (lane, ids) in self.ids.iter().enumerate() {
            for (k, id) in ids.iter().enumerate().filter(|(_, id)| kept(**id)) {
                keeps.push((lane, k, vec![f64::NAN; len]));
                if let Op::Ta { function, .. } = &self.plan.ops[*id]
                    && function.outputs().len() > 1
                {
                    several.push((k, *id, vec![Vec::with_capacity(len); function.outputs().len()]));
                }
            }
        }
        let mut now = vec![[f64::NAN; L]; width + self.cells.len()];
        let mut before = vec![[f64::NAN; L]; self.backs.len()];
        for t in 0..len {
            for (slot, columns) in self.columns.iter().enumerate() {
                (0..L).for_each(|lane| now[slot][lane] = columns[lane][t]);
            }
            for k in 0..self.cells.len() {
                let (earlier, own) = now.split_at_mut(width + k);
                if let Cell::Output(of, output) = self.cells[k] {
                    own[0] = self.output(of, output);
                    continue;
                }
                self.cells[k].step(earlier, &before, &mut own[0])?;
            }
            for (slot, of) in self.backs.iter().enumerate() {
                before[slot] = now[*of];
            }
            keeps.iter_mut().for_each(|(lane, k, column)| column[t] = now[width + *k][*lane]);
            for (k, _, outputs) in &mut several {
                if let Cell::Other(states, _) = &self.cells[*k] {
                    outputs.iter_mut().enumerate().for_each(|(o, column)| column.push(states[0].1.output(o)));
                }
            }
        }
        out.columns.extend(keeps.into_iter().map(|(lane, k, column)| (self.ids[lane][k], column)));
        out.several.extend(several.into_iter().map(|(_, id, outputs)| (id, outputs)));
        Ok(())
    }

    fn output(&self, of: usize, output: usize) -> [f64; L] {
        match &self.cells[of] {
            Cell::Other(states, _) => std::array::from_fn(|lane| states[lane].1.output(output)),
            _ => [f64::NAN; L],
        }
    }
}

/// What a node needs, in each lane.
fn needs<const L: usize>(plan: &Plan, ids: [&[Id]; L], k: usize) -> Vec<[Id; L]> {
    let mut out: Vec<[Id; L]> = Vec::new();
    for (lane, ids) in ids.iter().enumerate() {
        let mut n = 0;
        plan.ops[ids[k]].needs(|of| {
            match out.get_mut(n) {
                Some(lanes) => lanes[lane] = of,
                None => out.push([of; L]),
            }
            n += 1;
        });
    }
    out
}

impl<const L: usize> Cell<'_, L> {
    /// Its values on a bar, from those of the earlier slots.
    #[inline(always)]
    fn step(&mut self, now: &[[f64; L]], before: &[[f64; L]], out: &mut [f64; L]) -> Result<(), IndicatorError> {
        match self {
            Cell::Back(slot) => *out = before[*slot],
            Cell::Unary(op, a) => *out = op.lanes(now[*a]),
            Cell::Binary(op, a, b) => *out = op.lanes(now[*a], now[*b]),
            Cell::If(c, a, b) => {
                let (c, a, b) = (now[*c], now[*a], now[*b]);
                *out = std::array::from_fn(|i| choose(c[i], a[i], b[i]));
            }
            Cell::State(a, b) => {
                // What it was last stands in its slot.
                let (last, a, b) = (*out, now[*a], now[*b]);
                *out = std::array::from_fn(|i| state(last[i], a[i], b[i]));
            }
            Cell::Memory(states, a) => {
                let a = &now[*a];
                (0..L).for_each(|i| out[i] = states[i].push(a[i]));
            }
            Cell::Pair(states, a, b) => {
                let (a, b) = (&now[*a], &now[*b]);
                (0..L).for_each(|i| out[i] = states[i].push(a[i], b[i]));
            }
            Cell::Other(states, needs) => {
                for (lane, (op, state)) in states.iter_mut().enumerate() {
                    let at = |of: Id| needs.iter().find(|n| n.0[lane] == of).map_or(f64::NAN, |n| now[n.1][lane]);
                    out[lane] = step(op, state, at)?;
                }
            }
            Cell::Output(..) => {}
        }
        Ok(())
    }
}
