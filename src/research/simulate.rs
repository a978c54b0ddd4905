//! A bound strategy over bars: whole columns of signals, then one account bar by bar.

use assay_shared::account::{Account, Assumptions, Mark, Run, Unbalanced, Window};
use assay_shared::indicator::IndicatorError;
use assay_shared::market::course::Course;
use assay_shared::market::{Market, MarketBar};
use assay_shared::rulebook::{Rulebook, RulebookError};
use assay_shared::strategy::Bound;
use assay_shared::strategy::columns::{SymbolSignals, of_nodes, signals};
use assay_shared::strategy::decide::Decider;
use assay_shared::strategy::kept::Kept;
use assay_shared::strategy::series::Series;
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

/// What a strategy says over the whole market, computed once: signals, or the columns that its rules look at.
#[derive(Debug, Clone, Default)]
pub struct Prepared {
    /// Signals of each symbol; of a strategy with rules none.
    pub signals: Vec<SymbolSignals>,
    columns: Vec<Series>,
    /// How far prices went.
    courses: Arc<Vec<Course>>,
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
pub fn prepare(bound: &Bound, market: &Market) -> Result<Prepared, SimulateError> {
    prepare_on(&Ground::new(0), bound, market)
}

/// The same with what other runs over the same market share.
///
/// # Errors
/// An indicator that refuses its input.
pub fn prepare_on(ground: &Ground, bound: &Bound, market: &Market) -> Result<Prepared, SimulateError> {
    Ok(match Decider::new(bound)? {
        None => {
            let (signals, courses) = (signals(bound, market, Some(&ground.kept))?, ground.courses(market));
            Prepared { signals, courses, ..Prepared::default() }
        }
        Some(decider) => {
            Prepared { columns: of_nodes(bound, market, decider.given(), Some(&ground.kept))?, ..Prepared::default() }
        }
    })
}

/// One account over the bars of a market, step by step, with the places noted where windows begin and end.
#[derive(Debug)]
pub struct Simulation<'a> {
    market: &'a Market,
    prepared: &'a Prepared,
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
        prepared: &'a Prepared,
        market: &'a Market,
        book: &'a Rulebook,
        assumptions: &Assumptions,
        first: usize,
        record: bool,
    ) -> Result<Simulation<'a>, SimulateError> {
        let account = Account::new(bound.terms(), book, assumptions, market.times[first], record)?;
        let marks = BTreeMap::from([(first, account.so_far().mark())]);
        let decider = Decider::new(bound)?;
        Ok(Simulation { market, prepared, decider, account, next: first, marks })
    }

    /// Goes on up to a bar, which is not simulated itself, and notes where the account stands there.
    ///
    /// # Errors
    /// A rule book that does not cover a bar.
    pub fn advance(&mut self, to: usize) -> Result<(), SimulateError> {
        let (market, prepared) = (self.market, self.prepared);
        match &mut self.decider {
            None if self.next < to => {
                self.account.steps(market, &prepared.courses, self.next..to, &prepared.signals)?;
            }
            None => {}
            Some(decider) => {
                for index in self.next..to {
                    let mut refused = Ok(());
                    self.account.step_with(&MarketBar { market, index }, |view, orders| {
                        refused = decider.decide(|id| prepared.columns[id][index], view, orders);
                    })?;
                    refused?;
                }
            }
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
    prepared: &Prepared,
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
