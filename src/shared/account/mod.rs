//! The bar state machine: fills, fees, funding, margin, liquidation. One implementation, used by research and
//! production alike.
//!
//! The order inside a bar, adverse first:
//!
//! 1. positions of a symbol that has no bars any more are closed at its last mark price, with the taker fee and
//!    without slippage; funding due at the bar's opening time, on the mark price, to positions held through the
//!    previous close;
//! 2. at the open: liquidations, stops and take profits that the opening price has jumped over (of one that jumps over
//!    both, the liquidation: an isolated position cannot lose more than its wallet), then exits, then
//!    entries decided at the previous close, with slippage, symbols in their fixed order;
//! 3. inside the bar: first the funding that settles inside it and that a position owes, since it may be
//!    closed before or after that moment (so does what is filled inside it); then what lies against a position, the
//!    nearer to the open first: a stop
//!    in front of the liquidation price is filled before it. Then the take profit; a position entered at
//!    this open is exposed too; then the funding that settled in favour of a position that has stood the whole bar.
//!    A settlement without a mark of its own takes the bar's first. Where finer bars show the path of every symbol
//!    that has a position, they are gone through in this order instead, all symbols together: what they open beyond
//!    is jumped over, and funding settles at its moment;
//! 4. at the close: mark to market, margin, and decisions for the next open: the quantity of an entry is equity ·
//!    margin fraction · leverage / last price, at this close, in whole steps.
//!
//! Market orders and stops fill with slippage, as taker. A take profit is a limit order: it fills at its level when the
//! price trades through it, at the open when that is beyond it, as maker; a price that only touches it fills nothing.
//! Prices lie on the symbol's tick where the bar's open does: market fills on the tick that is not better, levels on
//! the nearest one. A level that the price is beyond already when it comes into force, such as a stop above a long's
//! entry, is reached at once, where the price is.
//!
//! Signals: both entries at once contradict each other, and neither is taken. An exit beats an entry of the same side
//! at the same close; an entry of the other side closes the position and opens the other one at the same open. A flat
//! account takes an entry though an exit of that side is signalled too. An entry whose margin and fee the free margin
//! at the opening marks does not cover is refused, and so is one at a leverage that the exchange does not allow at any
//! size. Caps (`max_position_size`, the bracket's notional at that leverage) cut an entry at its fill,
//! `max_concurrent_positions` refuses it there.
//!
//! Isolated liquidation loses the position's whole wallet (realised funding included), whatever its sign; where parts
//! are assumed it sells down to the next lower bracket at the liquidation price, the liquidation fee on what is sold,
//! until the rest holds, and loses the wallet from the lowest bracket; what is left may be liquidated again further on
//! in the same bar. Cross liquidation judges the whole account: at the open on the opening marks; inside a bar it is
//! *safe* when it survives the way of each symbol to its own worst, *dead* when it does not survive the way of all to
//! their lows or of all to their highs, and *undecided* between the two: it lives, and the bar is counted. On such a
//! way all prices go from open to extreme in step; what a stop or a target closes on it, before the account dies, is
//! closed there. A dead one closes the rest at the marks' extremes, with slippage and the liquidation fee; a wallet
//! below zero is made good by the insurance fund.
//!
//! **Orders** are asked for at a close ([`step_with`](Account::step_with)) and stand from the next open on. A limit
//! order fills when the price trades through it, at its price as maker; where the open lies beyond it already it fills
//! there, as taker at the first open, with slippage up to its price, and as maker later. A stop order becomes a market
//! order when the price touches it. They expire at the end of their last bar. At an open whole exits come first, then
//! what takes parts, then entries at the market, then orders that belong together, then whatever else opens, adds or
//! turns: each in the order of the symbols and then of the asking. Of several market entries of one close the first is
//! taken. Inside a bar what lies nearer to the open comes first, what is against a position before what is for it,
//! orders before a stop at the same price. What fills inside a bar may still see the whole extreme against it, and of
//! what is for it the close only. A symbol whose position was closed fills nothing more in that bar. On the way of a
//! cross account orders fill as they would alone, with their margin, before it is judged again. Of the entries that
//! stand the first to fill takes the others back; a closed position takes its own orders along, a liquidation all of
//! the symbol. An order that takes more than there is takes what there is. An entry of the other side closes what
//! stands and opens its own, each as its own part; one whose size is not known or less than a step is refused whole and
//! closes nothing. At an open that closing comes with the exits, before any entry. A part that would leave less than
//! the minimum notional takes all. What comes *with an entry* belongs to the one asked for before it at the same close,
//! is gone with it, and grows old only from its fill on. During a *cool-down* a symbol takes no entry of any kind:
//! those that stand wait, and one of the other side only closes; what was to fill at an open in it is refused. Of `n`
//! bars: closed at the open of one, the symbol takes entries again at that of the `n`-th after it; closed inside one, a
//! bar later. What asks for nothing (an entry of the position's own side, or one whose open lies in a cool-down, a part
//! of no position, a target within its band or a step) leaves no record. Orders taken back at a close are those in the
//! book and what was carried over: what is on its way to the open for the first time is not. A close of the whole
//! position (an exit, an entry of the other side, a time exit, a part of one, a target of nothing or of the other side)
//! takes back what was carried over of entries and adds, and nothing more of them is carried while it goes on; it goes
//! on until it is done. A symbol without bars has no orders any more. Of a close the orders are taken up first, then
//! the target weights. There is one position a symbol (one-way mode): hedge mode is absent.
//!
//! **Adds** average the entry; levels that are fractions follow the average at each fill, prices stay. A part takes its
//! share of margin and isolated wallet along. A position is one trade, whatever the number of its fills; its entry is
//! the average of all that was entered, its exit of all that was taken. An add has the leverage of its position. A stop
//! that is looked at again never goes further away unless that is said, nor does one that follows by steps.
//!
//! **Target weights** are signed notional over equity at the close; inside the band nothing is traded, beyond it to the
//! weight itself, and what is left of an earlier target is taken back; of a symbol that is named twice the last weight
//! holds. Orders that belong together fill whole or not at all (of a leg that takes, what there is), tried at the open
//! after its exits and entries, group after group on what the one before has left; where one of them cannot be traded
//! at the close already, none is. **Loss limits** look at the close: what is open is closed at the next open, and
//! orders are taken back. A day's equity begins with that of the last close of the day before, and the close at
//! midnight belongs to the day that ends. Losses in a row are counted from nothing again on the day after they have
//! reached their limit, whichever limit halted it first that day.
//!
//! No order is more than the assumed share of the last closed bar's **volume**, where one is assumed and the data have
//! volume: the rest of an entry is refused or carried over (of a limit order at its price), that of an exit always
//! carried over. Several orders of a bar each have that share. Stops, targets and liquidations are taken whole. Impact
//! is that of what trades. An entry of the other side that may not close all of what stands is refused where it is a
//! limit or stop order; at the market it closes what it may, and opens nothing. Slippage leaves a price at least a
//! tick, and a hundredth of itself on the tick below. What an isolated position loses beyond its wallet the insurance
//! fund gives, and what a flat account is below zero.
//!
//! Stops and targets look at traded prices, liquidation at marks; a stop and a liquidation price are compared as they
//! are. Distances are taken from the fill's price; a trailing stop from the best price up to the bar before. Several
//! symbols at several leverages are judged by the highest.
//!
//! An account that is flat and has less than the margin of the smallest position that may be opened, in whole steps, is
//! *ruined*: it stops there.
//!
//! A time of a fill is the opening time of the bar, or of the finer bar where those show the path, in which it happens;
//! what is open when a window ends is closed at the last close, with slippage and fee, and has the last bar's time. A
//! rule of a stop or target with `-gap` means that an open lay beyond it: of a trailing stop often, since it moves with
//! the last bar's best price. An isolated liquidation has its own price, whatever the mark. Cash of the kind
//! `liquidation` is the wallet that was lost, or the fee of a cross or partial one, which is among the fees too.
//! Deposit, profits of all trades and what the insurance fund gave are the balance at the end.
//!
//! A trade's `mae` and `mfe` are the furthest prices from its entry to its exit, the exit's included, of the exit's bar
//! only as far as the path went; `bars` counts those in which the position stood, so an exit at an open does not count
//! that bar (one at the open of a finer bar does). A bar is exposed when a position stands at its close, and so is a
//! window's last one when one was closed for its end.
//!
mod asked;
mod book;
mod capacity;
mod close;
pub mod coast;
mod costs;
mod cross;
mod fill;
mod funding;
mod grid;
mod held;
mod intrabar;
mod legs;
mod limits;
mod margin;
mod open;
mod path;
mod position;
pub mod record;
mod resting;
mod run;
pub mod signals;
mod terms;
#[cfg(test)]
mod tests;
pub mod view;
mod walk;

