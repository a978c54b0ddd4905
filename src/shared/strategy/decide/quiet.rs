//! Closes at which a strategy with rules surely asks for nothing, so that nobody need ask it.

use super::Decider;
use crate::account::coast::Concerns;
use crate::account::signals::flag;
use crate::market::course::{Bits, next_of};
use crate::strategy::bind::Outputs;
use crate::strategy::op::Binary;
use crate::strategy::plan::{Id, Op};
use crate::strategy::rules::Does;
use crate::strategy::sheet::Sheet;
use crate::strategy::step::State;

/// The bars at whose close something may be asked for.
#[derive(Debug, Clone)]
enum May {
    Always,
    At(Bits),
}

impl May {
    fn or(self, other: May) -> May {
        match (self, other) {
            (May::At(a), May::At(b)) => May::At(Bits(a.0.iter().zip(&b.0).map(|(a, b)| a | b).collect())),
            _ => May::Always,
        }
    }

    fn and(self, other: May) -> May {
        match (self, other) {
            (May::At(a), May::At(b)) => May::At(Bits(a.0.iter().zip(&b.0).map(|(a, b)| a & b).collect())),
            (May::Always, one) | (one, May::Always) => one,
        }
    }
}

/// For each symbol where something may be asked for while it is flat, long, short.
#[derive(Debug, Clone)]
pub struct Quiet(Vec<[May; 3]>);

impl Concerns for Quiet {
    fn next(&self, symbol: usize, side: f64, from: usize, to: usize) -> usize {
        let [flat, long, short] = &self.0[symbol];
        match if side == 0.0 { flat } else if side > 0.0 { long } else { short } {
            May::Always => from,
            May::At(bits) => next_of(from, to, |w| bits.0.get(w).copied().unwrap_or_default()),
        }
    }
}

impl Decider {
    /// When it need not be asked. A strategy that remembers what the account showed must see every close.
    pub fn quiet(&self, sheet: &Sheet<'_>) -> Quiet {
        let remembers = |state: &State| !matches!(state, State::None);
        if self.states.iter().any(remembers) {
            let always = || [May::Always, May::Always, May::Always];
            return Quiet(self.bound.outputs.iter().map(|_| always()).collect());
        }
        let held = |id: &Id| matches!(self.bound.plan.ops[*id], Op::Born(..) | Op::Recalled(_));
        let watches = self.reviewed || self.ids.iter().any(held);
        let of = |outputs: &Outputs| {
            let side = |side: f64| if watches { May::Always } else { self.may_ask(sheet, outputs, side) };
            [self.may_ask(sheet, outputs, 0.0), side(1.0), side(-1.0)]
        };
        Quiet(self.bound.outputs.iter().map(of).collect())
    }

    /// Where something may be asked for of a symbol with a position of this side.
    fn may_ask(&self, sheet: &Sheet<'_>, outputs: &Outputs, side: f64) -> May {
        let concerned = match side {
            0.0 => flag::LONG_ENTRY | flag::SHORT_ENTRY,
            1.0 => flag::LONG_EXIT | flag::SHORT_ENTRY,
            _ => flag::SHORT_EXIT | flag::LONG_ENTRY,
        };
        let mut out = May::At(Bits::default());
        let mut or = |may: May| match &out {
            May::At(bits) if bits.0.is_empty() => out = may,
            _ => out = std::mem::replace(&mut out, May::Always).or(may),
        };
        for (_, id) in outputs.signals.iter().filter(|(bit, _)| bit & concerned != 0) {
            or(self.may_be(sheet, *id));
        }
        for rule in &outputs.rules.rules {
            let is_concerned = match rule.does {
                Does::Enter(way) => way != side,
                Does::Leave(_) => side != 0.0 && rule.when.is_some(),
                Does::Add(_) => side != 0.0,
                Does::Ladder(_) => false,
            };
            if is_concerned {
                or(rule.when.map_or(May::Always, |id| self.may_be(sheet, id)));
            }
        }
        if let Some((_, when)) = outputs.rules.target {
            or(self.may_be(sheet, when));
        }
        out
    }

    /// Where a node may be true.
    fn may_be(&self, sheet: &Sheet<'_>, id: Id) -> May {
        if !self.bound.plan.waits(id) {
            return May::At(sheet.bits(id));
        }
        match self.bound.plan.ops[id] {
            Op::Binary(Binary::And, a, b) => self.may_be(sheet, a).and(self.may_be(sheet, b)),
            Op::Binary(Binary::Or, a, b) => self.may_be(sheet, a).or(self.may_be(sheet, b)),
            _ => May::Always,
        }
    }
}
