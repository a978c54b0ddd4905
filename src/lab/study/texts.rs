//! Strategy and study files, read and checked.

use crate::error::LabError;
use crate::place::read_text;
use assay_shared::format::{FormatError, has_any};
use assay_shared::strategy::{Strategy, warn};
use assay_shared::study::Study;
use std::ops::Range;
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
    Strategy::parse(text).map_err(|problems| {
        let study = has_any(text, &["sampler", "splits", "objective", "guardrails", "assumptions", "trials"]);
        if study && !has_any(text, &["symbols", "signals", "entries", "target"]) {
            let hint = "a strategy says when to trade: `assay strategy new NAME` writes one to begin with";
            return LabError::usage(format!("{name} is a study, not a strategy"), hint);
        }
        LabError::Strategy { name: name.into(), text: text.into(), problems }
    })
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
    plain_name(&study.name)?;
    Ok(study)
}

/// Refuses names that a new study may not have, though old ones may: those that would be taken for a path, an option,
/// another study's id, or what is live.
fn plain_name(name: &str) -> Result<(), LabError> {
    let plain = |c: char| c.is_alphanumeric() || " ._+()".contains(c) || c == '-';
    let id = name.len() >= 8 && name.chars().all(|c| c.is_ascii_hexdigit());
    let bad = match name.chars().next() {
        Some(first) if !first.is_alphanumeric() => "it begins with neither a letter nor a digit",
        _ if !name.chars().all(plain) => "it has other characters than letters, digits, blanks and ._+()-",
        _ if name == "live" => "that is what is live",
        _ if name.chars().all(|c| c.is_ascii_digit()) => "a number alone is a trial",
        _ if id => "it looks like the id of a study",
        _ => return Ok(()),
    };
    Err(LabError::usage(format!("'{name}' is no name for a study: {bad}"), "write it like trend or trend-2026"))
}

/// Reads a study's text.
///
/// # Errors
/// As [`read_study`].
pub fn parse_study(text: &str, name: &str) -> Result<Study, LabError> {
    Study::parse(text).map_err(|e| {
        if has_any(text, &["symbols", "signals", "entries", "target"]) {
            let hint = "it goes first: `assay study run STRATEGY STUDY`; `assay study new NAME` writes a study file";
            return LabError::usage(format!("{name} is a strategy, not a study"), hint);
        }
        let e = match e {
            FormatError::Wrong(what) => match place(text, &what) {
                Some(span) => FormatError::Malformed { what, span: Some(span) },
                None => FormatError::Wrong(what),
            },
            e => e,
        };
        LabError::within(Path::new(name), text, "every setting stands in `assay guide files`")(e)
    })
}

/// Where a text says what is out of range: at the first field that the refusal names.
fn place(text: &str, what: &str) -> Option<Range<usize>> {
    let named = |word: &&str| word.len() > 1 && word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    what.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(named).find_map(|word| {
        let mut from = 0;
        text.split_inclusive('\n').find_map(|line| {
            let (at, indent) = (from, line.len() - line.trim_start().len());
            from += line.len();
            let key = line.trim_start().strip_prefix(word)?;
            let held = key.trim_start().strip_prefix('=')?;
            let value = line.len() - held.len() + (held.len() - held.trim_start().len());
            let end = line.split('#').next().unwrap_or(line).trim_end().len();
            Some(if value < end { at + value..at + end } else { at + indent..at + end })
        })
    })
}
