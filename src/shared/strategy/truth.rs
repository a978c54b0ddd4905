//! Where nodes of a sheet are true, as bits of 64 bars: whole columns are compared once, whoever asks and however many
//! bars ago; the rest is looked at only where it may matter.

use super::op::{Binary, Memory};
use super::plan::{Id, Op, Plan};
use super::series::Column;
use crate::lanes::Compared;
use std::collections::BTreeMap;

/// Of each word of 64 bars those in which something is true, and those in which it is false; in the others it is not
/// known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Truth {
    pub yes: Vec<u64>,
    pub no: Vec<u64>,
}

/// Whether the other side is asked for as well: where something is not true, is it false?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    True,
    Both,
}

impl Truth {
    /// Word by word of two.
    pub(super) fn of(
        a: &Truth,
        b: &Truth,
        yes: impl Fn([u64; 2], [u64; 2]) -> u64,
        no: impl Fn([u64; 2], [u64; 2]) -> u64,
    ) -> Truth {
        let words = || {
            a.yes.iter().zip(&a.no).zip(b.yes.iter().zip(&b.no)).map(|((ay, an), (by, bn))| ([*ay, *an], [*by, *bn]))
        };
        Truth { yes: words().map(|(a, b)| yes(a, b)).collect(), no: words().map(|(a, b)| no(a, b)).collect() }
    }
}

/// Comparisons of columns that several nodes ask for.
#[derive(Debug, Clone, Default)]
pub(super) struct Pairs {
    /// For a comparison the columns' place, and how many bars ago they are looked at.
    asked: BTreeMap<Id, (usize, usize)>,
    compared: Vec<Compared>,
}

impl Pairs {
    /// Compares those columns that late nodes compare more than once.
    pub(super) fn new(plan: &Plan, late: &[bool], columns: &[Column<'_>], bars: usize) -> Pairs {
        let mut of: BTreeMap<(Id, Id), Vec<(Id, usize)>> = BTreeMap::new();
        for id in (0..late.len()).filter(|id| late[*id]) {
            if let Op::Binary(op, a, b) = &plan.ops[id]
                && op.is_comparison()
                && let (Some((a, ago)), Some((b, same))) = (earlier(plan, late, *a), earlier(plan, late, *b))
                && ago == same
            {
                of.entry((a, b)).or_default().push((id, ago));
            }
        }
        let mut out = Pairs::default();
        for ((a, b), asking) in of.into_iter().filter(|(_, asking)| asking.len() > 1) {
            if columns[a].len() == bars && columns[b].len() == bars {
                out.asked.extend(asking.into_iter().map(|(id, ago)| (id, (out.compared.len(), ago))));
                out.compared.push(Compared::of(&columns[a], &columns[b]));
            }
        }
        out
    }

    /// Where a comparison holds, if it is among them.
    pub(super) fn truth(&self, id: Id, op: Binary) -> Option<Truth> {
        let (place, ago) = self.asked.get(&id)?;
        let Compared { less, more, equal } = &self.compared[*place];
        let (less, more, equal) = (Words(less, *ago), Words(more, *ago), Words(equal, *ago));
        let all = |of: &dyn Fn(usize) -> u64| (0..less.0.len()).map(of).collect::<Vec<u64>>();
        let one = |a: &Words<'_>| all(&|w| a.at(w));
        let two = |a: &Words<'_>, b: &Words<'_>| all(&|w| a.at(w) | b.at(w));
        let (yes, no) = match op {
            Binary::Less => (one(&less), two(&more, &equal)),
            Binary::LessEqual => (two(&less, &equal), one(&more)),
            Binary::Greater => (one(&more), two(&less, &equal)),
            Binary::GreaterEqual => (two(&more, &equal), one(&less)),
            Binary::Equal => (one(&equal), two(&less, &more)),
            _ => (two(&less, &more), one(&equal)),
        };
        Some(Truth { yes, no })
    }
}

/// Bits as they were so many bars ago; nothing holds before the first bar.
struct Words<'w>(&'w [u64], usize);

impl Words<'_> {
    #[inline(always)]
    fn at(&self, w: usize) -> u64 {
        let (words, bits) = (self.1 / 64, self.1 % 64);
        let word = |w: Option<usize>| w.and_then(|w| self.0.get(w)).copied().unwrap_or_default();
        let last = word(w.checked_sub(words));
        if bits == 0 { last } else { last << bits | word(w.checked_sub(words + 1)) >> (64 - bits) }
    }
}

/// The column that a node looks at, and how many bars ago.
fn earlier(plan: &Plan, late: &[bool], id: Id) -> Option<(Id, usize)> {
    match &plan.ops[id] {
        _ if !late[id] => Some((id, 0)),
        Op::Memory(Memory::Prev(n), of) if !late[*of] => Some((*of, *n)),
        _ => None,
    }
}
