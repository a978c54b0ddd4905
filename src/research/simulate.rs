//! A bound strategy over bars: whole columns of signals, then one account bar by bar.

use assay_shared::account::{Account, Assumptions, Mark, Run, Unbalanced, Window};
use assay_shared::indicator::IndicatorError;
use assay_shared::market::course::Course;
use assay_shared::market::{Market, MarketBar};
use assay_shared::rulebook::{Rulebook, RulebookError};
use assay_shared::strategy::Bound;
use assay_shared::strategy::decide::Decider;
use assay_shared::strategy::kept::Kept;
use assay_shared::strategy::quiet::Quiet;
use assay_shared::strategy::sheet::Sheet;
use assay_shared::strategy::signals::{SymbolSignals, signals};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// Why a simulation could not be done.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SimulateError {
    /// An indicator refused its input.
    #[error(transparent)]
    Indicator(#[from] IndicatorError),
    /// The rule book does not cover the bars.
    #[error(transparent)]
    Rulebook(#[from] RulebookError),
    /// The account's sums do not fit.
    #[error(transparent)]
    Unbalanced(#[from] Unbalanced),
}

/// What a strategy says over the whole market, computed once: signals, or what its rules look at.
#[derive(Debug, Clone)]
pub struct Prepared<'m> {
    said: Said<'m>,
    /// How far prices went.
    courses: Arc<Vec<Course>>,
}

#[derive(Debug, Clone)]
enum Said<'m> {
    Signals(Vec<SymbolSignals<'m>>),
    /// The values that rules look at, and when they need not.
    Rules(Box<Sheet<'m>>, Quiet),
}

/// What all runs over one market share, computed when it is first asked for.
#[derive(Debug)]
pub struct Ground {
    courses: OnceLock<Arc<Vec<Course>>>,
    kept: Kept,
}

impl Ground {
    /// Room for so many bytes of columns.
    pub fn new(bytes: usize) -> Ground {
        Ground { courses: OnceLock::new(), kept: Kept::new(bytes) }
    }

    fn courses(&self, market: &Market) -> Arc<Vec<Course>> {
        self.courses.get_or_init(|| Arc::new(Course::of(market))).clone()
    }
}

/// Computes what does not depend on an account.
///
/// # Errors
/// An indicator that refuses its input.
pub fn prepare<'m>(bound: &Bound, market: &'m Market) -> Result<Prepared<'m>, SimulateError> {
    prepare_on(&Ground::new(0), bound, market)
}

/// The same with what other runs over the same market share.
///
/// # Errors
/// An indicator that refuses its input.
pub fn prepare_on<'m>(ground: &Ground, bound: &Bound, market: &'m Market) -> Result<Prepared<'m>, SimulateError> {
    let kept = Some(&ground.kept);
    let said = match Decider::new(bound)? {
        None => Said::Signals(signals(bound, market, kept)?),
        Some(decider) => {
            let sheet = Sheet::new(&bound.plan, market, decider.given(), &[], kept)?;
            let quiet = decider.quiet(&sheet);
            Said::Rules(Box::new(sheet), quiet)
        }
    };
    Ok(Prepared { said, courses: ground.courses(market) })
}

/// One account over the bars of a market, step by step, with the places noted where windows begin and end.
#[derive(Debug)]
pub struct Simulation<'a> {
    market: &'a Market,
    prepared: &'a Prepared<'a>,
    decider: Option<Decider>,
    account: Account<'a>,
    next: usize,
    marks: BTreeMap<usize, Mark>,
}

