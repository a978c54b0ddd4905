//! A cross account inside a bar of which only the extremes are known.

use super::Account;
use super::record::{CashKind, Outcome, Recorder, Rule};
use super::resting::Resting;
use crate::market::{Bar, Field};
use crate::order::{Kind, Orders};

/// Where all prices stand at a moment that nobody saw.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Moment {
    /// Each symbol at its own worst.
    Worst,
    /// Every symbol at its low.
    Lows,
    /// Every symbol at its high.
    Highs,
    /// Each symbol at its own best.
    Best,
}

/// Something that happens on a way, at a part of it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Event {
    at: f64,
    price: f64,
    symbol: usize,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum What {
    Close(Rule),
    /// The order of a number.
    Fill(u32),
}

impl<'r> Account<'r> {
    /// Whether a cross account survives a bar whatever the path: each symbol's way to its own worst.
    pub(super) fn survives<B: Bar>(&self, bar: &B) -> bool {
        self.judge(bar, Moment::Worst).is_ok() && self.survives_what_it_may_become(bar)
    }

    /// Whether it survives the worst after everything that may fill on the way to the best.
    fn survives_what_it_may_become<B: Bar>(&self, bar: &B) -> bool {
        if !(0..self.positions.len()).any(|symbol| self.may_fill(bar, symbol)) {
            return true;
        }
        let mut other = self.copy();
        other.go(bar, Moment::Best, usize::MAX).is_ok() && other.judge(bar, Moment::Worst).is_ok()
    }

    /// A cross account inside a bar of which only the extremes are known. It is safe when it survives each
    /// symbol's way to its own worst, and dead when it does not survive the way of all to their lows, or of all to
    /// their highs. Between the two nobody knows: it lives, and the bar is counted.
    pub(super) fn cross_inside<B: Bar>(&mut self, bar: &B) {
        if self.open == 0 && !self.stands() || self.survives(bar) {
            return;
        }
        let died = |m: Moment| self.judge(bar, m).err().map(|steps| (m, steps));
        let Some((moment, steps)) = [Moment::Lows, Moment::Highs].into_iter().find_map(died) else {
            self.counts.undecided_bars += 1;
            return;
        };
        // What happened on the way before it died.
        let _ = self.go(bar, moment, steps);
        for symbol in 0..self.positions.len() {
            if let Some(side) = self.positions[symbol].as_ref().map(|p| p.side) {
                self.liquidate_cross(bar, symbol, extreme(bar, symbol, side, moment, true));
            }
            self.remove(bar.time(), symbol, Outcome::Cancelled, |_| true);
        }
        self.insure(bar.time());
    }

    /// Whether it lives to the end of a way; else how many things happen before it dies.
    fn judge<B: Bar>(&self, bar: &B, moment: Moment) -> Result<(), usize> {
        if (0..self.positions.len()).any(|symbol| self.may_fill(bar, symbol)) {
            // What fills changes what comes after it: tried on a copy.
            return self.copy().go(bar, moment, usize::MAX);
        }
        let mut events: Vec<Event> =
            (0..self.positions.len()).filter_map(|s| self.closes(bar, s, moment, 0.0)).collect();
        events.sort_by(|a, b| a.at.total_cmp(&b.at).then(a.symbol.cmp(&b.symbol)));
        let (mut gone, mut gained) = (vec![false; self.positions.len()], 0.0);
        for (steps, e) in events.iter().enumerate() {
            if gained + self.slack_at(bar, moment, e.at, &gone) <= 0.0 {
                return Err(steps);
            }
            gained += self.gain(bar, e);
            gone[e.symbol] = true;
        }
        if gained + self.slack_at(bar, moment, 1.0, &gone) > 0.0 { Ok(()) } else { Err(events.len()) }
    }

    /// What is left above maintenance at a part of a way, without the positions that are gone.
    fn slack_at<B: Bar>(&self, bar: &B, moment: Moment, at: f64, gone: &[bool]) -> f64 {
        self.cross_slack(|symbol, p| {
            let (from, to) = (bar.get(symbol, Field::MarkOpen), extreme(bar, symbol, p.side, moment, true));
            (!gone[symbol]).then_some(from + at * (to - from))
        })
    }

