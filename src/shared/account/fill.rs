//! Opening and closing positions, whole or in parts.

use super::Account;
use super::MarginMode;
use super::held::Last;
use super::position::{Filled, Position};
use super::record::{CashKind, Outcome, Rule, Trade};
use super::resting::Entry;
use crate::account::costs::Impact;
use crate::market::{Bar, Field};
use crate::order::{Level, Tag};

/// How an order pays for being filled at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Slip {
    /// It stood in the book.
    None,
    /// Whatever it costs.
    Free,
    /// No more than it says.
    UpTo(f64),
}

impl Account<'_> {
    /// Fills an entry or an add, or records why not. `at` is the price, which slippage makes worse where the order
    /// slips. An add takes the position's own leverage. Gives what is left of it above the share of the volume.
    pub(super) fn enter<B: Bar>(&mut self, bar: &B, symbol: usize, entry: &Entry, (at, slip): (f64, Slip)) -> f64 {
        let (rules, held) = (&self.rules[symbol], self.positions[symbol].as_ref());
        let leverage = held.map_or(entry.leverage, |p| p.leverage);
        let most = rules.brackets.max_notional(leverage).min(self.terms.max_size_usdt);
        let slipped = |qty: f64| self.worse(bar, symbol, at, entry.side, qty);
        let pays = |qty: f64| match slip {
            Slip::None => at,
            Slip::Free => slipped(qty),
            Slip::UpTo(limit) if entry.side > 0.0 => slipped(qty).min(limit),
            Slip::UpTo(limit) => slipped(qty).max(limit),
        };
        let (asked, stands) = (self.floor_to_step(symbol, entry.qty), held.map_or(0.0, |p| p.qty));
        let within = |price: f64| self.floor_to_step(symbol, (most / price - stands).max(0.0));
        let whole = self.capped(symbol, asked);
        // What fills decides what it costs, and what it costs how much may fill.
        let fits = |qty: f64| (stands + qty) * pays(qty) <= most * (1.0 + 1e-12);
        let qty = match self.costs.impact {
            Impact::SquareRoot { .. } if fits(whole) => whole,
            Impact::SquareRoot { .. } => self.largest(symbol, whole, fits),
            _ => whole.min(within(pays(whole))),
        };
        let price = pays(qty);
        // Above the share of the volume is what neither that nor a cap has cut.
        let more = asked.min(within(price)) - qty;
        let left = if whole < asked && qty == whole && more > 0.0 { self.nearest_step(symbol, more) } else { 0.0 };
        let fee_rate = if entry.rule.is_maker() { rules.maker_fee } else { rules.taker_fee };
        let (notional, fee) = (qty * price, qty * price * fee_rate);
        let margin = notional / leverage;
        let minimum = rules.filters.min_notional;
        let outcome = if held.is_none() && self.open >= self.terms.max_positions {
            Outcome::TooManyPositions
        } else if most <= 0.0 {
            Outcome::LeverageNotAllowed
        } else if left > 0.0 && (qty <= 0.0 || notional < minimum) && (qty + left) * price >= minimum {
            Outcome::AboveVolume
        } else if qty <= 0.0 || notional < minimum {
            Outcome::BelowMinimum
        } else if margin + fee > self.free_margin(bar) {
            Outcome::InsufficientMargin
        } else {
            Outcome::Filled
        };
        let ms = bar.time();
        match outcome {
            Outcome::AboveVolume => return self.nearest_step(symbol, qty + left),
            Outcome::Filled => self.recorder.order(ms, symbol, entry.side, qty, entry.rule, outcome),
            _ => {
                self.recorder.order(ms, symbol, entry.side, qty, entry.rule, outcome);
                self.counts.rejected += 1;
                return 0.0;
            }
        }
        self.recorder.fill(ms, symbol, entry.side, qty, price, fee);
        self.pay_fee(ms, symbol, fee);
        let fill = Filled { ms, bar: self.bar, side: entry.side, qty, price, margin, fee, leverage };
        let isolated = self.terms.mode == MarginMode::Isolated;
        match &mut self.positions[symbol] {
            Some(p) => p.add(&fill, isolated),
            None => {
                self.positions[symbol] = Some(Position::open(&fill, entry.levels, entry.tag, isolated));
                self.open += 1;
                self.opened(ms, symbol, entry.number);
            }
        }
        self.snap(symbol);
        self.set_levels(bar, symbol);
        self.solve_liquidation(symbol);
        self.owed_by_fill(bar, symbol, qty);
        left
    }

    /// The largest quantity in whole steps, no more than `whole`, that fits.
    fn largest(&self, symbol: usize, whole: f64, fits: impl Fn(f64) -> bool) -> f64 {
        let (mut low, mut high) = (0.0, whole);
        loop {
            let middle = self.floor_to_step(symbol, f64::midpoint(low, high));
            if middle <= low || middle >= high {
                return low;
            }
            if fits(middle) { low = middle } else { high = middle }
        }
    }

    /// The quantity of a position as the decimal number that it is.
    fn snap(&mut self, symbol: usize) {
        let exact = self.positions[symbol].as_ref().map(|p| self.nearest_step(symbol, p.qty));
        if let (Some(p), Some(qty)) = (&mut self.positions[symbol], exact) {
            p.qty = qty;
        }
    }

    /// Puts the levels of a position that follow its average where they belong after a fill.
    fn set_levels<B: Bar>(&mut self, bar: &B, symbol: usize) {
        let Some(p) = &self.positions[symbol] else { return };
        let fresh = p.adds == 0;
        let at = |level: Level, way: f64, now: f64| match level {
            Level::Average(_) => self.level(bar, symbol, p.price_of(level, way)),
            Level::Price(_) if fresh => self.level(bar, symbol, p.price_of(level, way)),
            _ => now,
        };
        let (stop, take) = (at(p.levels.stop, -1.0, p.stop), at(p.levels.take, 1.0, p.take));
        if let Some(p) = &mut self.positions[symbol] {
            (p.stop, p.take) = (stop, take);
        }
    }

    /// The fee of a fill, USDT.
    pub(super) fn fee(&self, symbol: usize, notional: f64, maker: bool) -> f64 {
        let rules = &self.rules[symbol];
        notional * if maker { rules.maker_fee } else { rules.taker_fee }
    }

    fn pay_fee(&mut self, ms: i64, symbol: usize, fee: f64) {
        self.counts.fees_usdt += fee;
        self.counts.fills += 1;
        self.cash(ms, symbol, CashKind::Fee, -fee);
    }

    /// Closes a position at a price. What stood in the book pays the maker's fee; everything else the taker's.
    pub(super) fn exit(&mut self, ms: i64, symbol: usize, price: f64, rule: Rule) {
        self.exit_as(ms, symbol, price, rule, 0);
    }

    /// [`Account::exit`] by an order with a name.
    pub(super) fn exit_as(&mut self, ms: i64, symbol: usize, price: f64, rule: Rule, tag: Tag) {
        let Some(mut p) = self.positions[symbol].take() else { return };
        self.open -= 1;
        let fee = self.fee(symbol, p.qty * price, rule.is_maker());
        self.recorder.order(ms, symbol, -p.side, p.qty, rule, Outcome::Filled);
        self.recorder.fill(ms, symbol, -p.side, p.qty, price, fee);
        let pnl = p.side * p.qty * (price - p.entry);
        self.cash(ms, symbol, CashKind::RealisedPnl, pnl);
        self.pay_fee(ms, symbol, fee);
        p.fees += fee;
        self.cover(ms, symbol, p.wallet + pnl - fee);
        let net = p.realised + pnl - p.fees + p.funding;
        self.close_trade(ms, symbol, &p, price, (rule, tag), net);
    }

    /// What an isolated position loses beyond its wallet, and beyond what the account has, is the insurance fund's.
    fn cover(&mut self, ms: i64, symbol: usize, left: f64) {
        if self.terms.mode == MarginMode::Isolated && left < 0.0 {
            self.counts.insurance_usdt -= left;
            self.cash(ms, symbol, CashKind::Insurance, -left);
        }
    }

    /// Takes a part of a position at a price; all of it when nothing would be left.
    pub(super) fn reduce(&mut self, ms: i64, symbol: usize, qty: f64, price: f64, (rule, tag): (Rule, Tag)) {
        let Some(p) = &mut self.positions[symbol] else { return };
        if qty >= p.qty {
            return self.exit_as(ms, symbol, price, rule, tag);
        }
        let side = p.side;
        let rules = &self.rules[symbol];
        let fee = qty * price * if rule.is_maker() { rules.maker_fee } else { rules.taker_fee };
        let wallet = p.wallet;
        let pnl = p.part(qty, price, fee);
        let released = wallet - p.wallet;
        // What a part loses beyond its share comes out of the rest of the wallet first.
        let short = (released + pnl - fee).min(0.0);
        let rest = (-short).min(p.wallet.max(0.0));
        p.wallet -= rest;
        self.recorder.order(ms, symbol, -side, qty, rule, Outcome::Filled);
        self.recorder.fill(ms, symbol, -side, qty, price, fee);
        self.cash(ms, symbol, CashKind::RealisedPnl, pnl);
        self.pay_fee(ms, symbol, fee);
        self.cover(ms, symbol, short + rest);
        self.snap(symbol);
        self.solve_liquidation(symbol);
    }

    /// What an isolated liquidation leaves of a position where it is done in parts: the exchange sells down to the next
    /// lower bracket, with the liquidation fee, and stops when the rest holds. Gives whether something is left; in the
    /// lowest bracket nothing is.
    fn liquidate_parts(&mut self, ms: i64, symbol: usize) -> bool {
        loop {
            let Some(p) = &self.positions[symbol] else { return false };
            let (side, price, rules) = (p.side, p.liquidation, &self.rules[symbol]);
            if price <= 0.0 {
                return false;
            }
            let notional = p.qty * price;
            let Some(bracket) = rules.brackets.table().iter().rfind(|b| b.floor < notional) else { return false };
            let left = self.floor_to_step(symbol, bracket.floor / price);
            if bracket.floor == 0.0 || left <= 0.0 || left >= p.qty {
                return false;
            }
            let part = self.nearest_step(symbol, p.qty - left);
            let fee = part * price * rules.liquidation_fee;
            let Some(p) = &mut self.positions[symbol] else { return false };
            let (wallet, margin) = (p.wallet, p.initial_margin);
            let pnl = p.part(part, price, fee);
            // No share of the wallet is released: it pays for what is sold.
            (p.wallet, p.initial_margin) = (wallet + pnl - fee, margin * left / (left + part));
            let holds = p.wallet + side * left * (price - p.entry) > rules.brackets.maintenance(left * price);
            self.counts.liquidations += 1;
            self.counts.fills += 1;
            self.counts.fees_usdt += fee;
            self.recorder.order(ms, symbol, -side, part, Rule::Liquidation, Outcome::Filled);
            self.recorder.fill(ms, symbol, -side, part, price, fee);
            self.cash(ms, symbol, CashKind::RealisedPnl, pnl);
            self.cash(ms, symbol, CashKind::Liquidation, -fee);
            self.snap(symbol);
            if holds {
                self.solve_liquidation(symbol);
                return true;
            }
        }
    }

    /// Isolated liquidation: the position's whole wallet is lost, whatever its sign. Funding may have taken it
    /// below zero while profit that was not realised held the position up.
    pub(super) fn liquidate_isolated(&mut self, ms: i64, symbol: usize) {
        // The exchange takes open orders back first; what waits for an entry on its way to the open was never sent.
        let coming = self.pending[symbol].entry.map_or(0, |e| e.number);
        self.remove(ms, symbol, Outcome::Cancelled, |o| o.waits == 0 || o.waits != coming);
        if self.costs.partial && self.liquidate_parts(ms, symbol) {
            return;
        }
        let Some(p) = self.positions[symbol].take() else { return };
        self.open -= 1;
        self.counts.liquidations += 1;
        self.counts.fills += 1;
        let (lost, price) = (p.wallet, if p.liquidation > 0.0 { p.liquidation } else { p.entry });
        self.recorder.order(ms, symbol, -p.side, p.qty, Rule::Liquidation, Outcome::Filled);
        self.recorder.fill(ms, symbol, -p.side, p.qty, price, 0.0);
        self.cash(ms, symbol, CashKind::Liquidation, -lost);
        let net = p.realised + p.funding - p.fees - lost;
        self.close_trade(ms, symbol, &p, price, (Rule::Liquidation, 0), net);
    }

    /// Cross liquidation of one position at a mark price, with slippage and the liquidation fee.
    pub(super) fn liquidate_cross<B: Bar>(&mut self, bar: &B, symbol: usize, mark: f64) {
        let ms = bar.time();
        let Some(mut p) = self.positions[symbol].take() else { return };
        self.open -= 1;
        self.counts.liquidations += 1;
        self.counts.fills += 1;
        self.remove(ms, symbol, Outcome::Cancelled, |_| true);
        let price = self.worse(bar, symbol, mark, -p.side, p.qty);
        let fee = p.qty * price * self.rules[symbol].liquidation_fee;
        self.recorder.order(ms, symbol, -p.side, p.qty, Rule::Liquidation, Outcome::Filled);
        self.recorder.fill(ms, symbol, -p.side, p.qty, price, fee);
        let pnl = p.side * p.qty * (price - p.entry);
        self.cash(ms, symbol, CashKind::RealisedPnl, pnl);
        self.cash(ms, symbol, CashKind::Liquidation, -fee);
        self.counts.fees_usdt += fee;
        p.fees += fee;
        let net = p.realised + pnl - p.fees + p.funding;
        self.close_trade(ms, symbol, &p, price, (Rule::Liquidation, 0), net);
    }

    fn close_trade(&mut self, ms: i64, symbol: usize, p: &Position, price: f64, why: (Rule, Tag), pnl_usdt: f64) {
        // The exit price itself was seen, whichever way it lies.
        let (low, high) = (p.adverse.min(p.favourable).min(price), p.adverse.max(p.favourable).max(price));
        let (adverse, favourable) = if p.side > 0.0 { (low, high) } else { (high, low) };
        let (entry, exit) = (p.average_entry(), p.average_exit(price));
        self.trades.push(Trade {
            symbol,
            side: if p.side > 0.0 { "long" } else { "short" },
            qty: p.entered,
            leverage: p.leverage,
            entry_ms: p.entry_ms,
            entry_bar: p.entry_bar,
            entry,
            exit_ms: ms,
            exit,
            rule: why.0,
            tag: p.tag,
            exit_tag: why.1,
            adds: p.adds,
            parts: p.parts,
            liquidation: (!p.liquidation.is_nan()).then_some(p.liquidation),
            bars: self.bar + usize::from(!self.at_open) - p.entry_bar,
            fees_usdt: p.fees,
            funding_usdt: p.funding,
            pnl_usdt,
            mae: (p.side * (adverse / entry - 1.0)).min(0.0),
            mfe: (p.side * (favourable / entry - 1.0)).max(0.0),
        });
        let profit = p.side * (exit / entry - 1.0);
        let (side, bar) = (p.side, self.bar + usize::from(!self.at_open));
        self.last[symbol] = Some(Last { side, bar, profit, pnl_usdt, rule: why.0, tag: p.tag });
        self.losses_in_row = if pnl_usdt < 0.0 { self.losses_in_row + 1 } else { 0 };
        self.closed(ms, symbol);
    }

    /// The price of a market order at the open.
    pub(super) fn at_market<B: Bar>(&self, bar: &B, symbol: usize, side: f64, qty: f64) -> f64 {
        self.worse(bar, symbol, bar.get(symbol, Field::Open), side, qty)
    }
}