impl<'a> Simulation<'a> {
    /// An account that begins flat at the bar `first`. Signals before it are history only: the first order can come
    /// from its close.
    ///
    /// # Errors
    /// A rule book that knows nothing of the symbols.
    pub fn new(
        bound: &Bound,
        prepared: &'a Prepared<'a>,
        market: &'a Market,
        book: &'a Rulebook,
        assumptions: &Assumptions,
        first: usize,
        record: bool,
    ) -> Result<Simulation<'a>, SimulateError> {
        let account = Account::new(bound.terms(), book, assumptions, market.times[first], record)?;
        let account = account.expecting(market.len() - first);
        let marks = BTreeMap::from([(first, account.so_far().mark())]);
        let decider = Decider::new(bound)?;
        Ok(Simulation { market, prepared, decider, account, next: first, marks })
    }

    /// Goes on up to a bar, which is not simulated itself, and notes where the account stands there.
    ///
    /// # Errors
    /// A rule book that does not cover a bar.
    pub fn advance(&mut self, to: usize) -> Result<(), SimulateError> {
        let (market, courses, bars) = (self.market, &self.prepared.courses, self.next..to);
        match (&self.prepared.said, &mut self.decider) {
            _ if bars.is_empty() => {}
            (Said::Rules(sheet, quiet), Some(decider)) => {
                let step = |account: &mut Account<'a>, bar: &MarketBar<'_>| -> Result<(), SimulateError> {
                    let mut refused = Ok(());
                    account.step_with(bar, |view, orders| {
                        refused = decider.decide(|id| sheet.at(id, bar.index), Some((quiet, bar.index)), view, orders);
                    })?;
                    Ok(refused?)
                };
                self.account.steps_by(market, courses, bars, quiet, step)?;
            }
            (Said::Signals(said), _) => {
                self.account.steps(market, courses, bars, said)?;
            }
            // Rules are decided by whoever knows them.
            (Said::Rules(..), None) => {}
        }
        self.next = self.next.max(to);
        self.marks.insert(to, self.account.so_far().mark());
        Ok(())
    }

    /// The account so far.
    pub fn account(&self) -> &Account<'a> {
        &self.account
    }

    /// Where it stood at the bars that it was [advanced](Simulation::advance) to.
    pub fn marks(&self) -> &BTreeMap<usize, Mark> {
        &self.marks
    }

    /// Ends it at the bar it has come to: what is open is closed there, and the sums are checked. Gives the run, and
    /// where it stood.
    ///
    /// # Errors
    /// Sums that do not fit.
    pub fn finish(mut self) -> Result<(Run, BTreeMap<usize, Mark>), SimulateError> {
        let run = self.account.finish(&MarketBar { market: self.market, index: self.next - 1 });
        run.check_sums()?;
        self.marks.insert(self.next, run.whole().mark());
        Ok((run, self.marks))
    }
}

/// A stretch of a run, between two bars that were noted.
pub fn stretch<'w>(whole: &Window<'w>, marks: &BTreeMap<usize, Mark>, bars: &Range<usize>) -> Option<Window<'w>> {
    Some(whole.between(marks.get(&bars.start)?, marks.get(&bars.end)?))
}