    /// What the wallet gains when a position is closed on a way.
    fn gain<B: Bar>(&self, bar: &B, e: &Event) -> f64 {
        let (Some(p), What::Close(rule)) = (&self.positions[e.symbol], e.what) else { return 0.0 };
        let price = self.closing_price(bar, e.symbol, e.price, rule);
        p.side * p.qty * (price - p.entry) - self.fee(e.symbol, p.qty * price, rule.is_maker())
    }

    fn closing_price<B: Bar>(&self, bar: &B, symbol: usize, price: f64, rule: Rule) -> f64 {
        match &self.positions[symbol] {
            Some(p) if !rule.is_maker() => self.worse(bar, symbol, price, -p.side, p.qty),
            _ => price,
        }
    }

    /// Goes the way from the opens to a moment, all prices in step, and does what stops, targets and standing orders
    /// do on it, at most so many things. The account is judged before each of them and at the end: the slack is
    /// concave on the way between two of them, so it is least at one of these. Fails where it dies.
    fn go<B: Bar>(&mut self, bar: &B, moment: Moment, most: usize) -> Result<(), usize> {
        let (mut at, mut done, none) = (0.0, vec![false; self.positions.len()], vec![false; self.positions.len()]);
        for steps in 0.. {
            if steps == most {
                return Err(steps);
            }
            let next = self.next_on_the_way(bar, moment, at, &done);
            if self.slack_at(bar, moment, next.map_or(1.0, |e| e.at), &none) <= 0.0 {
                return Err(steps);
            }
            let Some(e) = next else { return Ok(()) };
            at = e.at;
            match e.what {
                What::Close(rule) => {
                    let price = self.closing_price(bar, e.symbol, e.price, rule);
                    self.exit(bar.time(), e.symbol, price, rule);
                    // It fills nothing more in this bar.
                    done[e.symbol] = true;
                }
                What::Fill(number) => {
                    if let Some(place) = self.book_of[e.symbol].iter().position(|o| o.number == number) {
                        let (held, order) = (self.positions[e.symbol].is_some(), self.take_out(e.symbol, place));
                        self.execute(bar, e.symbol, &order, e.price);
                        self.in_the_book(e.symbol, e.price);
                        done[e.symbol] |= held && self.positions[e.symbol].is_none();
                    }
                }
            }
        }
        Ok(())
    }

    /// What happens first after a part of a way.
    fn next_on_the_way<B: Bar>(&self, bar: &B, moment: Moment, from: f64, done: &[bool]) -> Option<Event> {
        let open = (0..self.positions.len()).filter(|symbol| !done[*symbol]);
        let all =
            open.flat_map(|s| self.closes(bar, s, moment, from).into_iter().chain(self.fills(bar, s, moment, from)));
        all.min_by(|a, b| a.at.total_cmp(&b.at).then(a.symbol.cmp(&b.symbol)))
    }

    /// What closes a position on a way, from a part of it on.
    fn closes<B: Bar>(&self, bar: &B, symbol: usize, moment: Moment, from: f64) -> Option<Event> {
        let (p, open) = (self.positions[symbol].as_ref()?, bar.get(symbol, Field::Open));
        let end = extreme(bar, symbol, p.side, moment, false);
        let here = open + from * (end - open);
        let beyond = |price: f64| if p.side * here > p.side * price { here } else { price };
        let target = || (p.side * end > p.side * p.take).then(|| (beyond(p.take), Rule::TakeProfit));
        let (price, rule) = self.touched_stop(bar, symbol, p, end, here).or_else(target)?;
        Some(Event { at: part(open, end, price).max(from), price, symbol, what: What::Close(rule) })
    }

