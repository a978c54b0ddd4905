//! Evaluation one bar at a time, for production. The same nodes and functions as [`super::columns`].

use super::bind::Bound;
use super::clock::{Gathering, Ticks};
use super::plan::Op;
use super::step::{State, step};
use crate::account::Signals;
use crate::indicator::IndicatorError;
use crate::market::Bar;

/// A strategy that takes bars one at a time. It must see every bar from the first one of the data
/// that research saw: some indicators remember everything.
pub struct Stepper {
    bound: Bound,
    states: Vec<State>,
    /// What is gathered for columns of higher clocks.
    gathering: Vec<Option<Gathering>>,
    ticks: Vec<Ticks>,
    values: Vec<f64>,
    /// For each slot what its node was on the bar before of its clock.
    backs: Vec<f64>,
    back_clock: Vec<usize>,
}

impl std::fmt::Debug for Stepper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stepper({} nodes)", self.values.len())
    }
}

impl Stepper {
    /// A stepper that has seen nothing yet.
    ///
    /// # Errors
    /// An indicator whose options are out of range.
    pub fn new(bound: Bound) -> Result<Stepper, IndicatorError> {
        let plan = &bound.plan;
        let states = plan.ops.iter().map(State::of).collect::<Result<Vec<_>, _>>()?;
        let gathering = |(op, clock): (&Op, &u8)| match op {
            Op::Column { field, .. } if *clock > 0 => Some(Gathering::new(*field)),
            _ => None,
        };
        let gathering = plan.ops.iter().zip(&plan.clock_of).map(gathering).collect();
        let mut back_clock = vec![0; plan.slots.len()];
        for (op, clock) in plan.ops.iter().zip(&plan.clock_of) {
            if let Op::Back(slot) = op {
                back_clock[*slot] = usize::from(*clock);
            }
        }
        let ticks = plan.clocks.iter().map(|clock| Ticks::new(*clock)).collect();
        let (values, backs) = (vec![f64::NAN; states.len()], vec![f64::NAN; plan.slots.len()]);
        Ok(Stepper { bound, states, gathering, ticks, values, backs, back_clock })
    }

    /// The values of all nodes at the last bar's close, by their places in the plan.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Takes a closed bar and gives each symbol's signals at its close.
    ///
    /// # Errors
    /// An indicator that refuses its input.
    pub fn step(&mut self, bar: &impl Bar) -> Result<Vec<Signals>, IndicatorError> {
        let (plan, values) = (&self.bound.plan, &mut self.values);
        let mut ticks: Vec<(bool, bool)> =
            self.ticks.iter_mut().map(|ticks| ticks.push(bar.time(), bar.end())).collect();
        // The first clock is that of the data.
        ticks.iter_mut().take(1).for_each(|tick| *tick = (true, true));
        let tick = |clock: usize| ticks.get(clock).copied().unwrap_or((true, true));
        for (id, op) in plan.ops.iter().enumerate() {
            let clock = usize::from(plan.clock_of[id]);
            let (opens, closes) = tick(clock);
            if let (Op::Column { symbol, field }, Some(gathering)) = (op, &mut self.gathering[id]) {
                gathering.push(bar.get(*symbol, *field), opens);
            }
            if !closes || plan.waits(id) {
                continue;
            }
            values[id] = match op {
                Op::Column { symbol, field } => match &self.gathering[id] {
                    Some(gathering) => gathering.close(),
                    None => bar.get(*symbol, *field),
                },
                Op::Calendar(calendar) => {
                    let interval = plan.clocks.get(clock).copied().unwrap_or_default();
                    let opening = if clock == 0 { bar.time() } else { bar.end() - interval };
                    calendar.of(opening, interval)
                }
                Op::Back(slot) => self.backs[*slot],
                Op::Held(a) => values[*a],
                Op::Output(of, k) => self.states[*of].output(*k),
                op => step(op, &mut self.states[id], |of| values[of])?,
            };
        }
        for (slot, of) in plan.slots.iter().enumerate() {
            if tick(self.back_clock[slot]).1 {
                self.backs[slot] = values[*of];
            }
        }
        Ok(self.bound.outputs.iter().map(|o| read(o, &self.values)).collect())
    }
}