/// Runs an account over `bars` alone, flat at their start.
///
/// # Errors
/// A rule book that does not cover them.
pub fn run(
    bound: &Bound,
    prepared: &Prepared<'_>,
    market: &Market,
    book: &Rulebook,
    assumptions: &Assumptions,
    bars: Range<usize>,
    record: bool,
) -> Result<Run, SimulateError> {
    assert!(!bars.is_empty() && bars.end <= market.len(), "bars that exist");
    let mut simulation = Simulation::new(bound, prepared, market, book, assumptions, bars.start, record)?;
    simulation.advance(bars.end)?;
    Ok(simulation.finish()?.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::generate;
    use assay_shared::rulebook::BracketSet;
    use assay_shared::search::unit::value_of_share;
    use assay_shared::strategy::{Params, Strategy};
    use proptest::prelude::*;

    fn book() -> Rulebook {
        let mut book = Rulebook::parse(include_str!("../../configs/rulebook.toml")).unwrap();
        book.rules[0].effective = "2020-01-01".into();
        let first = book.brackets[0].clone();
        book.brackets.insert(0, BracketSet { effective: "2020-01-01".into(), ..first });
        book
    }

    /// A file with some rules.
    fn ruled(rules: &str) -> String {
        format!(
            "name = \"x\"\ninterval = \"1h\"\nsymbols = [\"BTCUSDT\", \"ETHUSDT\"]\n\
             [parameters]\nn = {{ type = \"int\", low = 3, high = 60, default = 9 }}\n\
             x = {{ type = \"float\", low = 0.002, high = 0.05, default = 0.01 }}\n\
             [indicators]\nfast = \"EMA(close, n)\"\nslow = \"EMA(close, 3 * n)\"\n{rules}"
        )
    }

    const SIZE: &str = "[sizing]\nmargin_fraction = 0.2\nleverage = 2\n";

    /// Entries, exits, adds, ladders, targets; what waits for the account alone, and beside what does not; what is
    /// remembered; levels that are looked at again; positions that stand so long.
    fn texts() -> Vec<String> {
        let enter = "[[entries]]\ntag = \"a\"\nside = \"long\"\nwhen = \"crosses_above(fast, slow)\"\n";
        let leave = |when: &str| format!("[[exits]]\nname = \"out\"\nwhen = \"{when}\"\n");
        let mut out: Vec<String> = [
            format!("{enter}{}{SIZE}", leave("crosses_below(fast, slow)")),
            format!("{enter}{}{SIZE}", leave("position.profit > x and close < prev(close)")),
            format!("{enter}{}{SIZE}", leave("position.bars > n or close < lowest(prev(low), n)")),
            format!("{enter}{}{SIZE}", leave("highest(position.profit, 3) > x")),
            format!("{enter}{}{SIZE}", leave("prev(position.profit, 2) > x or bars_since(position.side == 1) > n")),
            format!("{enter}{}{SIZE}", leave("hold(position.entry) * (1 + x) < close or count(position.profit > x, 4) > 1")),
            format!("{enter}{}{SIZE}", leave("prev(position.side * close) > close or prev(account.drawdown) > x")),
            format!("{enter}{}[[adds]]\ntag = \"b\"\nwhen = \"position.profit > prev(position.best) + x / 9\"\nmax = 2\n{SIZE}", leave("position.bars > 3 * n")),
            format!("{enter}[stops]\nstop_loss = \"x\"\nmax_bars = \"n\"\n{SIZE}"),
            format!("{enter}[stops]\ntrailing_stop = \"x\"\ntake_profit = \"2 * x\"\n{SIZE}"),
            format!("{enter}[stops]\nstop_price = \"position.entry * (1 - x)\"\n{SIZE}"),
            format!("{enter}[[adds]]\ntag = \"b\"\nwhen = \"close < prev(close, 2)\"\nmax = 3\n{}{SIZE}", leave("close > prev(highest(high, n))")),
            format!(
                "[trade]\nroom = {{ start = \"x\", next = \"if(position.bars > 3, 2 * x, self)\" }}\n{enter}{}{SIZE}",
                leave("position.profit > room")
            ),
            format!("[[entries]]\ntag = \"a\"\nside = \"short\"\nwhen = \"close < prev(lowest(low, n)) and account.drawdown < 0.2\"\n{}{SIZE}", leave("new_day")),
            format!("[[entries]]\ntag = \"a\"\nside = \"long\"\nwhen = \"new_day and known(last.bars_today, 0) < 2\"\n{}{SIZE}", leave("hour == 9")),
            "[target]\nweight = \"if(fast > slow, 0.3, -0.3)\"\nwhen = \"new_day\"\nband = 0.05\n[sizing]\nleverage = 2\n".to_string(),
        ]
        .iter()
        .map(|rules| ruled(rules))
        .collect();
        let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/strategies");
        for item in std::fs::read_dir(shipped).unwrap().flatten() {
            if item.path().extension().is_some_and(|e| e == "toml") {
                let text = std::fs::read_to_string(item.path()).unwrap();
                out.push(text.replace(", \"XRPUSDT\", \"ADAUSDT\"", "").replace(", \"LTCUSDT\"]", "]"));
            }
        }
        out
    }

    fn one_by_one(bound: &Bound, prepared: &Prepared<'_>, market: &Market, book: &Rulebook, a: &Assumptions) -> Run {
        let mut account = Account::new(bound.terms(), book, a, market.times[0], true).unwrap();
        let mut decider = Decider::new(bound).unwrap();
        for index in 0..market.len() {
            let bar = MarketBar { market, index };
            match (&prepared.said, &mut decider) {
                (Said::Rules(sheet, _), Some(decider)) => account
                    .step_with(&bar, |view, orders| {
                        decider.decide(|id| sheet.at(id, index), None, view, orders).unwrap();
                    })
                    .unwrap(),
                (Said::Signals(said), _) => account.step(&bar, |s| said[s].at(index)).unwrap(),
                (Said::Rules(..), None) => unreachable!(),
            }
        }
        account.finish(&MarketBar { market, index: market.len() - 1 })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 60 } else { 600 }))]

        /// Whatever a strategy says, the bars at which it need not be asked are as if it had been asked, to the last
        /// bit.
        #[test]
        fn nobody_is_asked_in_vain(which: prop::sample::Index, shares in prop::collection::vec(0.0f64..1.0, 8), seed in 1u64..99_999) {
            let (texts, book) = (texts(), book());
            let text = &texts[which.index(texts.len())];
            let strategy = Strategy::parse(text).unwrap_or_else(|found| panic!("{text}{found:?}"));
            let space = &strategy.file.parameters;
            let params: Params =
                space.iter().zip(&shares).map(|((name, range), share)| (name.clone(), value_of_share(range, *share))).collect();
            let Ok(bound) = strategy.bind(&params) else { return Ok(()) };
            let market = generate::market(&strategy.file.symbols, 1_500, seed);
            let a = Assumptions { initial_cash_usdt: 5_000.0, slippage_bps: 1.0, ..Assumptions::default() };
            let prepared = prepare(&bound, &market).unwrap();
            let plain = one_by_one(&bound, &prepared, &market, &book, &a);
            let fast = run(&bound, &prepared, &market, &book, &a, 0..market.len(), true).unwrap();
            prop_assert_eq!(plain.stream_hash, fast.stream_hash, "{}", text);
            prop_assert_eq!(plain, fast, "{}", text);
        }
    }
}
