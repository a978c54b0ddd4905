//! Strategy and study files, read and checked.

use crate::error::LabError;
use crate::place::read_text;
use assay_shared::format::FormatError;
use assay_shared::strategy::{Diagnostic, Strategy, warn};
use assay_shared::study::Study;
use std::path::Path;

/// What a command line changes in a study file.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Another name.
    pub name: Option<String>,
    /// Another number of trials.
    pub trials: Option<u32>,
    /// Another seed.
    pub seed: Option<u64>,
}

/// More than any strategy or study file may have: what is longer is said to be.
const MAX_TEXT: usize = 1 << 20;

/// Reads a strategy file.
///
/// # Errors
/// [`LabError::Strategy`] with every problem at its place.
pub fn read_strategy(path: &Path) -> Result<Strategy, LabError> {
    parse_strategy(&read_text(path, MAX_TEXT)?, &path.display().to_string())
}

/// What a strategy file says that is allowed and hardly meant, as it is shown.
///
/// # Errors
/// A file that cannot be read.
pub fn warnings(path: &Path, strategy: &Strategy) -> Result<Vec<String>, LabError> {
    let (text, name) = (read_text(path, MAX_TEXT)?, path.display().to_string());
    Ok(warn::warnings(strategy, &text).iter().map(|(word, d)| d.render_as(word, &name, &text)).collect())
}

/// Reads a strategy's text.
///
/// # Errors
/// As [`read_strategy`].
pub fn parse_strategy(text: &str, name: &str) -> Result<Strategy, LabError> {
    Strategy::parse(text).map_err(|problems| LabError::Strategy { name: name.into(), text: text.into(), problems })
}

/// A strategy on other symbols.
///
/// # Errors
/// Symbols that it cannot have.
pub fn with_symbols(strategy: &Strategy, symbols: &[String]) -> Result<Strategy, LabError> {
    let mut file = strategy.file.clone();
    file.symbols = symbols.to_vec();
    file.references.retain(|s| !symbols.contains(s));
    let text = assay_shared::format::strategy::Canonical::of(&file).text;
    parse_strategy(&text, &format!("{} on other symbols", file.name))
}

/// Reads a study file, with changes; what was changed is checked like the rest.
///
/// # Errors
/// A file that does not read, or a value out of range.
pub fn read_study(path: &Path, changes: Changes) -> Result<Study, LabError> {
    let name = path.display().to_string();
    changed(parse_study(&read_text(path, MAX_TEXT)?, &name)?, changes)
}

/// A study of this name in which every setting is the default, with changes.
///
/// # Errors
/// A value out of range.
pub fn plain_study(name: &str, changes: Changes) -> Result<Study, LabError> {
    changed(parse_study(&format!("name = {name:?}"), "a study of defaults")?, changes)
}

fn changed(mut study: Study, changes: Changes) -> Result<Study, LabError> {
    study.name = changes.name.unwrap_or(study.name);
    study.trials = changes.trials.unwrap_or(study.trials);
    study.seed = changes.seed.unwrap_or(study.seed);
    study.check().map_err(LabError::format("the study"))?;
    Ok(study)
}

/// Reads a study's text.
///
/// # Errors
/// As [`read_study`].
pub fn parse_study(text: &str, name: &str) -> Result<Study, LabError> {
    Study::parse(text).map_err(|e| match e {
        FormatError::Malformed { what, span: Some(span) } => LabError::Strategy {
            name: name.into(),
            text: text.into(),
            problems: vec![Diagnostic::new(what, span).help("every setting stands in `assay guide files`")],
        },
        e => LabError::format(name)(e),
    })
}
