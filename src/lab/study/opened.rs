//! A study with everything its trials depend on: opened from texts, or read back from the ledger.

use super::queue::{self, extended};
use crate::data::{named_rulebook, rulebook_of};
use crate::environment::environment;
use crate::error::LabError;
use crate::folder::Lab;
use crate::session::Notice;
use assay_ledger::format::hash::{hex, unhex};
use assay_ledger::keys::seed::seed_of;
use assay_ledger::{EventId, Hash, Log};
use assay_research::mirror::query::SnapshotRow;
use assay_research::simulate::SimulateError;
use assay_research::study::{Evaluator, Inputs, StudyError};
use assay_shared::event::study::{StudyFact, study_id};
use assay_shared::event::{Environment, Event, SeedGrade, StrategyRegistered, StudyOpenedV2};
use assay_shared::indicator::IndicatorError;
use assay_shared::market::{Field, Market};
use assay_shared::recount::number_of;
use assay_shared::rulebook::Rulebook;
use assay_shared::search::grid::distinct;
use assay_shared::strategy::{Params, Strategy};
use assay_shared::study::Study;
use assay_shared::time::{format_ms, interval_text};
use std::collections::{BTreeMap, BTreeSet};

/// A study that is ready to run.
#[derive(Debug)]
pub struct Opened {
    /// Its id.
    pub id: [u8; 16],
    /// The strategy.
    pub strategy: Strategy,
    /// What is searched and how.
    pub study: Study,
    /// The data, cut to the strategy's symbols.
    pub market: Market,
    /// Hash of the whole snapshot.
    pub data_hash: Hash,
    /// The rule book.
    pub book: Rulebook,
    /// The versions it was opened with.
    pub environment: Environment,
    /// Where its seed comes from.
    pub seed: Seed,
}

/// Where a study's seed comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seed {
    /// The researcher named it.
    Named,
    /// A witness gave it: its verifier key.
    Witnessed(String),
    /// A witness is to give it, and was not asked yet, or did not answer.
    Wanting,
}

impl Opened {
    /// The evaluator of its trials.
    ///
    /// # Errors
    /// Folds that do not fit the data, or a rule book that does not cover it.
    pub fn evaluator(&self) -> Result<Evaluator<'_>, LabError> {
        self.evaluator_with(&self.book, &self.study)
    }

    /// The same with other rules and assumptions.
    ///
    /// # Errors
    /// As [`Opened::evaluator`].
    pub(crate) fn evaluator_with<'a>(
        &'a self,
        book: &'a Rulebook,
        study: &'a Study,
    ) -> Result<Evaluator<'a>, LabError> {
        let inputs = Inputs {
            strategy: &self.strategy,
            market: &self.market,
            data_hash: self.data_hash,
            book,
            study,
            environment: &self.environment,
        };
        let hint = "change the splits in the study file, or the window with `data import --from/--to`";
        Evaluator::new(inputs).map_err(|e| match e {
            StudyError::Rulebook(e) => LabError::Rulebook(e),
            e @ StudyError::Interval { .. } => {
                LabError::usage(e.to_string(), "choose data of its interval with --data (`assay data show` lists them)")
            }
            StudyError::Simulate(SimulateError::Indicator(e @ IndicatorError::NoData { .. })) => {
                LabError::usage(e.to_string(), "import data that have it, or take it out of the strategy")
            }
            e => LabError::usage(e.to_string(), hint),
        })
    }

    /// The first bar of each symbol, by which everything that a strategy remembers is anchored.
    pub fn anchors(&self) -> BTreeMap<String, String> {
        let anchor = |(s, name): (usize, &String)| Some((name.clone(), format_ms(self.market.anchor(s)?)));
        self.market.symbols.iter().enumerate().filter_map(anchor).collect()
    }
}

/// The data of a strategy's symbols, over the time of those that it trades: a symbol that it only reads may be older.
///
/// # Errors
/// No snapshot of that hash, or one without a symbol.
pub fn prices(lab: &Lab, hash: &str, strategy: &Strategy) -> Result<(Hash, Market), LabError> {
    let (hash, market) = lab.snapshot(hash, Some(&strategy.file.all_symbols()))?;
    let traded = || market.columns.iter().take(strategy.file.symbols.len()).map(|c| &c.span);
    let from = traded().map(|span| span.start).min().unwrap_or(0);
    let to = traded().map(|span| span.end).max().unwrap_or(market.len());
    Ok((hash, if (from, to) == (0, market.len()) { market } else { market.slice(from, to) }))
}