pub use costs::{Assumptions, Impact};
pub use held::{Held, Last};
pub use record::Rule;
pub use run::{Counts, Mark, Run, Unbalanced, Window};
pub use signals::Signals;
pub use terms::{LossLimits, MarginMode, Terms};

use crate::market::{Bar, Field};
use crate::order::Orders;
use crate::rulebook::{InForce, Rulebook, RulebookError};
use costs::{Costs, Depth};
use position::Position;
use record::{CashKind, Recorder, Trade};
use resting::{Pending, Resting};
use terms::Halt;

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
    terms: Terms,
    costs: Costs,
    /// How much the last closed bar of each symbol would have taken.
    depth: Vec<Depth>,
    /// Wallet balance, isolated wallets included, USDT.
    wallet: f64,
    positions: Vec<Option<Position>>,
    open: usize,
    pending: Vec<Pending>,
    any_pending: bool,
    /// Orders that stand, symbol by symbol, and how many they are in all.
    book_of: Vec<Vec<Resting>>,
    standing: usize,
    /// Numbers given to orders, and to those that belong together.
    numbers: u32,
    groups: u32,
    /// The last entry of each symbol that was asked for at this close: its number, side and leverage.
    entry_of: Vec<Option<(u32, f64, f64)>>,
    /// What is asked for at a close; kept to be filled again.
    orders: Orders,
    /// The last position of each symbol that was closed.
    last: Vec<Option<Last>>,
    losses_in_row: u32,
    halt: Halt,
    /// The highest equity at a close so far, USDT.
    peak: f64,
    bar: usize,
    /// What happens now happens at the bar's open.
    at_open: bool,
    /// Or between an open and a close, nobody knows when.
    within: bool,
    /// Until which bars the wallet was what; kept to be filled again.
    wallets: Vec<(usize, f64)>,
    /// When it could not trade any more.
    ruined_ms: Option<i64>,
    recorder: Recorder,
    trades: Vec<Trade>,
    equity: Vec<f64>,
    margin_usage: Vec<f64>,
    counts: Counts,
}

