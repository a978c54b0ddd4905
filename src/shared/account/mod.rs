//! The bar state machine: fills, fees, funding, margin, liquidation. One implementation, used by
//! research and production alike.
//!
//! The order inside a bar, adverse first:
//!
//! 1. positions of a symbol that has no bars any more are closed at its last mark price, with the taker fee and
//!    without slippage; funding due at the bar's opening time, on the mark price, to positions held through the previous close;
//! 2. at the open: liquidation and stops that the opening price has jumped over, then exits, then
//!    entries decided at the previous close, with slippage, symbols in their fixed order;
//! 3. inside the bar: first the funding that settles inside it and that a position owes, since it may be
//!    closed before or after that moment; liquidation on the mark price, stop loss, trailing stop, take
//!    profit; a position entered at this open is exposed too; then the funding that settled in favour of a
//!    position that has stood the whole bar. A settlement without a mark of its own takes the bar's first;
//!    stops fill with slippage, a take profit at its level, all as taker;
//! 4. at the close: mark to market, margin, and decisions for the next open: the quantity of an entry is equity ·
//!    margin fraction · leverage / last price, at this close, in whole steps.
//!
//! Isolated liquidation loses the position's whole wallet (realised funding included). Cross
//! liquidation judges the whole account on the worst marks of the bar and closes everything there,
//! with slippage and the liquidation fee; a wallet below zero is made good by the insurance fund.

mod close;
mod fill;
mod funding;
mod intrabar;
mod margin;
mod open;
pub mod record;
mod terms;
#[cfg(test)]
mod tests;

pub use terms::Terms;

use crate::market::{Bar, Field};
use crate::rulebook::{InForce, Rulebook, RulebookError};
use crate::strategy::{Bound, Signals};
use record::{CashKind, Recorder, Rule, Trade};
use serde::{Deserialize, Serialize};

/// What a run assumes beside the strategy and the rule book.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assumptions {
    /// Wallet at the start, USDT.
    pub initial_cash_usdt: f64,
    /// Market orders fill this much worse than the price, in hundredths of a percent.
    pub slippage_bps: f64,
}

/// An open position of one symbol (one-way mode).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Position {
    /// +1 long, −1 short.
    side: f64,
    qty: f64,
    entry: f64,
    entry_ms: i64,
    entry_bar: usize,
    leverage: f64,
    /// Initial margin, USDT.
    initial_margin: f64,
    /// Isolated wallet, USDT; unused in cross.
    wallet: f64,
    /// Isolated liquidation price, NaN when there is none.
    liquidation: f64,
    stop: f64,
    take: f64,
    trail: f64,
    /// Best price seen, for the trailing stop.
    best: f64,
    /// Furthest prices against and for the position.
    adverse: f64,
    favourable: f64,
    fees: f64,
    funding: f64,
}

/// An order decided at the previous close.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Pending {
    exit: Option<Rule>,
    entry: Option<Entry>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Entry {
    side: f64,
    qty: f64,
    signals: Signals,
}

/// The account of one run.
#[derive(Debug)]
pub struct Account<'r> {
    book: &'r Rulebook,
    /// What holds for each symbol.
    rules: Vec<InForce>,
    /// The symbols of which that is not known: an error as soon as they have bars.
    unknown: Vec<(usize, RulebookError)>,
    rules_until_ms: i64,
    /// The last mark price of each symbol, for one that has no more bars.
    last_mark: Vec<f64>,
    symbols: Vec<String>,
    terms: Terms,
    wanted_stops: Vec<[bool; 3]>,
    slippage: f64,
    /// Wallet balance, isolated wallets included, USDT.
    wallet: f64,
    positions: Vec<Option<Position>>,
    open: usize,
    pending: Vec<Pending>,
    any_pending: bool,
    bar: usize,
    recorder: Recorder,
    trades: Vec<Trade>,
    equity: Vec<f64>,
    margin_usage: Vec<f64>,
    counts: Counts,
}

/// Totals of a run.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Fees paid, USDT.
    pub fees_usdt: f64,
    /// Funding received less paid, USDT.
    pub funding_usdt: f64,
    /// Positions liquidated.
    pub liquidations: u32,
    /// Entries that were not filled.
    pub rejected: u32,
    /// Bars with a position.
    pub exposed_bars: u32,
    /// Fills of any kind.
    pub fills: u32,
}

/// What a run leaves behind.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Closed trades in order of their exit.
    pub trades: Vec<Trade>,
    /// Equity at each close, USDT. The initial equity is not part of it.
    pub equity: Vec<f64>,
    /// Initial margin in use / equity at each close; empty unless recorded.
    pub margin_usage: Vec<f64>,
    /// Orders, fills and cash in order; empty unless recorded.
    pub records: Vec<record::Record>,
    /// Hash of the canonical stream of orders, fills and cash.
    pub stream_hash: assay_ledger::Hash,
    /// Totals.
    pub counts: Counts,
    /// Wallet at the start, USDT.
    pub initial_usdt: f64,
}