fn read(outputs: &super::bind::Outputs, values: &[f64]) -> Signals {
    let flags = outputs.signals.iter().filter(|(_, id)| values[*id] == 1.0).fold(0, |f, (bit, _)| f | bit);
    let stop = |i: usize| outputs.stops[i].map_or(f64::NAN, |id| values[id]);
    Signals { flags, stop_loss: stop(0), take_profit: stop(1), trailing_stop: stop(2) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::MarketBar;
    use crate::market::tests::{walk, young};
    use crate::strategy::Strategy;
    use crate::strategy::signals;
    use crate::strategy::space::defaults;
    use proptest::prelude::{ProptestConfig, prop_assert, proptest};

    pub(crate) const TEXT: &str = r#"
name = "test"
description = "everything at once"
interval = "1h"
symbols = ["S0USDT", "S1USDT"]
constraints = ["fast < slow"]
[parameters]
fast = { type = "int", low = 2, high = 20, default = 5 }
slow = { type = "int", low = 5, high = 60, default = 20 }
[indicators]
f = "EMA(close, fast)"
s = "EMA(close, slow)"
m = "MACD(close, fast, slow, 9)"
r = "RSI(f - s, 7)"
wide = "BBANDS(close, 20, 2.0, 2.0, SMA)"
[signals]
long_entry = "crosses_above(f, s) and S0USDT.close > prev(S0USDT.close, 3)"
long_exit = "close < lowest(prev(low, 1), slow) or m.macdhist < 0 and bars_since(r > 60) > 4"
short_entry = "close < wide.reallowerband and funding > 0.0001 or count(close < open, 5) >= 4"
short_exit = "not (close < s) and highest(high, 4) > mark"
[stops]
stop_loss = "min(0.2, 2.5 * ATR(high, low, close, 14) / close)"
take_profit = 0.1
[sizing]
margin_fraction = 0.2
leverage = 3
[risk]
margin_mode = "isolated"
max_concurrent_positions = 2
"#;

    fn stepped(bound: &Bound, m: &crate::market::Market) -> Vec<Vec<Signals>> {
        let mut stepper = Stepper::new(bound.clone()).unwrap();
        (0..m.len()).map(|index| stepper.step(&MarketBar { market: m, index }).unwrap()).collect()
    }

    fn same(a: &Signals, b: &Signals) -> bool {
        let bits = |s: &Signals| [s.stop_loss, s.take_profit, s.trailing_stop].map(crate::market::canonical_bits);
        a.flags == b.flags && bits(a) == bits(b)
    }

    /// A symbol that is younger than the data, or ends before them, is unknown outside its bars to both
    /// evaluations alike, and what stands alone is what it is without the others.
    #[test]
    fn both_evaluations_agree_on_symbols_of_different_age() {
        let strategy = Strategy::parse(TEXT).unwrap();
        let bound = strategy.bind(&defaults(&strategy.file.parameters)).unwrap();
        for (symbol, span) in [(0, 100..400), (1, 100..400), (0, 0..300), (1, 150..250)] {
            let m = young(walk(400, 2, 11), symbol, span.clone());
            let whole = signals::signals(&bound, &m, None).unwrap();
            for (t, bar) in stepped(&bound, &m).iter().enumerate() {
                for s in 0..2 {
                    assert!(same(&whole[s].at(t), &bar[s]), "{span:?} of {symbol}: bar {t} symbol {s}");
                }
            }
            assert!(whole.iter().any(|s| (0..m.len()).any(|t| s.flags(t) != 0)));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Columns and bars agree bit for bit, and data cut at t leaves the prefix as it was: no
        /// expression can look ahead.
        #[test]
        fn both_evaluations_agree_and_never_look_ahead(seed in 1u64..1_000_000, cut in 1usize..400) {
            let strategy = Strategy::parse(TEXT).unwrap();
            let bound = strategy.bind(&defaults(&strategy.file.parameters)).unwrap();
            let m = walk(400, 2, seed);
            let whole = signals::signals(&bound, &m, None).unwrap();
            let bars = stepped(&bound, &m);
            let cut_off = m.slice(0, cut);
            let short = signals::signals(&bound, &cut_off, None).unwrap();
            for (t, bar) in bars.iter().enumerate() {
                for s in 0..2 {
                    prop_assert!(same(&whole[s].at(t), &bar[s]), "bar {t} symbol {s}");
                    prop_assert!(t >= cut || same(&whole[s].at(t), &short[s].at(t)));
                }
            }
            prop_assert!(whole.iter().any(|s| (0..m.len()).any(|t| s.flags(t) != 0)));
        }
    }

    #[test]
    fn problems_point_at_their_place() {
        for (from, to, message, at) in [
            ("crosses_above(f, s)", "crosses_above(f, slw)", "unknown name 'slw'", "slw"),
            ("EMA(close, fast)", "EMAA(close, fast)", "unknown function or indicator 'EMAA'", "EMAA"),
            ("EMA(close, slow)", "EMA(close)", "EMA takes 2 arguments, 1 given", "EMA(close)"),
            ("m.macdhist < 0", "m < 0", "this has several outputs", "m <"),
            ("prev(low, 1)", "prev(low, -1)", "the number of bars must be", "-1"),
            ("not (close < s)", "not close", "this must be true or false, but it is a number", "close and"),
            ("low = 5, high = 60", "low = 70, high = 60", "the range of 'slow' is impossible", "slow"),
            ("leverage = 3", "leverage = 500", "between 1 and 150", "500"),
            ("f = \"EMA(close, fast)\"", "f = \"s\"\nq = \"q + 1\"", "circle without prev: q -> q", "q + 1"),
            ("[risk]", "[risc]", "unknown field `risc`", "risc"),
        ] {
            let text = TEXT.replacen(from, to, 1);
            let problems = Strategy::parse(&text).unwrap_err();
            let d = &problems[0];
            assert!(d.message.contains(message), "{from}: {}", d.message);
            assert!(
                text[d.span.start..].starts_with(at),
                "{from}: points at '{}'",
                &text[d.span.start..][..10.min(text.len() - d.span.start)]
            );
        }
    }

    #[test]
    fn the_canonical_form_ignores_layout_only() {
        let a = Strategy::parse(TEXT).unwrap();
        let b = Strategy::parse(&TEXT.replace("interval =", "# a comment\n\ninterval   =")).unwrap();
        assert_eq!(a.hash(), b.hash());
        assert_eq!(Strategy::recorded(a.canonical()).unwrap().hash(), a.hash());
        let c = Strategy::parse(&TEXT.replace("low = 2", "low = 3")).unwrap();
        assert_ne!(a.hash(), c.hash());
    }
}
