//! Orders: exits, entries with their ladders, adds, targets.

use super::values::read;
use super::{Decider, imagined};
use crate::account::Held;
use crate::account::signals::flag;
use crate::account::view::View;
use crate::indicator::IndicatorError;
use crate::market::{Bar, Field};
use crate::order::{self, Action, Intent, Kind, Level, Orders, Target};
use crate::strategy::plan::Id;
use crate::strategy::program::OrderKind;
use crate::strategy::rules::{Does, Order, Rule, Size};
use std::sync::Arc;

impl Decider {
    pub(super) fn rules<B: Bar>(
        &mut self,
        symbol: usize,
        position: Option<&Held>,
        view: &View<'_, '_, B>,
        orders: &mut Orders,
    ) -> Result<(), IndicatorError> {
        let outputs = Arc::clone(&self.outputs[symbol]);
        let fires = |values: &[f64], when: Option<Id>| when.is_none_or(|id| values[id] == 1.0);
        let flags = outputs.signals.iter().filter(|(_, id)| self.values[*id] == 1.0).fold(0, |f, (bit, _)| f | bit);
        if let Some(p) = position {
            self.leave(symbol, p, flags, &outputs.rules.rules, orders);
        }
        let side = position.map(|p| p.side);
        // Both entries at once contradict each other: neither is taken.
        let entry = match flags & (flag::LONG_ENTRY | flag::SHORT_ENTRY) {
            flag::LONG_ENTRY => Some(1.0),
            flag::SHORT_ENTRY => Some(-1.0),
            _ => None,
        };
        let order = Order { kind: OrderKind::Market, price: None, expires: None };
        let short = |side| Rule { does: Does::Enter(side), tag: 0, when: None, order, size: None, leverage: None };
        let by_signal = entry.map(short);
        let fired = by_signal.as_ref().into_iter().chain(outputs.rules.rules.iter());
        for rule in fired {
            let Does::Enter(way) = rule.does else { continue };
            if side != Some(way) && fires(&self.values, rule.when) && self.enter(symbol, way, rule, view, orders)? {
                break;
            }
        }
        let Some(p) = position else { return Ok(()) };
        for rule in &outputs.rules.rules {
            let Does::Add(max) = rule.does else { continue };
            let added = f64::from(p.adds) < f64::from(max);
            if added && fires(&self.values, rule.when) {
                let made = self.intent(Action::Add, p.side, rule, rule.size.or(outputs.size), &self.values);
                made.into_iter().for_each(|intent| orders.order(symbol, intent));
            }
        }
        Ok(())
    }

    /// The first exit that fires.
    fn leave(&self, symbol: usize, p: &Held, flags: u8, rules: &[Rule], orders: &mut Orders) {
        let bit = if p.side > 0.0 { flag::LONG_EXIT } else { flag::SHORT_EXIT };
        if flags & bit != 0 {
            orders.order(symbol, Intent::market(Action::Reduce, p.side, order::Size::Position(1.0)));
            return;
        }
        for rule in rules {
            let Does::Leave(part) = rule.does else { continue };
            if rule.when.is_some_and(|id| self.values[id] == 1.0) {
                let part = part.map_or(1.0, |id| self.values[id]);
                let kind = self.kind(&rule.order, &self.values);
                let intent = Intent::market(Action::Reduce, p.side, order::Size::Position(part));
                orders.order(symbol, Intent { kind: kind.unwrap_or(Kind::Market), tag: rule.tag, ..intent });
                return;
            }
        }
    }

