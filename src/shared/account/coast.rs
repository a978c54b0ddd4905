//! Stretches of bars in which nothing happens, all at once: the same wallet, equity and extremes, bit for bit, as bar by
//! bar. Whatever is not surely calm is left to the steps of a bar, which are the reference.

use super::position::Position;
use super::{Account, MarginMode, Signals};
use crate::lanes::{add, add_gains, highest, lowest};
use crate::market::course::{Course, Extremes, extremes};
use crate::market::{Bar, Columns, Field, Market, MarketBar};
use crate::rulebook::RulebookError;
use std::ops::Range;

/// Where a strategy may say something over a market.
pub trait Concerns {
    /// The first bar in `from..to` at whose close something is said that concerns a symbol with a position of this
    /// side (0 for none), or `to`.
    fn next(&self, symbol: usize, side: f64, from: usize, to: usize) -> usize;
}

/// The signals of a strategy over a market.
pub trait Said: Concerns {
    /// The signals of a symbol at the close of a bar.
    fn at(&self, symbol: usize, bar: usize) -> Signals;
}

/// Kept away from limits that are computed with rounding.
const MARGIN: f64 = 1e-9;

impl Account<'_> {
    /// Takes closed bars with the signals at their closes. Gives how many were gone through one by one.
    ///
    /// # Errors
    /// A rule book that does not cover a bar.
    pub fn steps(
        &mut self,
        market: &Market,
        courses: &[Course],
        bars: Range<usize>,
        said: &impl Said,
    ) -> Result<usize, RulebookError> {
        self.steps_by(market, courses, bars, said, |account, bar| account.step(bar, |s| said.at(s, bar.index)))
    }

    /// Takes closed bars: each one at which something may be said or happen by a step, the others at once. Gives how
    /// many steps there were.
    ///
    /// # Errors
    /// What a step refuses.
    pub fn steps_by<E>(
        &mut self,
        market: &Market,
        courses: &[Course],
        bars: Range<usize>,
        concerns: &impl Concerns,
        mut step: impl FnMut(&mut Self, &MarketBar<'_>) -> Result<(), E>,
    ) -> Result<usize, E> {
        let (mut index, mut alone) = (bars.start, 0);
        while index < bars.end {
            index = self.coast(market, courses, index..bars.end, concerns);
            if index < bars.end {
                step(self, &MarketBar { market, index })?;
                alone += 1;
                index += 1;
            }
        }
        Ok(alone)
    }

    /// Goes over bars in which nothing happens. Gives the first one in which something may.
    fn coast(&mut self, market: &Market, courses: &[Course], bars: Range<usize>, said: &impl Concerns) -> usize {
        if !self.is_at_rest(market) {
            return bars.start;
        }
        let reached = self.coast_at_rest(market, courses, bars.clone(), said);
        self.saw_depth(market, bars.start..reached);
        reached
    }

    fn coast_at_rest(
        &mut self,
        market: &Market,
        courses: &[Course],
        bars: Range<usize>,
        said: &impl Concerns,
    ) -> usize {
        let Range { start: mut at, end } = bars;
        let until = self.rules_until_ms.saturating_sub(market.times[at]).max(0);
        let rules = at.saturating_add(until.unsigned_abs().div_ceil(market.interval_ms.unsigned_abs()) as usize);
        let mut end = end.min(rules);
        for (symbol, _) in &self.unknown {
            // It is an error as soon as it trades.
            end = end.min(market.columns[*symbol].span.start.max(at));
        }
        for (symbol, (p, course)) in self.positions.iter().zip(courses).enumerate() {
            end = said.next(symbol, p.as_ref().map_or(0.0, |p| p.side), at, end);
            if let Some(p) = p {
                end = course.missing.next(at, end);
                if p.levels.hold > 0 {
                    // At that close it has stood as long as it may.
                    let last = p.entry_bar + p.levels.hold as usize - 1;
                    end = end.min(at + last.saturating_sub(self.bar));
                }
            }
        }
        if self.open == 0 {
            if at < end && self.cannot_be_ruined(courses) {
                self.rest(end - at);
                at = end;
            }
            return at;
        }
        while at < end {
            let calm = self.calm_until(market, courses, at, end);
            let reached = self.hold(market, courses, at..calm);
            if calm == at || reached < calm {
                return reached;
            }
            at = calm;
        }
        at
    }

    /// Whether nothing is on its way but what prices may do.
    fn is_at_rest(&self, market: &Market) -> bool {
        !self.any_pending
            && self.standing == 0
            && self.ruined_ms.is_none()
            && self.terms.limits == super::LossLimits::default()
            && self.positions.iter().flatten().all(|p| follows_simply(p, market))
    }

    /// Whether a flat account has more than any smallest position could ask for.
    fn cannot_be_ruined(&self, courses: &[Course]) -> bool {
        let asked = |symbol: usize| {
            let filters = &self.rules[symbol].filters;
            let most = filters.min_notional + filters.step * courses[symbol].highest_close.max(0.0);
            // Of one that is not known nobody knows what it will ask.
            if filters.step == f64::MAX { 0.0 } else { most / self.terms.leverage[symbol] }
        };
        let least = (0..self.positions.len()).map(asked).fold(f64::MAX, f64::min);
        self.wallet > least * (1.0 + MARGIN)
    }

    /// Notes what the last of some bars says of each symbol.
    fn saw_depth(&mut self, market: &Market, bars: Range<usize>) {
        if !self.costs.looks_at_bars() {
            return;
        }
        for (symbol, columns) in market.columns.iter().enumerate().take(self.positions.len()) {
            let last = bars.end.min(columns.span.end);
            if last > bars.start.max(columns.span.start) {
                self.look_at_depth_of(&MarketBar { market, index: last - 1 }, symbol);
            }
        }
    }

    /// So many bars without a position.
    fn rest(&mut self, bars: usize) {
        self.equity.extend(std::iter::repeat_n(self.wallet, bars));
        self.peak = self.peak.max(self.wallet);
        if self.recorder.keeps() {
            self.margin_usage.extend(std::iter::repeat_n(0.0, bars));
        }
        self.bar += bars;
    }

    /// The first bar in which a position may be touched, whatever settles until then, `to` at most.
    fn calm_until(&self, market: &Market, courses: &[Course], from: usize, to: usize) -> usize {
        let mut end = to;
        for (symbol, p) in self.positions.iter().enumerate().filter_map(|(s, p)| Some((s, p.as_ref()?))) {
            end = calm(&courses[symbol], &market.columns[symbol], p, from, end, self.rules[symbol].filters.tick);
        }
        if self.terms.mode == MarginMode::Cross { self.survives_until(market, courses, from, end) } else { end }
    }

    /// In cross, until which bar the account surely lives whatever the path.
    fn survives_until(&self, market: &Market, courses: &[Course], from: usize, to: usize) -> usize {
        let lives = |from: usize, to: usize| {
            let worst = |s: usize, p: &Position| {
                let e = courses[s].between(&market.columns[s], from, to);
                Some(if p.side > 0.0 { e.mark_low } else { e.mark_high })
            };
            self.cross_slack(worst) > self.reserve()
        };
        let (mut at, mut step) = (from, to - from);
        while at < to {
            let next = to.min(at + step);
            if lives(at, next) {
                at = next;
            } else if step == 1 {
                return at;
            } else {
                step = step.div_ceil(4);
            }
        }
        to
    }

    /// What may settle against all positions before they are looked at again, USDT.
    fn reserve(&self) -> f64 {
        self.positions.iter().flatten().fold(0.0, |sum, p| sum + p.qty * away(p))
    }

    /// Bars through which positions stand untouched. Gives the first one that is left to its steps.
    fn hold(&mut self, market: &Market, courses: &[Course], bars: Range<usize>) -> usize {
        if bars.is_empty() {
            return bars.start;
        }
        let mut wallets = std::mem::take(&mut self.wallets);
        let end = self.settle_through(market, courses, bars.clone(), &mut wallets);
        let first = self.equity.len();
        self.equity.resize(first + end - bars.start, 0.0);
        for (symbol, p) in self.positions.iter().enumerate().filter_map(|(s, p)| Some((s, p.as_ref()?))) {
            let marks = &market.columns[symbol].get(Field::MarkClose)[bars.start..end];
            add_gains(&mut self.equity[first..], marks, p.side * p.qty, p.entry);
        }
        let mut from = first;
        for (until, wallet) in wallets.drain(..) {
            let until = first + until - bars.start;
            add(&mut self.equity[from..until], wallet);
            from = until;
        }
        self.wallets = wallets;
        if end == bars.start {
            return end;
        }
        for (symbol, p) in self.positions.iter_mut().enumerate().filter_map(|(s, p)| Some((s, p.as_mut()?))) {
            let columns = &market.columns[symbol];
            self.last_mark[symbol] = columns.get(Field::MarkClose)[end - 1];
            let (low, high) = courses[symbol].traded(columns, bars.start, end);
            p.saw(low);
            p.saw(high);
            p.stood = p.qty;
            p.follow(furthest(columns, p.side, bars.start..end));
        }
        self.peak = highest(self.peak, &self.equity[first..]);
        self.counts.exposed_bars += (end - bars.start) as u32;
        if self.recorder.keeps() {
            let margin = self.margin_in_use();
            let usage = |equity: &f64| if *equity > 0.0 { margin / equity } else { 0.0 };
            self.margin_usage.extend(self.equity[first..].iter().map(usage));
        }
        self.bar += end - bars.start;
        end
    }

    /// Settles what settles in bars, and notes until which of them the wallet was what. Gives the first bar whose
    /// settlements are left to its steps.
    fn settle_through(
        &mut self,
        market: &Market,
        courses: &[Course],
        bars: Range<usize>,
        wallets: &mut Vec<(usize, f64)>,
    ) -> usize {
        let mut from = bars.start;
        let floor = self.wallet - self.reserve() / 2.0;
        self.positions.iter_mut().flatten().for_each(|p| p.near = lowered(p, away(p) / 2.0));
        loop {
            let held = |s: &usize| self.positions[*s].is_some();
            let next = (0..self.positions.len()).filter(held).fold(bars.end, |to, s| courses[s].settles.next(from, to));
            wallets.push((next, self.wallet));
            if next == bars.end || self.wallet < floor || !self.settles_little(market, courses, next) {
                return next;
            }
            let bar = MarketBar { market, index: next };
            self.settle_at_open(&bar);
            let inside = |(symbol, p): (usize, &Option<Position>)| {
                p.is_some() && bar.settlements(symbol).iter().any(|s| s.ms > bar.time())
            };
            let any_inside = self.positions.iter().enumerate().any(inside);
            if any_inside {
                self.owed_inside(&bar);
            }
            self.positions.iter_mut().flatten().for_each(|p| p.stood = p.qty);
            if any_inside {
                self.gained_inside(&bar);
            }
            from = next + 1;
        }
    }

    /// Whether what settles in a bar moves no liquidation to where it may be reached.
    fn settles_little(&self, market: &Market, courses: &[Course], index: usize) -> bool {
        let bar = MarketBar { market, index };
        let little = |(symbol, p): (usize, &Position)| {
            let settled = bar.settlements(symbol);
            let mark = |s: f64| if s.is_nan() { bar.get(symbol, Field::MarkOpen) } else { s };
            let moved = settled.iter().map(|s| s.rate.abs() * mark(s.mark)).sum::<f64>();
            let seen = market.detail.is_some() && settled.iter().any(|s| s.ms > bar.time());
            let away_from = p.liquidation.is_nan() || p.side * p.liquidation <= p.side * p.near;
            // Of a short that nothing liquidates it is not known what would.
            let isolated = self.terms.mode == MarginMode::Isolated;
            let known = !isolated || p.side > 0.0 || !p.liquidation.is_nan();
            moved < away(p) / 4.0 && !seen && away_from && known
        };
        let held = self.positions.iter().enumerate().filter_map(|(s, p)| Some((s, p.as_ref()?)));
        held.filter(|(s, _)| courses[*s].settles.at(index)).all(little)
    }
}

