//! Rules at a close: what a strategy asks of the account. The same for research and production; what differs is where
//! the values come from that do not depend on the account.
//!
//! At each close, for each symbol in order: levels of the position that stands are looked at again; the first exit that
//! fires leaves; the first entry that fires enters, with its ladder; then adds. Targets come last. What belongs to a
//! position (`[trade]`) and the levels of an entry are those of the position as it would stand if it were filled at its
//! price: entry there, no profit, no bars.

mod levels;
mod orders;
mod quiet;
mod values;

use super::bind::{Bound, Outputs};
use super::plan::{Id, Op};
use super::quiet::Quiet;
use super::seen::Seen;
use super::step::{State, step};
use crate::account::Held;
use crate::account::view::View;
use crate::indicator::IndicatorError;
use crate::market::Bar;
use crate::order::Orders;
use crate::time::DAY_MS;
use std::sync::Arc;
use values::{NOTHING, Values};

/// What is remembered of a symbol.
#[derive(Debug, Clone, Copy)]
struct Symbol {
    /// Levels as they were when the position was decided, and of one that was decided since.
    levels: (Values, Values),
    /// Positions that were opened on a UTC day.
    day: i64,
    opened: u32,
    last_bar: usize,
    stood: bool,
}

/// What decisions of a symbol look at.
#[derive(Debug, Clone, Default)]
struct Own {
    /// Nodes that do not wait for the account.
    given: Vec<Id>,
    /// Places among those that do.
    waiting: Vec<usize>,
}

/// Decides, bar by bar.
pub struct Decider {
    bound: Bound,
    /// What each symbol's bars are decided from.
    outputs: Vec<Arc<Outputs>>,
    /// The nodes that wait for the account, in order, with what they remember.
    ids: Vec<Id>,
    states: Vec<State>,
    /// The bar after the last one that each has seen, where it is not asked at every close.
    seen: Vec<usize>,
    values: Vec<f64>,
    /// Values for a position that does not stand yet.
    scratch: Vec<f64>,
    /// What a node of `[trade]` was last, and what it would be of a position that was decided.
    born: Vec<(f64, f64)>,
    recalled: Vec<(f64, f64)>,
    /// Nodes that do not wait, and are asked for.
    given: Vec<Id>,
    /// For each symbol the places among `ids` that an entry looks at.
    entry: Vec<Vec<usize>>,
    /// For each symbol what its decisions look at.
    own: Vec<Own>,
    symbols: Vec<Symbol>,
    reviewed: bool,
}

impl std::fmt::Debug for Decider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Decider({} nodes)", self.ids.len())
    }
}

/// The nodes that a decision asks for, whether they wait for the account or not.
fn asked(bound: &Bound) -> Vec<Id> {
    let mut out = Vec::new();
    for o in &bound.outputs {
        out.extend(o.signals.iter().map(|s| s.1));
        o.rules.each(|id| out.push(id));
        o.size.iter().for_each(|s| s.each(|id| out.push(id)));
    }
    let mut needs = Vec::new();
    let waiting = |(id, op): (Id, &Op)| {
        if bound.plan.waits(id) {
            op.needs(|of| needs.push(of))
        }
    };
    bound.plan.ops.iter().enumerate().for_each(waiting);
    out.extend(needs);
    out.extend(bound.plan.recalled.iter().map(|r| r.1));
    out.sort_unstable();
    out.dedup();
    out
}

impl Decider {
    /// One for a strategy with rules; nothing for one whose signals say all.
    ///
    /// # Errors
    /// An indicator whose options are out of range.
    pub fn new(bound: &Bound) -> Result<Option<Decider>, IndicatorError> {
        if !bound.manner.ruled {
            return Ok(None);
        }
        let plan = &bound.plan;
        let ids: Vec<Id> = (0..plan.ops.len()).filter(|id| plan.waits(*id)).collect();
        let states = ids.iter().map(|id| State::of(&plan.ops[*id])).collect::<Result<Vec<_>, _>>()?;
        let given = asked(bound).into_iter().filter(|id| !plan.waits(*id)).collect();
        let fresh = Symbol { levels: (NOTHING, NOTHING), day: i64::MIN, opened: 0, last_bar: usize::MAX, stood: false };
        let mut out = Decider {
            values: vec![f64::NAN; plan.ops.len()],
            scratch: vec![f64::NAN; plan.ops.len()],
            born: vec![(f64::NAN, f64::NAN); ids.len()],
            recalled: vec![(f64::NAN, f64::NAN); plan.recalled.len()],
            seen: vec![0; ids.len()],
            symbols: vec![fresh; bound.outputs.len()],
            entry: Vec::new(),
            own: Vec::new(),
            outputs: bound.outputs.iter().cloned().map(Arc::new).collect(),
            bound: bound.clone(),
            reviewed: false,
            ids,
            states,
            given,
        };
        out.entry = (0..bound.outputs.len()).map(|symbol| out.of_entry(symbol)).collect();
        out.own = (0..bound.outputs.len()).map(|symbol| out.of_symbol(symbol)).collect();
        let moves = |o: &Outputs| {
            let mut found = o.rules.levels.stop_price.is_some() || o.rules.levels.target_price.is_some();
            o.rules.levels.each(|id| found |= plan.waits(id));
            found
        };
        out.reviewed = bound.manner.every_close || bound.manner.from_close || bound.outputs.iter().any(moves);
        Ok(Some(out))
    }

