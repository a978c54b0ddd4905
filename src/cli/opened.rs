//! A study with everything its trials depend on: opened from files, or read back from the ledger.

use super::error::CliError;
use super::lab::{Lab, environment};
use super::output::{grouped, heading, say};
use super::strategy;
use assay_ledger::Hash;
use assay_ledger::format::hash::hex;
use assay_research::study::evaluate::Evaluator;
use assay_research::study::sampler;
use assay_research::study::settings::Settings;
use assay_shared::event::{Environment, Event, StrategyRegistered, StudyOpened};
use assay_shared::market::Market;
use assay_shared::rulebook::Rulebook;
use assay_shared::strategy::file::Strategy;
use serde_json::json;

/// A study that is ready to run: everything that its trials depend on.
pub struct Opened {
    /// Its id.
    pub id: [u8; 16],
    /// The strategy.
    pub strategy: Strategy,
    /// The settings.
    pub settings: Settings,
    /// The data, cut to the strategy's symbols.
    pub market: Market,
    /// Hash of the whole snapshot.
    pub data_hash: Hash,
    /// The rule book.
    pub book: Rulebook,
    /// The versions it was opened with.
    pub environment: Environment,
}

impl Opened {
    /// The evaluator of its trials.
    pub fn evaluator(&self) -> Result<Evaluator<'_>, CliError> {
        Evaluator::new(&self.strategy, &self.market, self.data_hash, &self.book, &self.settings, &self.environment).map_err(|e| {
            CliError::usage(e, "change the splits in the study file, or the window with `data import --from/--to`; the rule book must cover it")
        })
    }
}

/// Opens a study: registers the strategy and records everything its trials depend on.
pub fn open(lab: &Lab, strategy: Strategy, settings: Settings, data: Option<&str>) -> Result<Opened, CliError> {
    let mirror = lab.mirror()?;
    if mirror.studies()?.iter().any(|s| s.name == settings.name) {
        let hint = format!("go on with `assay study resume {0}`, or choose another with --name", settings.name);
        return Err(CliError::usage(format!("there is a study named '{}' already", settings.name), hint));
    }
    let snapshots = mirror.snapshots()?;
    let found = snapshots.iter().find(|s| data.is_none_or(|d| s.data_hash.starts_with(d)));
    let hash = found.map(|s| s.data_hash.clone()).ok_or_else(|| {
        CliError::usage(
            "there is no such snapshot",
            "import data with `assay data import`; list it with `assay data show`",
        )
    })?;
    let (data_hash, whole) = lab.snapshot(&hash)?;
    let missing = || {
        CliError::usage(
            format!("the snapshot lacks one of {}", strategy.file.symbols.join(", ")),
            format!("it has {}", whole.symbols.join(", ")),
        )
    };
    let market = whole.select(&strategy.file.symbols).ok_or_else(missing)?;
    let book = newest_rulebook(lab)?;
    let environment = environment();
    let canonical =
        json!({"settings": settings, "space": strategy.file.parameters, "sampler_version": sampler::VERSION})
            .to_string();
    let id = study_id(&[
        canonical.as_bytes(),
        &strategy.hash().0,
        &data_hash.0,
        &book.hash().0,
        json!(environment).to_string().as_bytes(),
    ]);
    let opened = Opened { id, strategy, settings, market, data_hash, book, environment };
    opened.evaluator()?;
    let s = &opened.strategy;
    let registered = StrategyRegistered { name: s.file.name.clone(), hash: s.hash().0, canonical: s.canonical() };
    let event = StudyOpened {
        study_id: id,
        name: opened.settings.name.clone(),
        strategy: s.file.name.clone(),
        strategy_hash: s.hash().0,
        data_hash: data_hash.0,
        rulebook_hash: opened.book.hash().0,
        settings: canonical,
        environment: opened.environment.clone(),
        generated: opened.market.generated,
    };
    let mut writer = lab.writer()?;
    writer.record(&[registered.into(), event.into()])?;
    writer.publish()?;
    Ok(opened)
}

fn study_id(parts: &[&[u8]]) -> [u8; 16] {
    assay_ledger::EventId::derived(parts).0
}

fn newest_rulebook(lab: &Lab) -> Result<Rulebook, CliError> {
    let log = lab.log()?;
    let mut found = None;
    for seq in (0..log.len()).rev() {
        let entry = log.entry(seq)?;
        if entry.kind() == "RulebookRegistered"
            && let Event::RulebookRegistered(e) = Event::of(&entry)?
        {
            found = Some(hex(&e.hash));
            break;
        }
    }
    let hash =
        found.ok_or_else(|| CliError::usage("no rule book is registered", "import data first: it brings one"))?;
    lab.rulebook(&hash)
}

/// Reads a study back from the ledger, with everything its trials depend on.
pub fn reopen(lab: &Lab, id: &str) -> Result<Opened, CliError> {
    let log = lab.log()?;
    let (mut opened, mut texts) = (None, Vec::new());
    log.scan(0, |entry| {
        match entry.kind() {
            "StrategyRegistered" | "StudyOpened" => match Event::of(&entry)? {
                Event::StrategyRegistered(e) => texts.push(e),
                Event::StudyOpened(e) if hex(&e.study_id) == id => opened = Some(e),
                _ => {}
            },
            _ => {}
        }
        Ok::<(), CliError>(())
    })?;
    let e = opened.ok_or_else(|| CliError::Verification(format!("the ledger has no study {id}")))?;
    let text = texts
        .into_iter()
        .find(|t| t.hash == e.strategy_hash)
        .ok_or_else(|| CliError::Verification("the ledger lacks the study's strategy".into()))?;
    let strategy = strategy::parse(&text.canonical, "recorded strategy")?;
    let recorded: serde_json::Value =
        serde_json::from_str(&e.settings).map_err(|e| CliError::Verification(e.to_string()))?;
    let settings: Settings =
        serde_json::from_value(recorded["settings"].clone()).map_err(|e| CliError::Verification(e.to_string()))?;
    let (data_hash, whole) = lab.snapshot(&hex(&e.data_hash))?;
    let market = whole
        .select(&strategy.file.symbols)
        .ok_or_else(|| CliError::Verification("the snapshot lacks a symbol".into()))?;
    let book = lab.rulebook(&hex(&e.rulebook_hash))?;
    Ok(Opened { id: e.study_id, strategy, settings, market, data_hash, book, environment: e.environment })
}

/// A heading for a study about to run.
pub fn announce(opened: &Opened, threads: usize) {
    let folds = opened.evaluator().map(|e| e.windows().len()).unwrap_or_default();
    heading(&format!("study {} ({})", opened.settings.name, opened.strategy.file.description));
    let bars = grouped((opened.market.len() * opened.market.symbols.len()) as u64);
    say(&format!(
        "{} symbols, {bars} bar-assets, {folds} walk-forward folds, {} trials, {threads} threads",
        opened.market.symbols.len(),
        opened.settings.trials
    ));
    if opened.market.generated {
        say("GENERATED DATA: the figures say nothing about real trading");
    }
}
