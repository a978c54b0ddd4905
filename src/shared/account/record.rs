//! The stream of a run: orders, fills and cash flows, and one hash over it.

use assay_ledger::Hash;
use serde::Serialize;
use sha2::{Digest, Sha256};

/// The rule that caused an order. Printed in every trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Rule {
    /// An entry signal at the previous close.
    SignalEntry = 1,
    /// An exit signal at the previous close.
    SignalExit = 2,
    /// An entry signal of the other side at the previous close.
    OppositeEntry = 3,
    /// The stop loss was touched inside the bar.
    StopLoss = 4,
    /// The bar opened beyond the stop loss.
    StopLossGap = 5,
    /// The trailing stop was touched inside the bar.
    TrailingStop = 6,
    /// The bar opened beyond the trailing stop.
    TrailingStopGap = 7,
    /// The take profit was touched inside the bar.
    TakeProfit = 8,
    /// The bar opened beyond the take profit.
    TakeProfitGap = 9,
    /// The mark price reached the liquidation price, or the account its maintenance margin.
    Liquidation = 10,
    /// The window ended.
    WindowEnd = 11,
    /// The symbol has no more bars: the exchange settles what is open at the mark price.
    Delisted = 12,
    /// A limit order that opens a position.
    LimitEntry = 13,
    /// A stop order that opens a position.
    StopEntry = 14,
    /// A market order that adds to a position.
    Add = 15,
    /// A limit order that adds to a position.
    LimitAdd = 16,
    /// A stop order that adds to a position.
    StopAdd = 17,
    /// A market order that takes from a position.
    Reduce = 18,
    /// A limit order that takes from a position.
    LimitExit = 19,
    /// A stop order that takes from a position.
    StopExit = 20,
    /// The position had stood as long as it may.
    TimeExit = 21,
    /// A limit on losses was reached.
    LossLimit = 22,
    /// A target weight.
    Target = 23,
    /// A limit order that opens a position of the other side.
    LimitOpposite = 24,
}

impl Rule {
    /// Whether the order stood in the book, and pays the maker's fee.
    pub fn is_maker(self) -> bool {
        use Rule::{LimitAdd, LimitEntry, LimitExit, LimitOpposite, TakeProfit, TakeProfitGap};
        matches!(self, TakeProfit | TakeProfitGap | LimitEntry | LimitAdd | LimitExit | LimitOpposite)
    }
}

/// What became of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Outcome {
    /// Filled in full.
    Filled = 0,
    /// Too many positions open.
    TooManyPositions = 1,
    /// Smaller than the symbol's minimum notional.
    BelowMinimum = 2,
    /// Not enough free margin.
    InsufficientMargin = 3,
    /// The leverage is not allowed at that size.
    LeverageNotAllowed = 4,
    /// The symbol has no bar at that moment.
    NotTrading = 5,
    /// It stands in the book.
    Placed = 6,
    /// It stood as long as it may.
    Expired = 7,
    /// It was taken back, or what it belongs to is gone.
    Cancelled = 8,
    /// More than the share of a bar's volume that one order may be: this part is not filled.
    AboveVolume = 9,
    /// Another leg that it belongs together with cannot be traded.
    LegRefused = 10,
    /// The symbol has closed a position too recently.
    CoolingDown = 11,
}

/// Why cash changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum CashKind {
    /// The initial deposit.
    Deposit = 0,
    /// A trading fee.
    Fee = 1,
    /// Funding.
    Funding = 2,
    /// Profit or loss of a closed position.
    RealisedPnl = 3,
    /// The isolated wallet lost, or the fee of a cross liquidation.
    Liquidation = 4,
    /// Made good by the insurance fund.
    Insurance = 5,
}

/// One entry of the stream. Times in milliseconds since 1970, amounts in USDT.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "record", rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Record {
    Order { ms: i64, symbol: usize, side: i8, qty: f64, rule: Rule, outcome: Outcome },
    Fill { ms: i64, symbol: usize, side: i8, qty: f64, price: f64, fee: f64 },
    Cash { ms: i64, symbol: usize, kind: CashKind, amount: f64, balance: f64 },
    Book { ms: i64, symbol: usize, side: i8, qty: f64, price: f64, rule: Rule, outcome: Outcome },
}

impl Record {
    /// When, milliseconds since 1970.
    pub fn ms(&self) -> i64 {
        match self {
            Record::Order { ms, .. } | Record::Fill { ms, .. } | Record::Cash { ms, .. } | Record::Book { ms, .. } => {
                *ms
            }
        }
    }
}