    /// The nodes that do not depend on the account and are asked for at each close.
    pub fn given(&self) -> &[Id] {
        &self.given
    }

    /// Adds what belongs to a symbol's position, and everything that what is wanted is made of.
    fn with_needs(&self, symbol: usize, wanted: &mut [bool]) {
        let plan = &self.bound.plan;
        for id in &self.ids {
            wanted[*id] |= matches!(plan.ops[*id], Op::Born(of, ..) if of == symbol);
        }
        plan.recalled.iter().filter(|r| r.0 == symbol).for_each(|r| wanted[r.1] = true);
        for id in self.ids.iter().rev() {
            if wanted[*id] {
                plan.ops[*id].needs(|of| wanted[of] = true);
            }
        }
    }

    /// The places of the nodes that an entry of a symbol looks at.
    fn of_entry(&self, symbol: usize) -> Vec<usize> {
        let mut wanted = vec![false; self.bound.plan.ops.len()];
        self.bound.outputs[symbol].rules.each(|id| wanted[id] = true);
        self.with_needs(symbol, &mut wanted);
        (0..self.ids.len()).filter(|k| wanted[self.ids[*k]]).collect()
    }

    /// What decisions of a symbol look at: its rules, and what belongs to its position.
    fn of_symbol(&self, symbol: usize) -> Own {
        let (mut wanted, outputs) = (vec![false; self.bound.plan.ops.len()], &self.bound.outputs[symbol]);
        outputs.signals.iter().for_each(|s| wanted[s.1] = true);
        outputs.rules.each(|id| wanted[id] = true);
        outputs.size.iter().for_each(|s| s.each(|id| wanted[id] = true));
        self.with_needs(symbol, &mut wanted);
        let given = self.given.iter().copied().filter(|id| wanted[*id]).collect();
        Own { given, waiting: (0..self.ids.len()).filter(|k| wanted[self.ids[*k]]).collect() }
    }

    /// Asks for what is to be done at a close. `given` tells the values of [nodes](Decider::given) at this bar, `quiet`
    /// which symbols need not be asked, and the number of this bar in the market.
    ///
    /// # Errors
    /// An indicator that refuses its input.
    pub fn decide<B: Bar>(
        &mut self,
        given: impl Fn(Id) -> f64,
        quiet: Option<(&Quiet, usize)>,
        view: &View<'_, '_, B>,
        orders: &mut Orders,
    ) -> Result<(), IndicatorError> {
        let positions: Vec<Option<Held>> = (0..self.symbols.len()).map(|s| view.position(s)).collect();
        let side = |symbol: usize| positions[symbol].as_ref().map_or(0.0, |p| p.side);
        let asks = |symbol: usize| quiet.is_none_or(|(q, bar)| q.asks(symbol, side(symbol), bar));
        for (symbol, position) in positions.iter().enumerate() {
            self.newborn(symbol, position.as_ref(), view);
        }
        match quiet {
            None => {
                self.given.iter().for_each(|id| self.values[*id] = given(*id));
                (0..self.ids.len()).try_for_each(|k| self.wait_no_more(k, &positions, view))?;
            }
            Some((quiet, _)) => {
                let own = std::mem::take(&mut self.own);
                for own in own.iter().enumerate().filter(|(symbol, _)| asks(*symbol)).map(|of| of.1) {
                    own.given.iter().for_each(|id| self.values[*id] = given(*id));
                    for k in &own.waiting {
                        if self.catch_up(*k, quiet, view.number())? {
                            self.wait_no_more(*k, &positions, view)?;
                        }
                    }
                }
                self.own = own;
            }
        }
        for (slot, (symbol, of)) in self.bound.plan.recalled.iter().enumerate() {
            if positions[*symbol].is_some() {
                self.recalled[slot].0 = self.values[*of];
            }
        }
        for (symbol, position) in positions.iter().enumerate().filter(|(symbol, _)| asks(*symbol)) {
            let position = position.as_ref();
            if let Some(p) = position {
                self.look_again(symbol, p, view, orders);
            }
            self.rules(symbol, position, view, orders)?;
        }
        self.target(asks, view, orders)
    }

    /// What was decided for a position is what it has, once it stands.
    fn newborn<B: Bar>(&mut self, symbol: usize, position: Option<&Held>, view: &View<'_, '_, B>) {
        let (s, day) = (&mut self.symbols[symbol], view.bar().time().div_euclid(DAY_MS));
        if s.day != day {
            (s.day, s.opened) = (day, 0);
        }
        let closed = view.last(symbol).map(|last| last.bar);
        let new = position.is_some_and(|p| p.bars == 1);
        // One that was opened and closed inside the bar was seen by nobody.
        let unseen = closed.is_some_and(|bar| bar != s.last_bar) && !s.stood;
        s.opened += u32::from(new) + u32::from(unseen);
        s.last_bar = closed.unwrap_or(s.last_bar);
        s.stood = position.is_some();
        if !new {
            return;
        }
        s.levels.0 = s.levels.1;
        for (k, id) in self.ids.iter().enumerate() {
            if matches!(self.bound.plan.ops[*id], Op::Born(of, ..) if of == symbol) {
                self.born[k].0 = self.born[k].1;
            }
        }
        for (slot, recalled) in self.bound.plan.recalled.iter().enumerate() {
            if recalled.0 == symbol {
                self.recalled[slot].0 = self.recalled[slot].1;
            }
        }
    }