/// The hash of the snapshot that begins so; of the newest one when none is named.
///
/// # Errors
/// There is no such snapshot, or none that the strategy can run on.
pub fn chosen(lab: &Lab, strategy: &Strategy, data: Option<&str>) -> Result<String, LabError> {
    let snapshots = lab.mirror()?.snapshots()?;
    let hint = "import data with `assay data import`; list it with `assay data show`";
    if let Some(begin) = data {
        let named: Vec<_> = snapshots.iter().filter(|s| !begin.is_empty() && s.data_hash.starts_with(begin)).collect();
        return match named[..] {
            [one] => Ok(one.data_hash.clone()),
            [] => Err(LabError::usage(format!("there is no such snapshot: '{begin}'"), hint)),
            _ => Err(LabError::usage(
                format!("'{begin}' stands for {} snapshots", named.len()),
                "write more of its hash",
            )),
        };
    }
    let wanted = strategy.file.all_symbols();
    let same = |s: &&SnapshotRow| {
        let has: BTreeSet<&str> = s.symbols.split(',').collect();
        s.interval_ms == strategy.interval_ms && wanted.iter().all(|symbol| has.contains(symbol.as_str()))
    };
    // One that was imported without funding rates may have none of those that the strategy reads.
    let sure = |s: &&SnapshotRow| !strategy.reads(Field::Funding) || !s.treatments.contains("no-funding");
    let fits = || snapshots.iter().filter(same);
    if let Some(newest) = fits().find(sure).or_else(|| fits().next()) {
        return Ok(newest.data_hash.clone());
    }
    let what = match snapshots.is_empty() {
        true => "there is no snapshot".to_string(),
        false => {
            let is = |s: &SnapshotRow| {
                format!("{} has {} of {}", &s.data_hash[..12], s.symbols, interval_text(s.interval_ms))
            };
            format!(
                "no snapshot has {} of {} (the newest, {})",
                wanted.join(", "),
                interval_text(strategy.interval_ms),
                is(&snapshots[0])
            )
        }
    };
    Err(LabError::usage(what, hint))
}

/// Opens a study: registers the strategy and records everything its trials depend on. `data` is the
/// beginning of a snapshot's hash; the newest snapshot when none is given. `rulebook` is the beginning of a rule
/// book's hash; the snapshot's own when none is given. With [`Seed::Wanting`] the study's own seed does not count: a
/// witness is to give it, see [`super::seeded`].
///
/// # Errors
/// A snapshot that is missing or lacks a symbol, folds that do not fit it, or a study of that name.
pub fn open(
    lab: &Lab,
    strategy: Strategy,
    mut study: Study,
    seed: Seed,
    data: Option<&str>,
    rulebook: Option<&str>,
    points: &[Params],
) -> Result<Opened, LabError> {
    if seed != Seed::Named {
        study.seed = 0;
    }
    within_space(lab, &strategy, &mut study, points)?;
    let hash = chosen(lab, &strategy, data)?;
    let (data_hash, market) = prices(lab, &hash, &strategy)?;
    let book = rulebook.map_or_else(|| rulebook_of(lab, &data_hash), |begin| named_rulebook(lab, begin))?;
    let environment = environment();
    let id = study_id(&study.text(), &strategy.hash().0, &data_hash.0, &book.hash().0, &environment);
    let mut opened = Opened { id, strategy, study, market, data_hash, book, environment, seed };
    opened.evaluator()?;
    record(lab, &opened, points)?;
    let log = lab.log()?;
    given(&log, &mut opened)?;
    extended(&log, &opened.id, &mut opened.study)?;
    Ok(opened)
}

/// How many trials a study can have of which none is another once more; none where that is no number.
pub(super) fn most_trials(strategy: &Strategy, study: &Study, given: usize) -> Option<u32> {
    let grid = study.sampler.points();
    let points = distinct(&strategy.file.parameters, grid, strategy)?;
    // A grid is walked whole, whatever was given; the other samplers ask for nothing that was there.
    Some(points.saturating_add(if grid.is_some() { given as u32 } else { 0 }))
}

/// Takes no more trials than there are different points: each counts for good, and a repeated one says nothing.
fn within_space(lab: &Lab, strategy: &Strategy, study: &mut Study, given: &[Params]) -> Result<(), LabError> {
    let Some(points) = most_trials(strategy, study, given.len()) else { return Ok(()) };
    if points == 0 {
        let hint = "loosen `constraints`, or widen the ranges";
        return Err(LabError::usage("no values of the parameters keep the strategy's constraints", hint));
    }
    if points < study.trials {
        lab.session.notice(&Notice::FewPoints { points, asked: study.trials });
        study.trials = points;
    } else if points > study.trials && study.sampler.points().is_some() {
        lab.session.notice(&Notice::PartOfGrid { points, trials: study.trials });
    }
    Ok(())
}

