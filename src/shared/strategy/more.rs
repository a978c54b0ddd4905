//! What the third format added to a strategy's text, as the text says it.

use super::table::plain;
use crate::format::tree::{Item, Table};
use toml::de::DeTable;

/// What formats before the third did not have.
pub(super) fn more(document: &DeTable<'_>) -> Table {
    const NEW: [&str; 8] = ["import", "functions", "states", "trade", "entries", "adds", "exits", "target"];
    const OLD: [(&str, &[&str]); 2] =
        [("stops", &["stop_loss", "take_profit", "trailing_stop"]), ("sizing", &["margin_fraction", "leverage"])];
    let mut out: Table = Vec::new();
    for key in NEW {
        if let Some(value) = document.get(key) {
            out.push((key.into(), item(plain(value.get_ref()))));
        }
    }
    for (key, old) in OLD {
        let Some(table) = document.get(key).and_then(|v| v.get_ref().as_table()) else { continue };
        let rest = table.iter().filter(|(k, _)| !old.contains(&k.get_ref().as_ref()));
        let rest: Table = rest.map(|(k, v)| (k.get_ref().to_string(), item(plain(v.get_ref())))).collect();
        if !rest.is_empty() {
            out.push((key.into(), Item::Table(rest)));
        }
    }
    out
}

/// A value in its canonical form: every number in an expression's place is its text.
pub(super) fn item(value: toml::Value) -> Item {
    match value {
        toml::Value::String(s) => Item::Text(s.trim().into()),
        toml::Value::Integer(i) => Item::Int(i),
        toml::Value::Float(f) if f.is_finite() => Item::Real(f),
        toml::Value::Float(f) => Item::Text(f.to_string()),
        toml::Value::Boolean(b) => Item::Bool(b),
        toml::Value::Datetime(d) => Item::Text(d.to_string()),
        toml::Value::Array(items) if !items.is_empty() && items.iter().all(toml::Value::is_table) => {
            let table = |v: toml::Value| match item(v) {
                Item::Table(t) => t,
                _ => Vec::new(),
            };
            Item::Tables(items.into_iter().map(table).collect())
        }
        toml::Value::Array(items) => Item::List(items.into_iter().map(item).collect()),
        toml::Value::Table(t) => Item::Table(t.into_iter().map(|(k, v)| (k, item(v))).collect()),
    }
}
