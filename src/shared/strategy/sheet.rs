//! A plan over a market: columns where a node remembers something, everything else made of them when it is asked for,
//! at one bar or as bits of 64 of them.

use super::columns::evaluate;
use super::kept::Kept;
use super::late::{Choice, choose as choose_late};
use super::op::{Binary, Memory, Unary, choose};
use super::plan::{Id, Op, Plan};
use super::schedule::schedule;
use super::series::Column;
use super::truth::{Asked, Pairs, Truth};
use crate::indicator::IndicatorError;
use crate::lanes::{self, WORD};
use crate::market::Market;
use crate::market::course::Bits;
use std::collections::BTreeMap;

type Lanes = [f64; WORD];

/// The nodes of a plan over a market.
#[derive(Debug, Clone)]
pub struct Sheet<'m> {
    plan: Plan,
    bars: usize,
    columns: Vec<Column<'m>>,
    late: Vec<bool>,
    pairs: Pairs,
    /// Where nodes are true, of those that were asked for.
    truths: BTreeMap<Id, Bits>,
}

impl<'m> Sheet<'m> {
    /// Computes what the wanted nodes are made of, and where some of them are true.
    ///
    /// # Errors
    /// An indicator that refuses its input.
    pub fn new(
        plan: &Plan,
        market: &'m Market,
        wanted: &[Id],
        truths: &[Id],
        kept: Option<&Kept>,
    ) -> Result<Sheet<'m>, IndicatorError> {
        let all: Vec<Id> = wanted.iter().chain(truths).copied().collect();
        let Choice { late, roots } = choose_late(plan, &schedule(plan), &all, kept.is_some());
        let columns = evaluate(plan, market, roots.into_iter(), kept)?;
        let pairs = Pairs::new(plan, &late, &columns, market.len());
        let mut sheet = Sheet { plan: plan.clone(), bars: market.len(), columns, late, pairs, truths: BTreeMap::new() };
        let mut truths = truths.to_vec();
        truths.sort_unstable();
        for id in truths {
            let bits = sheet.bits(id);
            sheet.truths.insert(id, bits);
        }
        Ok(sheet)
    }

    /// The value of a wanted node at a bar.
    pub fn at(&self, id: Id, t: usize) -> f64 {
        if !self.late[id] {
            return self.columns[id].get(t).copied().unwrap_or(f64::NAN);
        }
        match &self.plan.ops[id] {
            Op::Const(v) => *v,
            Op::Unary(op, a) => op.apply(self.at(*a, t)),
            Op::Binary(op, a, b) => op.apply(self.at(*a, t), self.at(*b, t)),
            Op::If(c, a, b) => choose(self.at(*c, t), self.at(*a, t), self.at(*b, t)),
            Op::Across(across, ids) => across.of(ids.iter().map(|id| self.at(*id, t))),
            Op::Memory(Memory::Prev(n), a) => t.checked_sub(*n).map_or(f64::NAN, |t| self.at(*a, t)),
            _ => f64::NAN,
        }
    }

    /// The bars in which a wanted node is true.
    pub fn bits(&self, id: Id) -> Bits {
        if let Some(bits) = self.truths.get(&id) {
            return bits.clone();
        }
        let mut words = self.truth(id, &vec![u64::MAX; self.bars.div_ceil(WORD)], Asked::True).yes;
        if let (Some(last), rest @ 1..) = (words.last_mut(), self.bars % WORD) {
            *last &= (1 << rest) - 1;
        }
        Bits(words)
    }

    /// Where a node is true, and, if both are asked for, where it is false, in the bars that are looked at; in the others
    /// whatever it is.
    fn truth(&self, id: Id, looked: &[u64], asked: Asked) -> Truth {
        let both = asked == Asked::Both;
        if let (false, Some(bits)) = (both, self.truths.get(&id)) {
            return Truth { yes: bits.0.clone(), no: vec![0; bits.0.len()] };
        }
        let within = |of: &[u64]| looked.iter().zip(of).map(|(a, b)| a & b).collect::<Vec<u64>>();
        let without = |of: &[u64]| looked.iter().zip(of).map(|(a, b)| a & !b).collect::<Vec<u64>>();
        match &self.plan.ops[id] {
            _ if !self.late[id] => self.one_by_one(id, looked, both),
            Op::Unary(Unary::Not, a) => {
                let Truth { yes, no } = self.truth(*a, looked, Asked::Both);
                Truth { yes: no, no: yes }
            }
            Op::Binary(Binary::And, a, b) => {
                let a = self.truth(*a, looked, asked);
                let rest = if both { without(&a.no) } else { within(&a.yes) };
                let b = self.truth(*b, &rest, asked);
                Truth::of(&a, &b, |[a, _], [b, _]| a & b, |[_, a], [_, b]| a | b)
            }
            Op::Binary(Binary::Or, a, b) => {
                let a = self.truth(*a, looked, asked);
                let b = self.truth(*b, &without(&a.yes), asked);
                Truth::of(&a, &b, |[a, _], [b, _]| a | b, |[_, a], [_, b]| a & b)
            }
            Op::If(c, a, b) => {
                let c = self.truth(*c, looked, Asked::Both);
                let (a, b) = (self.truth(*a, &within(&c.yes), asked), self.truth(*b, &within(&c.no), asked));
                let a = Truth::of(&c, &a, |[c, _], [a, _]| c & a, |[c, _], [_, a]| c & a);
                let b = Truth::of(&c, &b, |[_, c], [b, _]| c & b, |[_, c], [_, b]| c & b);
                Truth::of(&a, &b, |[a, _], [b, _]| a | b, |[_, a], [_, b]| a | b)
            }
            Op::Binary(op, ..) if op.is_comparison() => {
                self.pairs.truth(id, *op).unwrap_or_else(|| self.one_by_one(id, looked, both))
            }
            _ => self.one_by_one(id, looked, both),
        }
    }

    /// The same, word by word of those that are looked at.
    fn one_by_one(&self, id: Id, looked: &[u64], both: bool) -> Truth {
        let mut out = Truth { yes: vec![0; looked.len()], no: vec![0; looked.len()] };
        let (mut x, mut y) = ([0.0; WORD], [0.0; WORD]);
        for w in (0..looked.len()).filter(|w| looked[*w] != 0) {
            (out.yes[w], out.no[w]) = match &self.plan.ops[id] {
                Op::Binary(op, a, b) if self.late[id] && op.is_comparison() => {
                    compare(*op, self.lanes(*a, w, &mut x), self.lanes(*b, w, &mut y), both)
                }
                _ => {
                    let values = self.lanes(id, w, &mut x);
                    let no = if both { lanes::pack(|i| values[i] == 0.0) } else { 0 };
                    (lanes::pack(|i| values[i] == 1.0), no)
                }
            };
        }
        out
    }

    /// 64 values of a node; those after the last bar are unknown, or whatever they would be.
    fn lanes<'s>(&'s self, id: Id, w: usize, out: &'s mut Lanes) -> &'s Lanes {
        if !self.late[id] {
            return stretch(&self.columns[id], w * WORD, 0, out);
        }
        let (mut x, mut y) = ([0.0; WORD], [0.0; WORD]);
        match &self.plan.ops[id] {
            Op::Const(v) => out.fill(*v),
            Op::Unary(op, a) => *out = op.lanes(*self.lanes(*a, w, &mut x)),
            Op::Binary(op, a, b) => *out = op.lanes(*self.lanes(*a, w, &mut x), *self.lanes(*b, w, &mut y)),
            Op::Memory(Memory::Prev(n), a) if !self.late[*a] => {
                return stretch(&self.columns[*a], w * WORD, *n, out);
            }
            _ => {
                *out =
                    std::array::from_fn(|i| if w * WORD + i < self.bars { self.at(id, w * WORD + i) } else { f64::NAN })
            }
        }
        out
    }
}