impl<'r> Account<'r> {
    /// An account for a bound strategy. `record` keeps every order, fill and cash flow; the hash
    /// is taken either way.
    ///
    /// # Errors
    /// A rule book that does not cover the symbols at `start_ms`.
    pub fn new(
        bound: &Bound,
        book: &'r Rulebook,
        assumptions: &Assumptions,
        start_ms: i64,
        record: bool,
    ) -> Result<Account<'r>, RulebookError> {
        let n = bound.symbols.len();
        let mut account = Account {
            book,
            rules: Vec::with_capacity(n),
            unknown: Vec::new(),
            rules_until_ms: i64::MIN,
            last_mark: vec![f64::NAN; n],
            symbols: bound.symbols.clone(),
            terms: Terms::of(bound),
            wanted_stops: bound.outputs.iter().map(|o| o.stops.map(|s| s.is_some())).collect(),
            slippage: assumptions.slippage_bps / 10_000.0,
            wallet: 0.0,
            positions: vec![None; n],
            open: 0,
            pending: vec![Pending::default(); n],
            any_pending: false,
            bar: 0,
            recorder: Recorder::new(record),
            trades: Vec::new(),
            equity: Vec::new(),
            margin_usage: Vec::new(),
            counts: Counts::default(),
        };
        account.apply_rules(start_ms);
        account.cash(start_ms, 0, CashKind::Deposit, assumptions.initial_cash_usdt);
        Ok(account)
    }

    /// Takes the rules in force and, for open positions, solves their liquidation again: a new
    /// bracket table applies to them from its first day.
    fn apply_rules(&mut self, ms: i64) {
        self.rules.clear();
        self.unknown.clear();
        for (symbol, name) in self.symbols.iter().enumerate() {
            let known = self.book.in_force(name, ms);
            self.rules.push(known.unwrap_or_else(|e| {
                self.unknown.push((symbol, e));
                InForce::unknown()
            }));
        }
        self.rules_until_ms = self.book.next_change(ms);
        for symbol in 0..self.positions.len() {
            self.solve_liquidation(symbol);
        }
    }

    /// Refuses a bar of a symbol of which the rules are not known.
    fn covered<B: Bar>(&self, bar: &B) -> Result<(), RulebookError> {
        let traded = |symbol: usize| !bar.get(symbol, Field::Open).is_nan();
        match self.unknown.iter().find(|(symbol, _)| traded(*symbol)) {
            Some((_, why)) => Err(why.clone()),
            None => Ok(()),
        }
    }

    /// Takes one closed bar and the signals at its close.
    ///
    /// # Errors
    /// A rule book that does not cover this bar.
    pub fn step<B: Bar>(&mut self, bar: &B, signals: impl Fn(usize) -> Signals) -> Result<(), RulebookError> {
        if bar.time() >= self.rules_until_ms {
            self.apply_rules(bar.time());
        }
        self.covered(bar)?;
        if self.open > 0 {
            self.close_delisted(bar);
            self.settle_at_open(bar);
            self.gaps_at_open(bar);
        }
        if self.any_pending {
            self.orders_at_open(bar);
        }
        if self.open > 0 {
            self.owed_inside(bar);
            self.inside(bar);
            self.gained_inside(bar);
        }
        self.mark_to_market(bar);
        self.decide(bar, signals);
        self.bar += 1;
        Ok(())
    }

    /// Ends the run: what is still open is closed at the last close, with slippage and fee.
    pub fn finish<B: Bar>(mut self, last: &B) -> Run {
        self.bar = self.bar.saturating_sub(1);
        for symbol in 0..self.positions.len() {
            if let Some(p) = &self.positions[symbol] {
                let price = self.worse(last.get(symbol, Field::Close), -p.side);
                self.exit(last.time(), symbol, price, Rule::WindowEnd);
            }
        }
        if let Some(e) = self.equity.last_mut() {
            *e = self.wallet;
        }
        let initial_usdt = self.recorder.first_cash();
        let (records, stream_hash) = self.recorder.finish();
        Run {
            trades: self.trades,
            equity: self.equity,
            margin_usage: self.margin_usage,
            records,
            stream_hash,
            counts: self.counts,
            initial_usdt,
        }
    }

    /// Changes the wallet; every change is an entry of the stream.
    fn cash(&mut self, ms: i64, symbol: usize, kind: CashKind, amount: f64) {
        self.wallet += amount;
        self.recorder.cash(ms, symbol, kind, amount, self.wallet);
    }

    /// A price made worse by the slippage for an order of the given side (+1 buy, −1 sell).
    fn worse(&self, price: f64, side: f64) -> f64 {
        price * (1.0 + side * self.slippage)
    }
}
