//! Opening and closing positions.

use super::MarginMode;
use super::record::{CashKind, Outcome, Rule, Trade};
use super::{Account, Entry, Position};
use crate::market::{Bar, Field};

impl Account<'_> {
    /// Fills an entry at the open, or records why not.
    pub(super) fn enter<B: Bar>(&mut self, bar: &B, symbol: usize, entry: &Entry) {
        let price = self.worse(bar, symbol, bar.get(symbol, Field::Open), entry.side);
        let (rules, leverage) = (&self.rules[symbol], self.terms.leverage[symbol]);
        let cap = rules.brackets.max_notional(leverage).min(self.terms.max_size_usdt);
        let qty = self.floor_to_step(symbol, entry.qty.min(cap / price));
        let (notional, fee) = (qty * price, qty * price * rules.taker_fee);
        let margin = notional / leverage;
        let outcome = if self.open >= self.terms.max_positions {
            Outcome::TooManyPositions
        } else if cap <= 0.0 {
            Outcome::LeverageNotAllowed
        } else if qty <= 0.0 || notional < rules.filters.min_notional {
            Outcome::BelowMinimum
        } else if margin + fee > self.free_margin(bar) {
            Outcome::InsufficientMargin
        } else {
            Outcome::Filled
        };
        self.recorder.order(bar.time(), symbol, entry.side, qty, Rule::SignalEntry, outcome);
        if outcome != Outcome::Filled {
            self.counts.rejected += 1;
            return;
        }
        self.recorder.fill(bar.time(), symbol, entry.side, qty, price, fee);
        self.pay_fee(bar.time(), symbol, fee);
        let s = &entry.signals;
        let level = |fraction: f64, side: f64| self.level(bar, symbol, price * (1.0 + side * fraction));
        let (stop, take) = (level(s.stop_loss, -entry.side), level(s.take_profit, entry.side));
        self.positions[symbol] = Some(Position {
            side: entry.side,
            qty,
            entry: price,
            entry_ms: bar.time(),
            entry_bar: self.bar,
            leverage,
            initial_margin: margin,
            wallet: if self.terms.mode == MarginMode::Isolated { margin } else { 0.0 },
            liquidation: f64::NAN,
            stop,
            take,
            trail: s.trailing_stop,
            best: price,
            adverse: price,
            favourable: price,
            fees: fee,
            funding: 0.0,
        });
        self.open += 1;
        self.solve_liquidation(symbol);
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

    /// Closes a position at a price. A take profit is a limit order that stands in the book, and pays the maker's
    /// fee; everything else the taker's.
    pub(super) fn exit(&mut self, ms: i64, symbol: usize, price: f64, rule: Rule) {
        let Some(mut p) = self.positions[symbol].take() else { return };
        self.open -= 1;
        let fee = self.fee(symbol, p.qty * price, matches!(rule, Rule::TakeProfit | Rule::TakeProfitGap));
        self.recorder.order(ms, symbol, -p.side, p.qty, rule, Outcome::Filled);
        self.recorder.fill(ms, symbol, -p.side, p.qty, price, fee);
        let pnl = p.side * p.qty * (price - p.entry);
        self.cash(ms, symbol, CashKind::RealisedPnl, pnl);
        self.pay_fee(ms, symbol, fee);
        p.fees += fee;
        let net = pnl - p.fees + p.funding;
        self.close_trade(ms, symbol, &p, price, rule, net);
    }

    /// Isolated liquidation: the position's whole wallet is lost, whatever its sign. Funding may have taken it
    /// below zero while profit that was not realised held the position up.
    pub(super) fn liquidate_isolated(&mut self, ms: i64, symbol: usize) {
        let Some(p) = self.positions[symbol].take() else { return };
        self.open -= 1;
        self.counts.liquidations += 1;
        self.counts.fills += 1;
        let (lost, price) = (p.wallet, if p.liquidation.is_nan() { p.entry } else { p.liquidation });
        self.recorder.order(ms, symbol, -p.side, p.qty, Rule::Liquidation, Outcome::Filled);
        self.recorder.fill(ms, symbol, -p.side, p.qty, price, 0.0);
        self.cash(ms, symbol, CashKind::Liquidation, -lost);
        let net = p.funding - p.fees - lost;
        self.close_trade(ms, symbol, &p, price, Rule::Liquidation, net);
    }

    /// Cross liquidation of one position at a mark price, with slippage and the liquidation fee.
    pub(super) fn liquidate_cross<B: Bar>(&mut self, bar: &B, symbol: usize, mark: f64) {
        let ms = bar.time();
        let Some(mut p) = self.positions[symbol].take() else { return };
        self.open -= 1;
        self.counts.liquidations += 1;
        self.counts.fills += 1;
        let price = self.worse(bar, symbol, mark, -p.side);
        let fee = p.qty * price * self.rules[symbol].liquidation_fee;
        self.recorder.order(ms, symbol, -p.side, p.qty, Rule::Liquidation, Outcome::Filled);
        self.recorder.fill(ms, symbol, -p.side, p.qty, price, fee);
        let pnl = p.side * p.qty * (price - p.entry);
        self.cash(ms, symbol, CashKind::RealisedPnl, pnl);
        self.cash(ms, symbol, CashKind::Liquidation, -fee);
        self.counts.fees_usdt += fee;
        p.fees += fee;
        let net = pnl - p.fees + p.funding;
        self.close_trade(ms, symbol, &p, price, Rule::Liquidation, net);
    }

    fn close_trade(&mut self, ms: i64, symbol: usize, p: &Position, price: f64, rule: Rule, pnl_usdt: f64) {
        // The exit price itself was seen, whichever way it lies.
        let (low, high) = (p.adverse.min(p.favourable).min(price), p.adverse.max(p.favourable).max(price));
        let (adverse, favourable) = if p.side > 0.0 { (low, high) } else { (high, low) };
        self.trades.push(Trade {
            symbol,
            side: if p.side > 0.0 { "long" } else { "short" },
            qty: p.qty,
            leverage: p.leverage,
            entry_ms: p.entry_ms,
            entry_bar: p.entry_bar,
            entry: p.entry,
            exit_ms: ms,
            exit: price,
            rule,
            bars: self.bar + usize::from(!self.at_open) - p.entry_bar,
            fees_usdt: p.fees,
            funding_usdt: p.funding,
            pnl_usdt,
            mae: (p.side * (adverse / p.entry - 1.0)).min(0.0),
            mfe: (p.side * (favourable / p.entry - 1.0)).max(0.0),
        });
    }
}
