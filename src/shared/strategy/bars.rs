//! Evaluation one bar at a time, for production. The same nodes and functions as [`super::columns`].

use super::bind::Bound;
use super::columns::choose;
use super::op::MemoryState;
use super::plan::Op;
use crate::account::Signals;
use crate::indicator::{IndicatorError, Running};
use crate::market::Bar;

enum State {
    None,
    Memory(MemoryState),
    Ta { running: Box<Running>, out: Vec<f64>, inputs: Vec<f64> },
}

/// A strategy that takes bars one at a time. It must see every bar from the first one of the data
/// that research saw: some indicators remember everything.
pub struct Stepper {
    bound: Bound,
    states: Vec<State>,
    values: Vec<f64>,
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
        let mut states = Vec::new();
        for op in &bound.plan.ops {
            states.push(match op {
                Op::Memory(kind, _) => State::Memory(MemoryState::new(*kind)),
                Op::Ta { function, options, inputs } => State::Ta {
                    running: Box::new(Running::new(*function, options)?),
                    out: vec![f64::NAN; function.outputs().len()],
                    inputs: vec![f64::NAN; inputs.len()],
                },
                _ => State::None,
            });
        }
        let values = vec![f64::NAN; states.len()];
        Ok(Stepper { bound, states, values })
    }

    /// Takes a closed bar and gives each symbol's signals at its close.
    ///
    /// # Errors
    /// An indicator that refuses its input.
    pub fn step(&mut self, bar: &impl Bar) -> Result<Vec<Signals>, IndicatorError> {
        let values = &mut self.values;
        for (id, op) in self.bound.plan.ops.iter().enumerate() {
            values[id] = match (op, &mut self.states[id]) {
                (Op::Const(v), _) => *v,
                (Op::Column { symbol, field }, _) => bar.get(*symbol, *field),
                (Op::Unary(op, a), _) => op.apply(values[*a]),
                (Op::Binary(op, a, b), _) => op.apply(values[*a], values[*b]),
                (Op::If(c, a, b), _) => choose(values[*c], values[*a], values[*b]),
                (Op::Memory(_, a), State::Memory(state)) => state.push(values[*a]),
                (Op::Ta { inputs: ids, .. }, State::Ta { running, out, inputs }) => {
                    for (place, id) in inputs.iter_mut().zip(ids) {
                        *place = values[*id];
                    }
                    running.update(inputs, out)?;
                    out[0]
                }
                _ => f64::NAN,
            };
            if let Op::Output(of, k) = op
                && let State::Ta { out, .. } = &self.states[*of]
            {
                values[id] = out[*k];
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
    use crate::strategy::columns;
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
            let whole = columns::signals(&bound, &m).unwrap();
            for (t, bar) in stepped(&bound, &m).iter().enumerate() {
                for s in 0..2 {
                    assert!(same(&whole[s].at(t), &bar[s]), "{span:?} of {symbol}: bar {t} symbol {s}");
                }
            }
            assert!(whole.iter().any(|s| s.flags.iter().any(|f| *f != 0)));
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
            let whole = columns::signals(&bound, &m).unwrap();
            let bars = stepped(&bound, &m);
            let short = columns::signals(&bound, &m.slice(0, cut)).unwrap();
            for (t, bar) in bars.iter().enumerate() {
                for s in 0..2 {
                    prop_assert!(same(&whole[s].at(t), &bar[s]), "bar {t} symbol {s}");
                    prop_assert!(t >= cut || same(&whole[s].at(t), &short[s].at(t)));
                }
            }
            prop_assert!(whole.iter().any(|s| s.flags.iter().any(|f| *f != 0)));
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
            ("f = \"EMA(close, fast)\"", "f = \"s\"\nq = \"q + 1\"", "'q' is defined by itself", "q + 1"),
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
