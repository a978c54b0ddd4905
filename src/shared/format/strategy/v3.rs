//! Version 3 of a strategy's text: the second one, and what that could not say.

use crate::format::tree::{Item, Table};
use crate::strategy::file::StrategyFile;
use crate::strategy::space::Range;

/// Whether a file says what the second format cannot.
pub fn needed(file: &StrategyFile) -> bool {
    let (s, z) = (&file.signals, &file.sizing);
    let kinds = file.parameters.values().any(|r| matches!(r, Range::Bool { .. } | Range::Text { .. }));
    let short = s.long_entry.is_some() || s.short_entry.is_some();
    let conditions = !file.conditions.is_empty();
    !file.more.is_empty() || conditions || kinds || !short || z.margin_fraction.is_none() || z.leverage.is_none()
}

/// Adds what the second format does not have.
pub fn add(out: &mut Table, file: &StrategyFile) {
    // Values stand before tables.
    let values = out.iter().position(|(_, item)| matches!(item, Item::Table(_))).unwrap_or(out.len());
    for (key, item) in file.more.iter().rev() {
        match (item, out.iter_mut().find(|(k, _)| k == key)) {
            (Item::Table(more), Some((_, Item::Table(own)))) => own.extend(more.iter().cloned()),
            (Item::List(_), _) => out.insert(values, (key.clone(), item.clone())),
            _ => out.push((key.clone(), item.clone())),
        }
    }
}
