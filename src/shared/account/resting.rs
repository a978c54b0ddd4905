//! Orders: those that are filled at the next open, and those that stand.

use super::record::Rule;
use crate::order::{Action, Kind, Levels, Tag};

/// Market orders decided at the previous close.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Pending {
    pub(super) exit: Option<(Rule, Tag)>,
    pub(super) entry: Option<Entry>,
}

/// What opens a position, or adds to one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Entry {
    pub(super) side: f64,
    pub(super) qty: f64,
    pub(super) leverage: f64,
    pub(super) levels: Levels,
    pub(super) tag: Tag,
    pub(super) rule: Rule,
    /// Of the order that asks for it; 0 for one that has none.
    pub(super) number: u32,
}

/// An order that stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Resting {
    /// Each has its own.
    pub(super) number: u32,
    pub(super) action: Action,
    /// +1 buys, −1 sells.
    pub(super) side: f64,
    /// Base asset; of one that takes a fraction of the position, that fraction.
    pub(super) qty: f64,
    pub(super) is_fraction: bool,
    pub(super) kind: Kind,
    /// Bars that are left, `u32::MAX` without an end.
    pub(super) bars: u32,
    /// It was put down at the last close.
    pub(super) fresh: bool,
    /// It was carried over, and waits for the next open.
    pub(super) later: bool,
    /// It is what was above the share of the volume of another.
    pub(super) rest: bool,
    /// The number of the entry that it belongs to and waits for; 0 for none.
    pub(super) waits: u32,
    pub(super) leverage: f64,
    pub(super) levels: Levels,
    pub(super) tag: Tag,
    /// Of a target weight.
    pub(super) target: bool,
    /// Orders of one number fill together or not at all; 0 for one that stands alone.
    pub(super) group: u32,
    /// How many they are.
    pub(super) legs: u32,
}

impl Resting {
    pub(super) fn price(&self) -> f64 {
        match self.kind {
            Kind::Market => f64::NAN,
            Kind::Limit { price, .. } | Kind::Stop { price, .. } => price,
        }
    }

    pub(super) fn rule(&self) -> Rule {
        match (self.action, self.kind) {
            _ if self.target => Rule::Target,
            (Action::Enter, Kind::Market) => Rule::SignalEntry,
            (Action::Enter, Kind::Limit { .. }) => Rule::LimitEntry,
            (Action::Enter, Kind::Stop { .. }) => Rule::StopEntry,
            (Action::Add | Action::AddWithEntry, Kind::Market) => Rule::Add,
            (Action::Add | Action::AddWithEntry, Kind::Limit { .. }) => Rule::LimitAdd,
            (Action::Add | Action::AddWithEntry, Kind::Stop { .. }) => Rule::StopAdd,
            (Action::Reduce, Kind::Market) => Rule::Reduce,
            (Action::Reduce, Kind::Limit { .. }) => Rule::LimitExit,
            (Action::Reduce, Kind::Stop { .. }) => Rule::StopExit,
        }
    }

    /// Whether it fills on the way to a price: a limit order when the price trades through it, a stop when it is
    /// touched.
    pub(super) fn reached(&self, way: f64) -> bool {
        match self.kind {
            Kind::Market => false,
            Kind::Limit { price, .. } => self.side * way < self.side * price,
            Kind::Stop { price, .. } => self.side * way >= self.side * price,
        }
    }

    /// +1 when the price must rise to reach it, −1 when it must fall.
    pub(super) fn direction(&self) -> f64 {
        match self.kind {
            Kind::Limit { .. } => -self.side,
            _ => self.side,
        }
    }

    /// What it opens or adds.
    pub(super) fn entry(&self, side: f64) -> Entry {
        let (qty, leverage, levels, tag, rule) = (self.qty, self.leverage, self.levels, self.tag, self.rule());
        Entry { side, qty, leverage, levels, tag, rule, number: self.number }
    }

    /// A market order of the size of an entry.
    pub(super) fn market(action: Action, side: f64, entry: &Entry) -> Resting {
        Resting {
            number: entry.number,
            action,
            side,
            qty: entry.qty,
            is_fraction: false,
            kind: Kind::Market,
            bars: u32::MAX,
            fresh: false,
            later: false,
            rest: false,
            waits: 0,
            leverage: entry.leverage,
            levels: entry.levels,
            tag: entry.tag,
            target: entry.rule == Rule::Target,
            group: 0,
            legs: 0,
        }
    }
}