impl<'r> Account<'r> {
    /// An account under some terms. `record` keeps every order, fill and cash flow; the hash
    /// is taken either way.
    ///
    /// # Errors
    /// A rule book that does not cover the symbols at `start_ms`.
    pub fn new(
        terms: Terms,
        book: &'r Rulebook,
        assumptions: &Assumptions,
        start_ms: i64,
        record: bool,
    ) -> Result<Account<'r>, RulebookError> {
        let n = terms.symbols.len();
        let mut account = Account {
            book,
            rules: Vec::with_capacity(n),
            unknown: Vec::new(),
            rules_until_ms: i64::MIN,
            last_mark: vec![f64::NAN; n],
            terms,
            costs: Costs::of(assumptions),
            depth: vec![Depth::UNKNOWN; n],
            wallet: 0.0,
            positions: vec![None; n],
            open: 0,
            pending: vec![Pending::default(); n],
            any_pending: false,
            book_of: vec![Vec::new(); n],
            standing: 0,
            groups: 0,
            orders: Orders::default(),
            last: vec![None; n],
            losses_in_row: 0,
            halt: Halt::new(assumptions.initial_cash_usdt),
            peak: assumptions.initial_cash_usdt,
            bar: 0,
            at_open: true,
            within: false,
            numbers: 0,
            entry_of: vec![None; n],
            wallets: Vec::new(),
            ruined_ms: None,
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

    /// Makes room for so many bars: an equity that grows is copied again and again.
    #[must_use]
    pub fn expecting(mut self, bars: usize) -> Account<'r> {
        self.equity.reserve_exact(bars);
        self.margin_usage.reserve_exact(if self.recorder.keeps() { bars } else { 0 });
        self
    }

