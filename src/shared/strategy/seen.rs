//! What an account shows at a close, as rules ask for it.

use crate::account::{Held, Last, Rule};

/// What can be asked of the account. Fractions are of the average entry, by traded prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Seen {
    Side,
    Entry,
    FirstEntry,
    LastEntry,
    Bars,
    Minutes,
    Profit,
    Best,
    Worst,
    Adds,
    Stop,
    Target,
    Tag,
    LastSide,
    LastProfit,
    LastPnl,
    LastBars,
    LastBarsToday,
    LastTag,
    LastReason,
    Equity,
    Open,
    Drawdown,
}

/// The words with what they mean: whose they are, the word, what it is of, and a line for the reference.
pub const SEEN: [(&str, &str, Seen, &str); 23] = [
    ("position", "side", Seen::Side, "1 long, -1 short, 0 while flat; all else of a position is unknown then"),
    ("position", "entry", Seen::Entry, "average entry, USDT"),
    ("position", "first_entry", Seen::FirstEntry, "price of the first fill, USDT"),
    ("position", "last_entry", Seen::LastEntry, "price of the last fill that opened or added, USDT"),
    ("position", "bars", Seen::Bars, "bars in which it has stood, this one included"),
    ("position", "minutes", Seen::Minutes, "minutes from its first fill to this close"),
    ("position", "profit", Seen::Profit, "profit at this close as a fraction of the average entry; 0.01 is 1 %"),
    ("position", "best", Seen::Best, "best profit so far, a fraction, 0 or more"),
    ("position", "worst", Seen::Worst, "worst profit so far, a fraction, 0 or less"),
    ("position", "adds", Seen::Adds, "fills that added to it"),
    ("position", "stop", Seen::Stop, "price at which its stop stands, USDT"),
    ("position", "target", Seen::Target, "price at which its target stands, USDT"),
    ("position", "tag", Seen::Tag, "tag of the entry that opened it, a text"),
    (
        "last",
        "side",
        Seen::LastSide,
        "1 long, -1 short: of the symbol's last closed position; unknown before the first",
    ),
    ("last", "profit", Seen::LastProfit, "its profit as a fraction of its average entry, fees and funding apart"),
    ("last", "pnl", Seen::LastPnl, "its profit net of fees and funding, USDT"),
    ("last", "bars", Seen::LastBars, "bars that have closed since it did"),
    (
        "last",
        "bars_today",
        Seen::LastBarsToday,
        "positions of the symbol that were closed this UTC day, one that stands included",
    ),
    ("last", "tag", Seen::LastTag, "tag of the entry that had opened it, a text"),
    ("last", "reason", Seen::LastReason, "why it was closed, a text such as 'stop-loss'"),
    ("account", "equity", Seen::Equity, "wallet and unrealised profit at mark prices, USDT"),
    ("account", "open", Seen::Open, "positions that stand, over all symbols"),
    ("account", "drawdown", Seen::Drawdown, "equity below its highest close so far, a fraction, 0 or more"),
];

/// The reasons for which a position is closed, as `last.reason` names them.
pub const REASONS: [(&str, &[Rule]); 8] = [
    (
        "signal",
        &[Rule::SignalExit, Rule::OppositeEntry, Rule::Reduce, Rule::LimitExit, Rule::StopExit, Rule::LimitOpposite],
    ),
    ("stop-loss", &[Rule::StopLoss, Rule::StopLossGap]),
    ("trailing-stop", &[Rule::TrailingStop, Rule::TrailingStopGap]),
    ("take-profit", &[Rule::TakeProfit, Rule::TakeProfitGap]),
    ("liquidation", &[Rule::Liquidation]),
    ("time", &[Rule::TimeExit]),
    ("loss-limit", &[Rule::LossLimit]),
    ("target", &[Rule::Target]),
];

impl Seen {
    /// While the symbol is flat, if that is one and the same.
    pub fn while_flat(self) -> Option<f64> {
        use Seen::*;
        match self {
            Side => Some(0.0),
            Entry | FirstEntry | LastEntry | Bars | Minutes | Profit | Best | Worst | Adds | Stop | Target | Tag => {
                Some(f64::NAN)
            }
            LastSide | LastProfit | LastPnl | LastBars | LastBarsToday | LastTag | LastReason => None,
            Equity | Open | Drawdown => None,
        }
    }

    /// Of a position.
    pub fn of_position(self, p: &Held) -> f64 {
        match self {
            Seen::Side => p.side,
            Seen::Entry => p.entry,
            Seen::FirstEntry => p.first_entry,
            Seen::LastEntry => p.last_entry,
            Seen::Bars => f64::from(p.bars),
            Seen::Minutes => p.minutes,
            Seen::Profit => p.profit,
            Seen::Best => p.best,
            Seen::Worst => p.worst,
            Seen::Adds => f64::from(p.adds),
            Seen::Stop => p.stop,
            Seen::Target => p.take,
            Seen::Tag => f64::from(p.tag),
            _ => f64::NAN,
        }
    }

    /// Of the last closed position, so many bars after it.
    pub fn of_last(self, last: &Last, bars: usize) -> f64 {
        match self {
            Seen::LastSide => last.side,
            Seen::LastProfit => last.profit,
            Seen::LastPnl => last.pnl_usdt,
            Seen::LastBars => bars as f64,
            Seen::LastTag => f64::from(last.tag),
            Seen::LastReason => {
                let place = REASONS.iter().position(|(_, rules)| rules.contains(&last.rule));
                place.map_or(f64::NAN, |place| place as f64)
            }
            _ => f64::NAN,
        }
    }
}