    /// Orders that fill on a way, from a part of it on. Without a position an order's own way is looked at.
    fn fills<'a, B: Bar>(
        &'a self,
        bar: &'a B,
        symbol: usize,
        moment: Moment,
        from: f64,
    ) -> impl Iterator<Item = Event> + 'a {
        let (held, open) = (self.positions[symbol].as_ref().map(|p| p.side), bar.get(symbol, Field::Open));
        let stands = self.book_of[symbol].iter().filter(move |o| self.may_stand(symbol, o));
        stands.filter_map(move |o| {
            let own = if moment == Moment::Best { o.direction() } else { -o.direction() };
            let end = extreme(bar, symbol, held.unwrap_or(own), moment, false);
            let here = open + from * (end - open);
            let price = if o.reached(here) { here } else { o.price() };
            let at = part(open, end, price).max(from);
            o.reached(end).then_some(Event { at, price, symbol, what: What::Fill(o.number) })
        })
    }

    /// Whether an order can fill inside a bar.
    pub(super) fn may_stand(&self, symbol: usize, o: &Resting) -> bool {
        let cools = o.action == crate::order::Action::Enter && self.cools_now(symbol);
        o.waits == 0 && !o.later && o.kind != Kind::Market && !cools
    }

    /// A copy that leaves no trace, to try something on.
    pub(super) fn copy(&self) -> Account<'r> {
        Account {
            book: self.book,
            rules: self.rules.clone(),
            unknown: self.unknown.clone(),
            rules_until_ms: self.rules_until_ms,
            last_mark: self.last_mark.clone(),
            terms: self.terms.clone(),
            costs: self.costs,
            depth: self.depth.clone(),
            wallet: self.wallet,
            positions: self.positions.clone(),
            open: self.open,
            pending: self.pending.clone(),
            any_pending: self.any_pending,
            book_of: self.book_of.clone(),
            standing: self.standing,
            numbers: self.numbers,
            groups: self.groups,
            entry_of: self.entry_of.clone(),
            orders: Orders::default(),
            last: self.last.clone(),
            losses_in_row: self.losses_in_row,
            halt: self.halt,
            peak: self.peak,
            wallets: Vec::new(),
            bar: self.bar,
            at_open: self.at_open,
            within: self.within,
            ruined_ms: self.ruined_ms,
            recorder: Recorder::new(false),
            trades: Vec::new(),
            equity: self.equity.last().copied().into_iter().collect(),
            margin_usage: Vec::new(),
            counts: self.counts,
        }
    }

    /// Judges the whole cross account at the opening marks, which all stand at one moment.
    pub(super) fn cross_at_open<B: Bar>(&mut self, bar: &B) {
        if self.open == 0 || self.cross_slack(|s, _| Some(bar.get(s, Field::MarkOpen))) > 0.0 {
            return;
        }
        for symbol in 0..self.positions.len() {
            if self.positions[symbol].is_some() {
                self.liquidate_cross(bar, symbol, bar.get(symbol, Field::MarkOpen));
            }
        }
        self.insure(bar.time());
    }

    /// A wallet below zero is made good by the insurance fund.
    pub(super) fn insure(&mut self, ms: i64) {
        if self.wallet < 0.0 {
            self.counts.insurance_usdt -= self.wallet;
            self.cash(ms, 0, CashKind::Insurance, -self.wallet);
        }
    }
}

/// The part of a way at which a price is reached.
fn part(open: f64, end: f64, price: f64) -> f64 {
    if end == open { 0.0 } else { ((price - open) / (end - open)).clamp(0.0, 1.0) }
}

/// The mark price, or the traded one, of a symbol at a moment.
fn extreme<B: Bar>(bar: &B, symbol: usize, side: f64, moment: Moment, mark: bool) -> f64 {
    let low = match moment {
        Moment::Worst => side > 0.0,
        Moment::Lows => true,
        Moment::Highs => false,
        Moment::Best => side < 0.0,
    };
    bar.get(
        symbol,
        match (low, mark) {
            (true, true) => Field::MarkLow,
            (false, true) => Field::MarkHigh,
            (true, false) => Field::Low,
            (false, false) => Field::High,
        },
    )
}