/// 64 values of a column from a bar on, as they were `ago` bars ago.
fn stretch<'s>(column: &'s [f64], from: usize, ago: usize, out: &'s mut Lanes) -> &'s Lanes {
    if let Some(whole) = from.checked_sub(ago).and_then(|from| column.get(from..)?.first_chunk()) {
        return whole;
    }
    let of = |i: usize| (from + i).checked_sub(ago).and_then(|t| column.get(t)).copied().unwrap_or(f64::NAN);
    *out = std::array::from_fn(of);
    out
}

fn compare(op: Binary, a: &Lanes, b: &Lanes, both: bool) -> (u64, u64) {
    let yes = match op {
        Binary::Less => lanes::pack(|i| a[i] < b[i]),
        Binary::LessEqual => lanes::pack(|i| a[i] <= b[i]),
        Binary::Greater => lanes::pack(|i| a[i] > b[i]),
        Binary::GreaterEqual => lanes::pack(|i| a[i] >= b[i]),
        Binary::Equal => lanes::pack(|i| a[i] == b[i]),
        _ => lanes::pack(|i| (a[i] < b[i]) | (a[i] > b[i])),
    };
    (yes, if both { !yes & lanes::pack(|i| !(a[i].is_nan() | b[i].is_nan())) } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::Field;
    use proptest::prelude::*;

    /// A plan at random: columns, constants, whatever has no memory, a few that have.
    fn plan(picks: &[(u8, u8, u8, u8)]) -> Plan {
        use Binary::*;
        let mut ops = vec![
            Op::Column { symbol: 0, field: Field::Close },
            Op::Column { symbol: 0, field: Field::Open },
            Op::Const(1.0),
            Op::Const(0.0),
            Op::Binary(Greater, 0, 1),
            Op::Binary(Divide, 3, 3),
            Op::Binary(Equal, 5, 5),
        ];
        let mut truths = vec![4, 6];
        for (kind, a, b, c) in picks {
            let kind = kind % 20;
            let truth = |k: &u8| truths[usize::from(*k) % truths.len()];
            let of = |k: &u8| usize::from(*k) % ops.len();
            let (a, b, c) = match kind {
                6..10 | 13 => (truth(a), truth(b), 0),
                15 => (truth(a), of(b), of(c)),
                _ => (of(a), of(b), of(c)),
            };
            if kind < 10 || kind == 13 || kind == 14 {
                truths.push(ops.len());
            }
            let binary = [Less, LessEqual, Greater, GreaterEqual, Equal, NotEqual, And, Or, And, Or, Add, Min, Known];
            ops.push(match kind {
                k if usize::from(k) < binary.len() => Op::Binary(binary[usize::from(k)], a, b),
                13 => Op::Unary(Unary::Not, a),
                14 => Op::Unary(Unary::IsKnown, a),
                15 => Op::If(a, b, c),
                16 => Op::Memory(Memory::Prev(b % 90), a),
                17 => Op::Memory(Memory::Count(3), a),
                18 => Op::Unary(Unary::Negate, a),
                _ => Op::Across(super::super::plan::Across::Median, vec![a, b, c]),
            });
        }
        let n = ops.len();
        Plan { ops, clock_of: vec![0; n], varies: vec![true; n], ..Plan::default() }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        /// Whatever is asked of a sheet is what whole columns say, to the last bit.
        #[test]
        fn a_sheet_is_its_columns(
            picks in prop::collection::vec(any::<(u8, u8, u8, u8)>(), 1..40), bars in 1usize..300, seed in 1u64..999,
            wanted in prop::collection::vec(any::<prop::sample::Index>(), 1..5), keeps: bool,
        ) {
            let plan = plan(&picks);
            let market = crate::market::tests::walk(bars, 1, seed);
            let wanted: Vec<Id> = wanted.iter().map(|i| i.index(plan.ops.len())).collect();
            let kept = Kept::new(1 << 20);
            let kept = keeps.then_some(&kept);
            let columns = evaluate(&plan, &market, wanted.iter().copied(), None).unwrap();
            let (values, truths) = wanted.split_at(wanted.len() / 2);
            let sheet = Sheet::new(&plan, &market, values, truths, kept).unwrap();
            for id in wanted {
                let bits = sheet.bits(id);
                prop_assert_eq!(bits.0.len(), bars.div_ceil(64));
                for (t, right) in columns[id].iter().copied().enumerate().take(bars) {
                    let found = sheet.at(id, t);
                    prop_assert!(found.to_bits() == right.to_bits() || found.is_nan() && right.is_nan(), "{} at {}", id, t);
                    prop_assert_eq!(bits.at(t), right == 1.0, "{} at {}", id, t);
                }
                prop_assert!((bars..bars.next_multiple_of(64)).all(|t| !bits.at(t)));
            }
        }
    }
}