/// Takes the seed that a witness gave, if it stands in the log.
pub(super) fn given(log: &Log, opened: &mut Opened) -> Result<(), LabError> {
    let at = |name: &[u8]| log.find(&EventId::derived(&[name, &opened.id]));
    let (Some(seq), Some(opening)) = (at(b"study-seeded")?, at(b"study")?) else { return Ok(()) };
    let Event::StudySeeded(e) = Event::of(&log.entry(seq)?)? else { return Ok(()) };
    let witness = e.witness.parse()?;
    let seed = seed_of(e.note.as_bytes(), log.origin(), &log.entry(opening)?.leaf_hash(), &witness)?;
    (opened.study.seed, opened.seed) = (number_of(&seed), Seed::Witnessed(e.witness));
    Ok(())
}

fn record(lab: &Lab, opened: &Opened, points: &[Params]) -> Result<(), LabError> {
    let s = &opened.strategy;
    let registered =
        StrategyRegistered { name: s.file.name.clone(), hash: s.hash().0, canonical: s.canonical().into() };
    let event = StudyOpenedV2 {
        study_id: opened.id,
        name: opened.study.name.clone(),
        strategy: s.file.name.clone(),
        strategy_hash: s.hash().0,
        data_hash: opened.data_hash.0,
        rulebook_hash: opened.book.hash().0,
        text: opened.study.text(),
        environment: opened.environment.recorded(),
        generated: opened.market.generated,
        seed: if opened.seed == Seed::Named { SeedGrade::Named } else { SeedGrade::Witnessed },
    };
    let mut writer = lab.writer()?;
    writer.keep()?;
    let mut events = vec![registered.into(), event.into()];
    if !points.is_empty() {
        let asked: Event = queue::event(opened.id, 0, 0, points).into();
        if recorded_study(&writer.log, &hex(&opened.id))?.is_some() && !stands(&writer.log, &asked)? {
            let hint = format!("extend it, when it is complete: `assay study extend {}`", opened.study.name);
            return Err(LabError::usage("the study was opened before, without these points", hint));
        }
        events.push(asked);
    }
    writer.record(&events)?;
    writer.release();
    writer.publish()?;
    lab.refresh_mirror()
}

/// Whether an event is recorded as it is.
fn stands(log: &Log, event: &Event) -> Result<bool, LabError> {
    let draft = event.draft()?;
    let Some(seq) = log.find(&draft.id)? else { return Ok(false) };
    Ok(log.entry(seq)?.payload() == draft.payload)
}

/// The opening of a study, by the id that its event has.
fn recorded_study(log: &Log, id: &str) -> Result<Option<StudyFact>, LabError> {
    let Some(raw) = unhex(id) else { return Ok(None) };
    let Some(seq) = log.find(&EventId::derived(&[b"study", &raw]))? else { return Ok(None) };
    Ok(Event::of(&log.entry(seq)?)?.study())
}

/// The text of a strategy, the newest registration first.
fn recorded_strategy(log: &Log, hash: &[u8; 32]) -> Result<Option<StrategyRegistered>, LabError> {
    for seq in log.newest_of("StrategyRegistered", 0..log.len(), usize::MAX)? {
        if let Event::StrategyRegistered(e) = Event::of(&log.entry(seq)?)?
            && e.hash == *hash
        {
            return Ok(Some(e));
        }
    }
    Ok(None)
}

/// Reads a study back from the ledger, with everything its trials depend on.
///
/// # Errors
/// A ledger without the study or its strategy, or a lab without its snapshot or rule book.
pub fn reopen(lab: &Lab, id: &str) -> Result<Opened, LabError> {
    let log = lab.log()?;
    let e = recorded_study(&log, id)?.ok_or_else(|| LabError::Verification(format!("the ledger has no study {id}")))?;
    let text = recorded_strategy(&log, &e.strategy_hash)?
        .ok_or_else(|| LabError::Verification("the ledger lacks the study's strategy".into()))?;
    let strategy = Strategy::recorded(&text.canonical).map_err(LabError::format("the recorded strategy"))?;
    if strategy.hash().0 != e.strategy_hash {
        return Err(LabError::Verification("the recorded strategy has another hash than its event says".into()));
    }
    let study = Study::recorded(&e.text).map_err(LabError::format("the recorded study"))?;
    let (data_hash, market) = prices(lab, &hex(&e.data_hash), &strategy)?;
    let book = lab.rulebook(&hex(&e.rulebook_hash))?;
    let seed = if e.seed == SeedGrade::Named { Seed::Named } else { Seed::Wanting };
    let mut opened =
        Opened { id: e.study_id, strategy, study, market, data_hash, book, environment: e.environment, seed };
    given(&log, &mut opened)?;
    extended(&log, &opened.id, &mut opened.study)?;
    Ok(opened)
}
