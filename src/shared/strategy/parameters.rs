//! The parameters of a strategy's text: their ranges, and when they count.

use super::diagnostic::Diagnostic;
use super::file::StrategyFile;
use super::space::Range;
use super::table::{Fields, expression, plain};
use serde::Deserialize;

/// Reads all of them.
pub(super) fn parameters(t: &mut Fields<'_, '_>, file: &mut StrategyFile) {
    for (name, _, value) in t.all() {
        if let Some(when) = value.get_ref().get("when") {
            match expression(when) {
                Some(e) => drop(file.conditions.insert(name.clone(), e)),
                None => t.problem(
                    Diagnostic::new(format!("'when' of '{name}' is no expression"), when.span())
                        .help("when = \"use_stop\": of other parameters, where this one counts"),
                ),
            }
        }
        match range(plain(value.get_ref())) {
            Ok(range) => drop(file.parameters.insert(name, range)),
            Err(e) => t.problem(
                Diagnostic::new(format!("the parameter '{name}': {}", e.message()), value.span())
                    .help(Range::shape(value.get_ref().get("type").and_then(|t| t.get_ref().as_str()))),
            ),
        }
    }
}

/// A parameter's range, whenever it counts. A list of texts is a choice, too.
fn range(mut value: toml::Value) -> Result<Range, toml::de::Error> {
    if let Some(table) = value.as_table_mut() {
        table.remove("when");
        let texts =
            table.get("choices").and_then(toml::Value::as_array).is_some_and(|c| c.iter().any(toml::Value::is_str));
        if texts && table.get("type").and_then(toml::Value::as_str) == Some("choice") {
            table.insert("type".into(), "text".into());
        }
    }
    Range::deserialize(value)
}