    /// Takes the rules in force and, for open positions, solves their liquidation again: a new
    /// bracket table applies to them from its first day.
    fn apply_rules(&mut self, ms: i64) {
        self.rules.clear();
        self.unknown.clear();
        for (symbol, name) in self.terms.symbols.iter().enumerate() {
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
        if self.pass(bar)? && !self.stopped_by_losses(bar) {
            self.decide(bar, signals);
        }
        self.bar += 1;
        Ok(())
    }

    /// Goes through a bar up to its close. Gives whether the account can go on.
    fn pass<B: Bar>(&mut self, bar: &B) -> Result<bool, RulebookError> {
        if bar.time() >= self.rules_until_ms {
            self.apply_rules(bar.time());
        }
        self.covered(bar)?;
        if self.ruined_ms.is_some() {
            self.equity.push(self.wallet);
            self.margin_usage.extend(self.recorder.keeps().then_some(0.0));
            return Ok(false);
        }
        self.at_open = true;
        if self.open > 0 || self.stands() {
            self.close_delisted(bar);
        }
        if self.open > 0 {
            self.settle_at_open(bar);
            self.gaps_at_open(bar);
        }
        if self.any_pending || self.stands() {
            self.orders_at_open(bar);
        }
        self.at_open = false;
        if self.open > 0 || self.stands() {
            self.walk(bar);
        }
        if self.stands() {
            self.age(bar);
        }
        self.look_at_depth(bar);
        self.mark_to_market(bar);
        Ok(self.ruined_ms.is_none())
    }

    /// How it stands after the bars so far: equity at each close, closed trades, totals.
    pub fn so_far(&self) -> Window<'_> {
        Window {
            initial_usdt: self.recorder.first_cash(),
            first_bar: 0,
            equity: &self.equity,
            trades: &self.trades,
            counts: self.counts,
        }
    }

    /// When it could not trade any more, milliseconds since 1970.
    pub fn ruined_ms(&self) -> Option<i64> {
        self.ruined_ms
    }

    /// Ends the run: what is still open is closed at the last close, with slippage and fee.
    pub fn finish<B: Bar>(mut self, last: &B) -> Run {
        self.bar = self.bar.saturating_sub(1);
        for symbol in 0..self.positions.len() {
            if let Some(p) = &self.positions[symbol] {
                let price = self.worse(last, symbol, last.get(symbol, Field::Close), -p.side, p.qty);
                self.exit(last.time(), symbol, price, Rule::WindowEnd);
            }
        }
        self.insure(last.time());
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
            ruined_ms: self.ruined_ms,
        }
    }

    /// Changes the wallet; every change is an entry of the stream.
    fn cash(&mut self, ms: i64, symbol: usize, kind: CashKind, amount: f64) {
        self.wallet += amount;
        self.recorder.cash(ms, symbol, kind, amount, self.wallet);
    }
}
