//! Closes at which a strategy with rules surely asks for nothing, so that nobody need ask it.

use super::Decider;
use crate::account::LossLimits;
use crate::account::signals::flag;
use crate::market::course::Bits;
use crate::strategy::bind::Outputs;
use crate::strategy::op::Binary;
use crate::strategy::plan::{Id, Op, Plan};
use crate::strategy::quiet::{May, Quiet};
use crate::strategy::rules::Does;
use crate::strategy::sheet::Sheet;
use crate::strategy::step::State;

impl Decider {
    /// When it need not be asked. A strategy that remembers what the account showed must see every close, unless that
    /// is of one position, and the same while there is none.
    pub fn quiet(&self, sheet: &Sheet<'_>) -> Quiet {
        let plan = &self.bound.plan;
        let remembers = |k: &usize| !matches!(self.states[*k], State::None);
        let mut flat = vec![None; self.ids.len()];
        let mut forgets = self.bound.loss_limits == LossLimits::default();
        for k in (0..self.ids.len()).filter(remembers) {
            let mut seen = Vec::new();
            let mut inputs = Vec::new();
            plan.ops[self.ids[k]].needs(|of| inputs.push((of, flat_value(plan, of, &mut seen))));
            seen.sort_unstable();
            seen.dedup();
            forgets &= seen.len() == 1 && inputs.iter().all(|(_, value)| value.is_some());
            flat[k] = Some(inputs.into_iter().map(|(of, value)| (of, value.unwrap_or(f64::NAN))).collect());
        }
        let symbols = self.bound.outputs.iter();
        if !forgets {
            let always = |_| [May::Always, May::Always, May::Always];
            return Quiet { may: symbols.map(always).collect(), flat: Vec::new() };
        }
        let held = |id: &Id| matches!(plan.ops[*id], Op::Born(..) | Op::Recalled(_));
        let watches = self.reviewed || self.ids.iter().any(held) || flat.iter().any(Option::is_some);
        let of = |outputs: &Outputs| {
            let side = |side: f64| if watches { May::Always } else { self.may_ask(sheet, outputs, side) };
            [self.may_ask(sheet, outputs, 0.0), side(1.0), side(-1.0)]
        };
        Quiet { may: symbols.map(of).collect(), flat }
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

/// The value of a node while the symbols that it looks at are flat, if it is one and the same; tells those symbols.
fn flat_value(plan: &Plan, id: Id, seen: &mut Vec<usize>) -> Option<f64> {
    if !plan.waits(id) {
        return match plan.ops[id] {
            Op::Const(v) => Some(v),
            _ => None,
        };
    }
    match &plan.ops[id] {
        Op::Seen(of, symbol) => {
            seen.push(*symbol);
            of.while_flat()
        }
        Op::Born(symbol, ..) => {
            seen.push(*symbol);
            Some(f64::NAN)
        }
        Op::Recalled(slot) => {
            seen.push(plan.recalled[*slot].0);
            Some(f64::NAN)
        }
        Op::Unary(op, a) => flat_value(plan, *a, seen).map(|a| op.apply(a)),
        Op::Binary(op, a, b) => {
            let (a, b) = (flat_value(plan, *a, seen), flat_value(plan, *b, seen));
            let strict = !op.is_logic() && *op != Binary::Known;
            match (a, b) {
                (Some(a), Some(b)) => Some(op.apply(a, b)),
                // What is made of one that is not known is not known either.
                (Some(v), None) | (None, Some(v)) if strict && v.is_nan() => Some(f64::NAN),
                _ => None,
            }
        }
        _ => None,
    }
}
