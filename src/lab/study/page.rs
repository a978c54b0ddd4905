//! A study's page: how its search went, and how much its best is worth.

use super::figures::of_trial;
use super::later::Seen;
use super::opened::reopen;
use crate::error::LabError;
use crate::folder::Lab;
use crate::place::write_all;
use crate::trial::board;
use assay_research::mirror::query::Order;
use assay_research::report::folds::Windows;
use assay_research::report::study_page::StudyPage;
use assay_research::study::Evaluator;
use assay_shared::market::Market;
use std::ops::Range;
use std::path::Path;

/// Both windows of each fold of a study.
pub fn windows(market: &Market, evaluator: &Evaluator<'_>) -> Vec<Windows> {
    let times = &market.times;
    let behind = times.last().map(|ms| ms + market.interval_ms);
    let end = |at: usize| times.get(at).copied().or(behind).unwrap_or_default();
    let span = |bars: &Range<usize>| (end(bars.start), end(bars.end));
    evaluator.folds().iter().map(|f| (span(&f.in_sample), span(&f.out_of_sample))).collect()
}

/// Writes the page of a study. `later` gives head, rows and words of what was seen of its trials afterwards.
///
/// # Errors
/// No such study, data that are not here, or a place where something else stands.
pub fn page(
    lab: &Lab,
    wanted: Option<&str>,
    out: &Path,
    force: bool,
    later: impl Fn(&[Seen]) -> (Vec<String>, Vec<Vec<String>>, String),
) -> Result<(), LabError> {
    let found = board(lab, wanted, Order::Number, u32::MAX)?;
    let id = &found.study.study_id;
    let opened = reopen(lab, id)?;
    let evaluator = opened.evaluator()?;
    let figures = of_trial(lab, id, None)?;
    let seen = super::later::seen_later(lab, id)?;
    let page = StudyPage {
        trials: found.trials,
        space: opened.strategy.file.parameters.clone(),
        folds: windows(&opened.market, &evaluator),
        interval_ms: opened.market.interval_ms,
        statistics: figures.as_ref().and_then(|f| f.statistics),
        effective: figures.as_ref().and_then(|f| f.effective),
        min_backtest_years: figures.as_ref().and_then(|f| f.min_backtest_years),
        pbo: figures.as_ref().and_then(|f| f.pbo),
        later: later(&seen),
        study: found.study,
    };
    let id = &page.study.study_id;
    let of_it = |text: String| StudyPage::is_one(&text) && text.contains(id.as_str());
    let ours = |path: &Path| std::fs::read_to_string(path).is_ok_and(of_it);
    write_all(&[(out.to_path_buf(), page.html().into_bytes())], force, "is no page of this study", ours)
}