/// How far from its liquidation a position is called calm, in its price: settlements may move it by as much.
fn away(p: &Position) -> f64 {
    match p.liquidation.is_nan() {
        true => 0.005 * p.entry,
        false => (0.02 * p.entry).min(0.25 * (p.entry - p.liquidation).abs()),
    }
}

/// The liquidation price of a position, so much nearer to its price.
fn lowered(p: &Position, by: f64) -> f64 {
    match (p.liquidation.is_nan(), p.side > 0.0) {
        (true, true) => by,
        (true, false) => f64::MAX,
        (false, _) => p.liquidation + p.side * by,
    }
}

/// Whether the stop of a position is fixed, or follows the best price of bars.
fn follows_simply(p: &Position, market: &Market) -> bool {
    let finer = market.detail.is_some() && !p.trail.is_nan();
    !finer && p.followed.is_nan() && p.levels.steps.iter().all(Option::is_none)
}

/// The best price for a side in some bars.
fn furthest(columns: &Columns, side: f64, bars: Range<usize>) -> f64 {
    match side > 0.0 {
        true => highest(f64::MIN, &columns.get(Field::High)[bars]),
        false => lowest(&columns.get(Field::Low)[bars]),
    }
}

/// The first bar in `from..to` in which a level of a position may be reached, or `to`.
fn calm(course: &Course, columns: &Columns, p: &Position, from: usize, to: usize, tick: f64) -> usize {
    let long = p.side > 0.0;
    let or = |level: f64, none: f64| if level.is_nan() { none } else { level };
    let none = if long { f64::MIN } else { f64::MAX };
    let (stop, liquidation, take) = (or(p.stop, none), lowered(p, away(p)), or(p.take, -none));
    let calm = |stop: f64, e: &Extremes| match long {
        true => e.low > stop && e.mark_low > liquidation && e.high <= take,
        false => e.high < stop && e.mark_high < liquidation && e.low >= take,
    };
    if p.trail.is_nan() {
        return course.first_not(columns, from, to, |e| calm(stop, e));
    }
    // A stop that follows lies a tick further at most than where it is computed.
    let mut best = p.best;
    for t in from..to {
        let trail = best * (1.0 - p.side * p.trail);
        let near = if long { stop.max(trail + tick) } else { stop.min(trail - tick) };
        if !calm(near, &extremes(columns, t)) {
            return t;
        }
        let with = columns.at(if long { Field::High } else { Field::Low }, t);
        best = if long { best.max(with) } else { best.min(with) };
    }
    to
}
