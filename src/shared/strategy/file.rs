//! The strategy file in its working form, as TOML reads it.

use super::space::Range;
use crate::account::{LossLimits, MarginMode};
use crate::format::tree::Table;
use std::collections::BTreeMap;
use toml::Spanned;

/// An expression's text; a bare number is allowed too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(pub String);

/// An expression and its place in the file.
pub type Placed = Spanned<Text>;

/// Entries and exits. At least one entry must be given.
#[derive(Debug, Clone, PartialEq, Default)]
#[allow(missing_docs)]
pub struct SignalTexts {
    pub long_entry: Option<Spanned<Text>>,
    pub long_exit: Option<Spanned<Text>>,
    pub short_entry: Option<Spanned<Text>>,
    pub short_exit: Option<Spanned<Text>>,
}

/// Stops and targets. Fractions are of the entry price, and are those of the bar of the signal; a level that names the
/// position is looked at again at each close, and so is every price.
#[derive(Debug, Clone, PartialEq, Default)]
#[allow(missing_docs)]
pub struct StopTexts {
    pub stop_loss: Option<Placed>,
    pub take_profit: Option<Placed>,
    pub trailing_stop: Option<Placed>,
    pub levels: Levels,
}

/// What else may be said of stops and targets.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Levels {
    /// Price of the stop, USDT: it counts where it is known, else `stop_loss` does.
    pub stop_price: Option<Placed>,
    /// Price of the target, USDT.
    pub target_price: Option<Placed>,
    /// Steps of a stop that follows.
    pub trailing: Vec<StepText>,
    /// `entry` or `close`: what a fraction is of.
    pub measured_from: Option<Spanned<String>>,
    /// Whether a stop may go further away when it is looked at again.
    pub loosen: bool,
    /// Whether every level is looked at again at each close.
    pub every_close: bool,
    /// Bars after which a position is closed.
    pub max_bars: Option<Placed>,
}

/// A step of a stop that follows: from a profit on it is so far from the best price.
#[derive(Debug, Clone, PartialEq)]
pub struct StepText {
    /// The profit from which on it counts, a fraction; 0 without it.
    pub after: Option<Placed>,
    /// Distance from the best price, a fraction of it.
    pub distance: Placed,
}

/// How large a position is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sizing {
    /// Initial margin of a position as a fraction of equity.
    pub margin_fraction: Option<Placed>,
    /// Leverage: notional / initial margin.
    pub leverage: Option<Placed>,
    /// Another size.
    pub other: SizeText,
}

/// A size, one of these.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SizeText {
    /// Notional as a fraction of equity.
    pub size: Option<Placed>,
    /// Notional, USDT.
    pub notional_usdt: Option<Placed>,
    /// What is lost at a distance is a fraction of equity.
    pub risk: Option<RiskText>,
    /// Notional whose yearly volatility is a fraction of equity.
    pub volatility: Option<VolatilityText>,
}

/// A loss at a distance.
#[derive(Debug, Clone, PartialEq)]
pub struct RiskText {
    /// Fraction of equity.
    pub fraction: Placed,
    /// Distance of the price, USDT.
    pub distance: Placed,
}

/// A volatility of a position.
#[derive(Debug, Clone, PartialEq)]
pub struct VolatilityText {
    /// Yearly volatility wanted, a fraction of equity.
    pub target: Placed,
    /// Yearly volatility of the symbol, a fraction.
    pub of: Placed,
}

/// A function of the file: one expression, or definitions and outputs.
#[derive(Debug, Clone, PartialEq)]
pub enum FunctionText {
    /// `"name(a, b)" = "…"`.
    Short(Placed),
    /// A table.
    Long(Box<LongFunction>),
}

impl FunctionText {
    /// Says where all of it stands: a text of elsewhere has no place in the file but that of its name.
    pub fn stands(&mut self, at: &std::ops::Range<usize>) {
        let moved = |e: &mut Placed| *e = Spanned::new(at.clone(), e.get_ref().clone());
        match self {
            FunctionText::Short(e) => moved(e),
            FunctionText::Long(long) => {
                for def in long.defs.values_mut() {
                    match def {
                        DefText::Plain(e) => moved(e),
                        DefText::State(state) => {
                            moved(&mut state.start);
                            state.next.iter_mut().for_each(moved);
                        }
                    }
                }
            }
        }
    }
}

/// A function with definitions of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct LongFunction {
    /// Names of its arguments.
    pub arguments: Vec<String>,
    /// Names of its outputs.
    pub outputs: Vec<String>,
    /// Its definitions.
    pub defs: BTreeMap<String, DefText>,
}

/// A definition.
#[derive(Debug, Clone, PartialEq)]
pub enum DefText {
    /// An expression.
    Plain(Placed),
    /// A state.
    State(StateText),
}

/// A state: its first value, and what it is on each later bar.
#[derive(Debug, Clone, PartialEq)]
pub struct StateText {
    /// The value on the first bar on which it is known.
    pub start: Placed,
    /// The value on each later bar; without it the first one stays.
    pub next: Option<Placed>,
}

/// How an order fills.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OrderText {
    /// `market`, `limit` or `stop`.
    pub order: Option<Spanned<String>>,
    /// Price of a limit or stop order, USDT.
    pub price: Option<Placed>,
    /// Bars that it stands for; without it until it is cancelled.
    pub expires: Option<Placed>,
}