    /// Lets a node that remembers see the closes at which it was not asked. Gives whether it has not seen this one yet.
    fn catch_up(&mut self, k: usize, quiet: &Quiet, bar: usize) -> Result<bool, IndicatorError> {
        let Some(flat) = quiet.flat(k) else { return Ok(true) };
        let op = &self.bound.plan.ops[self.ids[k]];
        for _ in self.seen[k]..bar {
            step(op, &mut self.states[k], |of| flat.iter().find(|f| f.0 == of).map_or(f64::NAN, |f| f.1))?;
        }
        Ok(std::mem::replace(&mut self.seen[k], bar + 1) <= bar)
    }

    /// Computes a node that waited for the account.
    fn wait_no_more<B: Bar>(
        &mut self,
        k: usize,
        positions: &[Option<Held>],
        view: &View<'_, '_, B>,
    ) -> Result<(), IndicatorError> {
        let (id, values) = (self.ids[k], &self.values);
        let value = match &self.bound.plan.ops[id] {
            Op::Seen(seen, symbol) => self.seen(*seen, *symbol, positions[*symbol].as_ref(), view),
            Op::Recalled(slot) => match positions[self.bound.plan.recalled[*slot].0] {
                Some(_) => self.recalled[*slot].0,
                None => f64::NAN,
            },
            Op::Born(symbol, _, next) => match positions[*symbol] {
                Some(_) => {
                    let born = &mut self.born[k].0;
                    *born = if values[*next].is_nan() { *born } else { values[*next] };
                    *born
                }
                None => f64::NAN,
            },
            op => step(op, &mut self.states[k], |of| values[of])?,
        };
        self.values[id] = value;
        Ok(())
    }

    fn seen<B: Bar>(&self, seen: Seen, symbol: usize, position: Option<&Held>, view: &View<'_, '_, B>) -> f64 {
        match seen {
            Seen::Equity => view.equity(),
            Seen::Open => view.open() as f64,
            Seen::Drawdown => view.drawdown(),
            Seen::LastBarsToday => f64::from(self.symbols[symbol].opened),
            Seen::LastSide | Seen::LastProfit | Seen::LastPnl | Seen::LastBars | Seen::LastTag | Seen::LastReason => {
                let last = view.last(symbol).zip(view.bars_since_last(symbol));
                last.map_or(f64::NAN, |(last, bars)| seen.of_last(&last, bars))
            }
            Seen::Side => position.map_or(0.0, |p| p.side),
            _ => position.map_or(f64::NAN, |p| seen.of_position(p)),
        }
    }

    /// The values that an entry looks at, as if its position stood already.
    fn imagine(&mut self, symbol: usize, position: &Held) -> Result<(), IndicatorError> {
        for id in &self.given {
            self.scratch[*id] = self.values[*id];
        }
        for k in &self.entry[symbol] {
            let id = self.ids[*k];
            let value = match &self.bound.plan.ops[id] {
                Op::Seen(seen, _) => {
                    let of = seen.of_position(position);
                    if of.is_nan() { self.values[id] } else { of }
                }
                Op::Recalled(_) => f64::NAN,
                Op::Born(_, start, _) => self.scratch[*start],
                op => {
                    // It remembers nothing of what is only imagined.
                    let mut state = self.states[*k].copy(op)?;
                    step(op, &mut state, |of| self.scratch[of])?
                }
            };
            self.scratch[id] = value;
        }
        Ok(())
    }

    /// Notes what was imagined for the position that may come of it.
    fn decided(&mut self, symbol: usize, levels: Values) {
        self.symbols[symbol].levels.1 = levels;
        for (k, id) in self.ids.iter().enumerate() {
            if matches!(self.bound.plan.ops[*id], Op::Born(of, ..) if of == symbol) {
                self.born[k].1 = self.scratch[*id];
            }
        }
        for (slot, (of, id)) in self.bound.plan.recalled.iter().enumerate() {
            if *of == symbol {
                self.recalled[slot].1 = self.scratch[*id];
            }
        }
    }
}

/// A position as it would stand if it were filled at a price.
fn imagined(side: f64, price: f64, tag: u16) -> Held {
    Held {
        side,
        qty: f64::NAN,
        entry: price,
        first_entry: price,
        last_entry: price,
        bars: 0,
        minutes: 0.0,
        profit: 0.0,
        best: 0.0,
        worst: 0.0,
        adds: 0,
        tag,
        stop: f64::NAN,
        take: f64::NAN,
    }
}
