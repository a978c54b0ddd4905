//! A plan over a market: columns where a node remembers something, everything else made of them when it is asked for,
//! at one bar or as bits of 64 of them.

use super::columns::evaluate;
use super::kept::Kept;
use super::lanes::{LANES, Lanes, compare, known};
use super::late::{Choice, choose as choose_late};
use super::op::{Binary, Memory, Unary, choose};
use super::plan::{Id, Op, Plan};
use super::schedule::schedule;
use super::series::Column;
use crate::indicator::IndicatorError;
use crate::market::Market;
use crate::market::course::Bits;
use std::collections::BTreeMap;

/// The nodes of a plan over a market.
#[derive(Debug, Clone)]
pub struct Sheet<'m> {
    plan: Plan,
    bars: usize,
    columns: Vec<Column<'m>>,
    late: Vec<bool>,
    /// Where nodes are true, of those that were asked for.
    truths: BTreeMap<Id, Bits>,
}

/// Of 64 bars those in which something is true, and those in which it is false; in the others it is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Word {
    yes: u64,
    no: u64,
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
        let mut sheet = Sheet { plan: plan.clone(), bars: market.len(), columns, late, truths: BTreeMap::new() };
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
        let mut words: Vec<u64> = (0..self.bars.div_ceil(LANES)).map(|w| self.word(id, w, false).yes).collect();
        if let (Some(last), rest @ 1..) = (words.last_mut(), self.bars % LANES) {
            *last &= (1 << rest) - 1;
        }
        Bits(words)
    }

    /// Where a node is true, and, if `both` are asked for, where it is false.
    fn word(&self, id: Id, w: usize, both: bool) -> Word {
        if let (false, Some(bits)) = (both, self.truths.get(&id)) {
            return Word { yes: bits.0[w], no: 0 };
        }
        if self.late[id] {
            match &self.plan.ops[id] {
                Op::Unary(Unary::Not, a) => {
                    let Word { yes, no } = self.word(*a, w, true);
                    return Word { yes: no, no: yes };
                }
                Op::Binary(Binary::And, a, b) => {
                    let a = self.word(*a, w, both);
                    if a.yes == 0 && !both {
                        return a;
                    }
                    let b = self.word(*b, w, both);
                    return Word { yes: a.yes & b.yes, no: a.no | b.no };
                }
                Op::Binary(Binary::Or, a, b) => {
                    let a = self.word(*a, w, both);
                    if a.yes == u64::MAX && !both {
                        return a;
                    }
                    let b = self.word(*b, w, both);
                    return Word { yes: a.yes | b.yes, no: a.no & b.no };
                }
                Op::Binary(op, a, b) if op.is_comparison() => {
                    let (of_a, of_b);
                    let x = match self.whole(*a, w) {
                        Some(whole) => whole,
                        None => {
                            of_a = self.made(*a, w);
                            &of_a
                        }
                    };
                    let y = match self.whole(*b, w) {
                        Some(whole) => whole,
                        None => {
                            of_b = self.made(*b, w);
                            &of_b
                        }
                    };
                    let yes = compare(*op, x, y);
                    return Word { yes, no: if both { !yes & known(x, y) } else { 0 } };
                }
                Op::If(c, a, b) => {
                    let (c, a, b) = (self.word(*c, w, true), self.word(*a, w, both), self.word(*b, w, both));
                    return Word { yes: c.yes & a.yes | c.no & b.yes, no: c.yes & a.no | c.no & b.no };
                }
                _ => {}
            }
        }
        let values = self.lanes(id, w);
        let are = |value: f64| compare(Binary::Equal, &values, &[value; LANES]);
        Word { yes: are(1.0), no: if both { are(0.0) } else { 0 } }
    }

    /// 64 values of a node as they stand in its column, or in the one of which it is the past.
    #[inline]
    fn whole(&self, id: Id, w: usize) -> Option<&Lanes> {
        let (of, ago) = match (self.late[id], &self.plan.ops[id]) {
            (false, _) => (id, 0),
            (true, Op::Memory(Memory::Prev(n), a)) if !self.late[*a] => (*a, *n),
            _ => return None,
        };
        self.columns[of].get((w * LANES).checked_sub(ago)?..)?.first_chunk()
    }

    /// 64 values of a node; those after the last bar are unknown, or whatever they would be.
    fn lanes(&self, id: Id, w: usize) -> Lanes {
        self.whole(id, w).copied().unwrap_or_else(|| self.made(id, w))
    }

    /// The same of a node whose values stand nowhere.
    fn made(&self, id: Id, w: usize) -> Lanes {
        let stretch = |of: Id, ago: usize| {
            let at = |i: usize| (w * LANES + i).checked_sub(ago).and_then(|t| self.columns[of].get(t)).copied();
            std::array::from_fn(|i| at(i).unwrap_or(f64::NAN))
        };
        if !self.late[id] {
            return stretch(id, 0);
        }
        match &self.plan.ops[id] {
            Op::Const(v) => [*v; LANES],
            Op::Unary(op, a) => op.lanes(self.lanes(*a, w)),
            Op::Binary(op, a, b) => op.lanes(self.lanes(*a, w), self.lanes(*b, w)),
            Op::Memory(Memory::Prev(n), a) if !self.late[*a] => stretch(*a, *n),
            _ => std::array::from_fn(|i| if w * LANES + i < self.bars { self.at(id, w * LANES + i) } else { f64::NAN }),
        }
    }
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