/// An entry by name.
#[derive(Debug, Clone, PartialEq)]
pub struct EntryText {
    /// Its name.
    pub tag: Spanned<String>,
    /// `long` or `short`.
    pub side: Spanned<String>,
    /// When it is asked for.
    pub when: Placed,
    #[allow(missing_docs)]
    pub order: OrderText,
    #[allow(missing_docs)]
    pub size: SizeText,
    /// Initial margin as a fraction of equity.
    pub margin_fraction: Option<Placed>,
    /// Notional / initial margin.
    pub leverage: Option<Placed>,
}

/// What adds to a position.
#[derive(Debug, Clone, PartialEq)]
pub struct AddText {
    /// Its name.
    pub tag: Option<Spanned<String>>,
    /// When it is asked for; not for a ladder, which comes with the entry.
    pub when: Option<Placed>,
    /// `with_entry`: a ladder of orders, `k` from 1 to `max`.
    pub place: Option<Spanned<String>>,
    /// The most of them.
    pub max: Option<u32>,
    #[allow(missing_docs)]
    pub order: OrderText,
    #[allow(missing_docs)]
    pub size: SizeText,
}

/// An exit by name.
#[derive(Debug, Clone, PartialEq)]
pub struct ExitText {
    /// Its name.
    pub name: Spanned<String>,
    /// When it is asked for.
    pub when: Placed,
    /// The part of the position that it closes; all of it without.
    pub part: Option<Placed>,
    #[allow(missing_docs)]
    pub order: OrderText,
}

/// What to hold, instead of when to trade.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetText {
    /// Signed notional as a fraction of equity: for all symbols, or by symbol.
    pub weight: Weights,
    /// When it is looked at.
    pub when: Placed,
    /// Nothing is traded where the weight differs by no more.
    pub band: Option<Placed>,
    /// Whoever cannot trade one of them trades none.
    pub together: bool,
}

/// Weights.
#[derive(Debug, Clone, PartialEq)]
pub enum Weights {
    /// One expression for all symbols.
    All(Placed),
    /// By symbol.
    Each(BTreeMap<String, Placed>),
}

/// Caps.
#[derive(Debug, Clone, PartialEq)]
pub struct Risk {
    /// Isolated or cross.
    pub margin_mode: MarginMode,
    /// Most positions open at once.
    pub max_concurrent_positions: u32,
    /// Largest notional of one position, USDT.
    pub max_position_size_usdt: Option<f64>,
    /// Highest leverage by symbol.
    pub leverage_caps: BTreeMap<String, f64>,
    /// Bars after a position has closed in which its symbol takes no entry.
    pub cooldown: u32,
    /// Losses at which trading stops.
    pub loss_limits: LossLimits,
}

/// Positions at once where nothing is said: no limit of its own.
const MANY: u32 = 1000;

impl Default for Risk {
    fn default() -> Risk {
        Risk {
            margin_mode: MarginMode::Isolated,
            max_concurrent_positions: MANY,
            max_position_size_usdt: None,
            leverage_caps: BTreeMap::new(),
            cooldown: 0,
            loss_limits: LossLimits::default(),
        }
    }
}

/// A strategy as its file says it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StrategyFile {
    /// Format of its text; absent in a file that a person wrote.
    pub format: Option<u32>,
    /// Name: lower-case letters, digits and `-`; also the file name of its promoted config.
    pub name: String,
    /// What it does, for people.
    pub description: String,
    /// Bar interval, such as `1h`.
    pub interval: String,
    /// Symbols, in the order in which entries are filled.
    pub symbols: Vec<String>,
    /// Symbols that are read and not traded: they need no rules of the exchange.
    pub references: Vec<String>,
    /// Relations between parameters that must hold, such as `fast < slow`.
    pub constraints: Vec<Spanned<Text>>,
    /// Parameters and their search space.
    pub parameters: BTreeMap<String, Range>,
    /// When a parameter counts; one without a condition always does.
    pub conditions: BTreeMap<String, Placed>,
    /// Named expressions.
    pub indicators: BTreeMap<String, Spanned<Text>>,
    /// Functions of its own.
    pub functions: BTreeMap<String, FunctionText>,
    /// Library functions that it takes in.
    pub import: Vec<Spanned<String>>,
    /// Values that remember.
    pub states: BTreeMap<String, StateText>,
    /// Values that belong to a position.
    pub trade: BTreeMap<String, StateText>,
    /// Entries, adds and exits by name.
    pub entries: Vec<EntryText>,
    #[allow(missing_docs)]
    pub adds: Vec<AddText>,
    #[allow(missing_docs)]
    pub exits: Vec<ExitText>,
    /// What to hold.
    pub target: Option<TargetText>,
    /// Entries and exits, the short form.
    pub signals: SignalTexts,
    /// Stops.
    pub stops: StopTexts,
    /// Position size.
    pub sizing: Sizing,
    /// Caps.
    pub risk: Risk,
    /// What formats before the third did not have, as the text says it; empty where it says nothing of the kind.
    pub more: Table,
}

impl StrategyFile {
    /// The symbols of its data: those that it trades, then those that it only reads.
    pub fn all_symbols(&self) -> Vec<String> {
        self.symbols.iter().chain(&self.references).cloned().collect()
    }
}