    /// Enters, if the price and the stop are known.
    fn enter<B: Bar>(
        &mut self,
        symbol: usize,
        side: f64,
        rule: &Rule,
        view: &View<'_, '_, B>,
        orders: &mut Orders,
    ) -> Result<bool, IndicatorError> {
        let close = view.bar().get(symbol, Field::Close);
        let at = rule.order.price.map_or(close, |id| self.values[id]);
        self.imagine(symbol, &imagined(side, at, rule.tag))?;
        let outputs = Arc::clone(&self.outputs[symbol]);
        let values = read(&outputs.rules.levels, &self.scratch);
        let levels = self.measured(&values, side, close);
        let l = &outputs.rules.levels;
        let unsafe_ = (l.stop_loss.is_some() || l.stop_price.is_some()) && levels.stop == Level::None
            || l.trailing_stop.is_some() && levels.trail.is_nan();
        let size = rule.size.or(outputs.size);
        let made = self.intent(Action::Enter, side, rule, size, &self.scratch);
        let Some(intent) = made.filter(|_| !unsafe_ && at > 0.0) else { return Ok(false) };
        if view.standing(symbol) > 0 {
            // The newest one counts.
            orders.cancel_entries(symbol);
        }
        orders.order(symbol, Intent { levels, ..intent });
        for ladder in &outputs.rules.rules {
            let Does::Ladder(rungs) = &ladder.does else { continue };
            if ladder.when.is_some_and(|id| self.scratch[id] != 1.0) {
                continue;
            }
            for (order, size) in rungs {
                let rung = Rule { does: Does::Enter(side), order: *order, ..ladder.clone() };
                let size = size.or(rule.size).or(outputs.size);
                let made = self.intent(Action::AddWithEntry, side, &rung, size, &self.scratch);
                made.into_iter().for_each(|intent| orders.order(symbol, intent));
            }
        }
        self.decided(symbol, values);
        Ok(true)
    }

    fn kind(&self, order: &Order, values: &[f64]) -> Option<Kind> {
        let price = order.price.map_or(f64::NAN, |id| values[id]);
        let bars = order.expires.map_or(0.0, |id| values[id]) as u32;
        match order.kind {
            OrderKind::Market => Some(Kind::Market),
            _ if price.is_nan() || price <= 0.0 => None,
            OrderKind::Limit => Some(Kind::Limit { price, bars }),
            OrderKind::Stop => Some(Kind::Stop { price, bars }),
        }
    }

    /// An order, if its price and size are known.
    fn intent(&self, action: Action, side: f64, rule: &Rule, size: Option<Size>, values: &[f64]) -> Option<Intent> {
        let known = |id: Id| Some(values[id]).filter(|v| v.is_finite() && *v > 0.0);
        let size = match size? {
            Size::Margin(id) => order::Size::Margin(known(id)?),
            Size::Equity(id) => order::Size::Equity(known(id)?),
            Size::Notional(id) => order::Size::Notional(known(id)?),
            Size::Risk { fraction, distance } => {
                order::Size::Risk { fraction: known(fraction)?, distance: known(distance)? }
            }
            Size::Volatility { target, of } => {
                order::Size::Volatility { target: known(target)?, volatility: known(of)? }
            }
        };
        let leverage = rule.leverage.map_or(self.bound.entry_leverage, |id| values[id]);
        let kind = self.kind(&rule.order, values)?;
        Some(Intent { kind, leverage: Some(leverage), tag: rule.tag, ..Intent::market(action, side, size) })
    }

    pub(super) fn target<B: Bar>(
        &mut self,
        asks: impl Fn(usize) -> bool,
        view: &View<'_, '_, B>,
        orders: &mut Orders,
    ) -> Result<(), IndicatorError> {
        let mut weights = Vec::new();
        for symbol in (0..self.symbols.len()).filter(|symbol| asks(*symbol)) {
            let Some((weight, when)) = self.bound.outputs[symbol].rules.target else { continue };
            if self.values[when] != 1.0 {
                continue;
            }
            let (wanted, close) = (self.values[weight], view.bar().get(symbol, Field::Close));
            weights.push((symbol, wanted));
            self.imagine(symbol, &imagined(if wanted < 0.0 { -1.0 } else { 1.0 }, close, 0))?;
            let values = read(&self.bound.outputs[symbol].rules.levels, &self.scratch);
            self.decided(symbol, values);
        }
        if weights.is_empty() {
            return Ok(());
        }
        let (band, together) = (self.bound.band, self.bound.manner.together);
        let groups: Vec<Vec<(usize, f64)>> = match together {
            true => vec![weights],
            false => weights.into_iter().map(|w| vec![w]).collect(),
        };
        for weights in groups {
            // Levels are each position's own; legs that belong together share those of the first.
            let (symbol, weight) = weights[0];
            let side = if weight < 0.0 { -1.0 } else { 1.0 };
            let close = view.bar().get(symbol, Field::Close);
            let levels = self.measured(&self.symbols[symbol].levels.1, side, close);
            orders.target(Target { weights, band, together, levels, tag: 0 });
        }
        Ok(())
    }
}