/// A closed trade.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trade {
    /// Index of the symbol.
    pub symbol: usize,
    /// `long` or `short`.
    pub side: &'static str,
    /// Quantity that was entered in all, base asset.
    pub qty: f64,
    /// Leverage.
    pub leverage: f64,
    /// Entry, milliseconds since 1970.
    pub entry_ms: i64,
    /// Number of its first bar in the run.
    pub entry_bar: usize,
    /// Average entry price, USDT.
    pub entry: f64,
    /// Exit, milliseconds since 1970.
    pub exit_ms: i64,
    /// Average exit price, USDT.
    pub exit: f64,
    /// Why it was closed; of several parts the last.
    pub rule: Rule,
    /// Name of the order that opened it, 0 for none.
    #[serde(skip_serializing_if = "is_none")]
    pub tag: u16,
    /// Name of the order that closed it.
    #[serde(skip_serializing_if = "is_none")]
    pub exit_tag: u16,
    /// Fills that added to it.
    #[serde(skip_serializing_if = "is_zero")]
    pub adds: u32,
    /// Fills that took a part of it.
    #[serde(skip_serializing_if = "is_zero")]
    pub parts: u32,
    /// Isolated liquidation price at its end, USDT; none in cross, and where no price does it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liquidation: Option<f64>,
    /// Bars held, entry bar included.
    pub bars: usize,
    /// Fees, USDT.
    pub fees_usdt: f64,
    /// Funding received less paid, USDT.
    pub funding_usdt: f64,
    /// Profit net of fees and funding, USDT.
    pub pnl_usdt: f64,
    /// Furthest move against the position as a fraction of the entry price, zero or less.
    pub mae: f64,
    /// Furthest move for the position as a fraction of the entry price, zero or more.
    pub mfe: f64,
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_none(tag: &u16) -> bool {
    *tag == 0
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// Hashes the stream as it comes, and keeps it when asked to.
#[derive(Debug)]
pub struct Recorder {
    hasher: Sha256,
    buffer: Vec<u8>,
    kept: Option<Vec<Record>>,
    first_cash: Option<f64>,
}

impl Recorder {
    /// A stream that is known, hashed with a prefix: nobody has its hash who does not have the stream.
    pub fn hash_with(prefix: &[u8], records: &[Record]) -> Hash {
        let hasher = Sha256::new_with_prefix([b"assay/keyed-stream/v1\0", prefix].concat());
        let mut all = Recorder { hasher, buffer: Vec::with_capacity(4096), kept: None, first_cash: None };
        records.iter().for_each(|record| all.push(*record));
        all.finish().1
    }

    /// An empty stream.
    pub fn new(keep: bool) -> Recorder {
        let hasher = Sha256::new_with_prefix(b"assay/stream/v1\0");
        Recorder { hasher, buffer: Vec::with_capacity(4096), kept: keep.then(Vec::new), first_cash: None }
    }

    fn push(&mut self, record: Record) {
        let out = &mut self.buffer;
        let number = |out: &mut Vec<u8>, v: f64| out.extend_from_slice(&crate::market::canonical_bits(v).to_be_bytes());
        match record {
            Record::Order { ms, symbol, side, qty, rule, outcome } => {
                out.push(1);
                out.extend_from_slice(&ms.to_be_bytes());
                out.extend_from_slice(&(symbol as u16).to_be_bytes());
                out.extend_from_slice(&[side as u8, rule as u8, outcome as u8]);
                number(out, qty);
            }
            Record::Fill { ms, symbol, side, qty, price, fee } => {
                out.push(2);
                out.extend_from_slice(&ms.to_be_bytes());
                out.extend_from_slice(&(symbol as u16).to_be_bytes());
                out.push(side as u8);
                [qty, price, fee].into_iter().for_each(|v| number(out, v));
            }
            Record::Cash { ms, symbol, kind, amount, balance } => {
                out.push(3);
                out.extend_from_slice(&ms.to_be_bytes());
                out.extend_from_slice(&(symbol as u16).to_be_bytes());
                out.push(kind as u8);
                [amount, balance].into_iter().for_each(|v| number(out, v));
            }
            Record::Book { ms, symbol, side, qty, price, rule, outcome } => {
                out.push(4);
                out.extend_from_slice(&ms.to_be_bytes());
                out.extend_from_slice(&(symbol as u16).to_be_bytes());
                out.extend_from_slice(&[side as u8, rule as u8, outcome as u8]);
                [qty, price].into_iter().for_each(|v| number(out, v));
            }
        }
        if self.buffer.len() > 3500 {
            self.hasher.update(&self.buffer);
            self.buffer.clear();
        }
        if let Some(kept) = &mut self.kept {
            kept.push(record);
        }
    }

    /// Adds an order.
    pub fn order(&mut self, ms: i64, symbol: usize, side: f64, qty: f64, rule: Rule, outcome: Outcome) {
        self.push(Record::Order { ms, symbol, side: side as i8, qty, rule, outcome });
    }

    /// Adds what becomes of an order that stands, or is to stand, in the book.
    pub fn book(&mut self, ms: i64, symbol: usize, order: (f64, f64, f64), rule: Rule, outcome: Outcome) {
        let (side, qty, price) = order;
        self.push(Record::Book { ms, symbol, side: side as i8, qty, price, rule, outcome });
    }

    /// Adds a fill.
    pub fn fill(&mut self, ms: i64, symbol: usize, side: f64, qty: f64, price: f64, fee: f64) {
        self.push(Record::Fill { ms, symbol, side: side as i8, qty, price, fee });
    }

    /// Adds a cash flow with the balance after it.
    pub fn cash(&mut self, ms: i64, symbol: usize, kind: CashKind, amount: f64, balance: f64) {
        self.first_cash.get_or_insert(amount);
        self.push(Record::Cash { ms, symbol, kind, amount, balance });
    }

    /// True when the records are kept.
    pub fn keeps(&self) -> bool {
        self.kept.is_some()
    }

    /// The initial deposit.
    pub fn first_cash(&self) -> f64 {
        self.first_cash.unwrap_or_default()
    }

    /// The kept records and the hash of all.
    pub fn finish(mut self) -> (Vec<Record>, Hash) {
        self.hasher.update(&self.buffer);
        (self.kept.unwrap_or_default(), Hash(self.hasher.finalize().into()))
    }
}
