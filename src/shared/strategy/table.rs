//! A table of a TOML text, read field by field: every problem is told, at its place.

use super::diagnostic::Diagnostic;
use super::file::{Placed, Text};
use std::collections::BTreeSet;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Problems that were found.
pub(super) type Problems = Vec<Diagnostic>;

/// A value as plain TOML.
pub(super) fn plain(value: &DeValue<'_>) -> toml::Value {
    match value {
        DeValue::String(s) => toml::Value::String(s.to_string()),
        DeValue::Boolean(b) => toml::Value::Boolean(*b),
        DeValue::Integer(i) => match i64::from_str_radix(&i.as_str().replace('_', ""), i.radix()) {
            Ok(i) => toml::Value::Integer(i),
            Err(_) => toml::Value::String(i.to_string()),
        },
        DeValue::Float(f) => toml::Value::Float(f.as_str().replace('_', "").parse().unwrap_or(f64::NAN)),
        DeValue::Datetime(d) => toml::Value::String(d.to_string()),
        DeValue::Array(items) => toml::Value::Array(items.iter().map(|i| plain(i.get_ref())).collect()),
        DeValue::Table(t) => {
            toml::Value::Table(t.iter().map(|(k, v)| (k.get_ref().to_string(), plain(v.get_ref()))).collect())
        }
    }
}

/// What stands there, in words.
fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Boolean(_) => "true or false",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// A table while it is read.
pub(super) struct Fields<'t, 'p> {
    table: Option<&'t DeTable<'t>>,
    /// What it is called, in messages.
    name: String,
    place: Range<usize>,
    known: BTreeSet<&'static str>,
    problems: &'p mut Problems,
}

/// A value and where it stands.
pub(super) type Value<'t> = &'t Spanned<DeValue<'t>>;

impl<'t, 'p> Fields<'t, 'p> {
    pub(super) fn new(
        table: &'t DeTable<'t>,
        name: &str,
        place: Range<usize>,
        problems: &'p mut Problems,
    ) -> Fields<'t, 'p> {
        Fields { table: Some(table), name: name.into(), place, known: BTreeSet::new(), problems }
    }

    pub(super) fn problem(&mut self, d: Diagnostic) {
        self.problems.push(d);
    }

    /// A field as it stands.
    pub(super) fn raw(&mut self, key: &'static str) -> Option<Value<'t>> {
        self.known.insert(key);
        self.table.and_then(|t| t.get(key))
    }

    /// Says that a field must be there.
    pub(super) fn missing(&mut self, key: &str, help: &str) {
        let whose = if self.name.is_empty() { String::new() } else { format!(" in {}", self.name) };
        self.problems.push(Diagnostic::new(format!("'{key}' is missing{whose}"), self.place.clone()).help(help));
    }

    fn wrong<T>(&mut self, key: &str, value: Value<'_>, wanted: &str) -> Option<T> {
        let what = format!("'{key}' is {wanted}, and not {}", kind(value.get_ref()));
        self.problems.push(Diagnostic::new(what, value.span()));
        None
    }

    /// An expression: a text, a number, or true or false.
    pub(super) fn expression(&mut self, key: &'static str) -> Option<Placed> {
        let value = self.raw(key)?;
        expression(value).or_else(|| self.wrong(key, value, "an expression in quotes, or a number"))
    }

    pub(super) fn text(&mut self, key: &'static str) -> Option<Spanned<String>> {
        let value = self.raw(key)?;
        match value.get_ref() {
            DeValue::String(s) => Some(Spanned::new(value.span(), s.to_string())),
            _ => self.wrong(key, value, "a text in quotes"),
        }
    }

    pub(super) fn texts(&mut self, key: &'static str) -> Vec<Spanned<String>> {
        let Some(value) = self.raw(key) else { return Vec::new() };
        let one = |v: &Spanned<DeValue<'_>>| match v.get_ref() {
            DeValue::String(s) => Some(Spanned::new(v.span(), s.to_string())),
            _ => None,
        };
        let all = value.get_ref().as_array().map(|items| items.iter().map(one).collect::<Option<Vec<_>>>());
        all.flatten().unwrap_or_else(|| self.wrong(key, value, "a list of texts").unwrap_or_default())
    }

    pub(super) fn truth(&mut self, key: &'static str) -> bool {
        let Some(value) = self.raw(key) else { return false };
        value.get_ref().as_bool().unwrap_or_else(|| self.wrong(key, value, "true or false").unwrap_or_default())
    }

    pub(super) fn whole(&mut self, key: &'static str) -> Option<u32> {
        let value = self.raw(key)?;
        let number = plain(value.get_ref()).as_integer().and_then(|i| u32::try_from(i).ok());
        number.or_else(|| self.wrong(key, value, "a whole number, 0 or more"))
    }

    pub(super) fn number(&mut self, key: &'static str) -> Option<f64> {
        let value = self.raw(key)?;
        let found = plain(value.get_ref());
        found.as_float().or_else(|| found.as_integer().map(|i| i as f64)).or_else(|| self.wrong(key, value, "a number"))
    }

    /// A table inside it.
    pub(super) fn table(&mut self, key: &'static str) -> Option<Fields<'t, '_>> {
        let value = self.raw(key)?;
        if value.get_ref().as_table().is_none() {
            return self.wrong(key, value, "a table");
        }
        let name = if self.name.is_empty() { format!("[{key}]") } else { format!("{} {key}", self.name) };
        value.get_ref().as_table().map(|t| Fields::new(t, &name, value.span(), self.problems))
    }

    /// The tables of a list.
    pub(super) fn tables(&mut self, key: &'static str, mut each: impl FnMut(Fields<'t, '_>)) {
        let Some(value) = self.raw(key) else { return };
        let Some(items) = value.get_ref().as_array() else {
            return self.wrong(key, value, "a list of tables").unwrap_or_default();
        };
        for item in items {
            match item.get_ref().as_table() {
                Some(t) => each(Fields::new(t, &format!("[[{key}]]"), item.span(), self.problems)),
                None => return self.wrong(key, item, "a table").unwrap_or_default(),
            }
        }
    }

    /// Everything in it by name, for tables whose keys are names.
    pub(super) fn all(&mut self) -> Vec<(String, Range<usize>, Value<'t>)> {
        let all = self.table.into_iter().flat_map(DeTable::iter);
        self.known.clear();
        self.table = None;
        all.map(|(k, v)| (k.get_ref().to_string(), k.span(), v)).collect()
    }

    /// Everything that was not asked for, by name.
    pub(super) fn rest(&mut self) -> Vec<(String, Range<usize>, Value<'t>)> {
        let all =
            self.table.into_iter().flat_map(DeTable::iter).filter(|(k, _)| !self.known.contains(k.get_ref().as_ref()));
        let all = all.map(|(k, v)| (k.get_ref().to_string(), k.span(), v)).collect();
        self.table = None;
        all
    }

    pub(super) fn problems(&mut self) -> &mut Problems {
        self.problems
    }

    /// Says what nobody asked for.
    pub(super) fn done(self) {
        let Some(table) = self.table else { return };
        for (key, _) in table.iter() {
            let name: &str = key.get_ref();
            if !self.known.contains(name) {
                let whose = if self.name.is_empty() { String::new() } else { format!(" in {}", self.name) };
                let d = Diagnostic::new(format!("unknown field `{name}`{whose}"), key.span());
                self.problems.push(
                    d.suggest(name, self.known.iter().copied())
                        .or(|| format!("it has {}", self.known.iter().copied().collect::<Vec<_>>().join(", "))),
                );
            }
        }
    }
}

/// An expression: a text, a number, or true or false.
pub(super) fn expression(value: Value<'_>) -> Option<Placed> {
    let text = match value.get_ref() {
        DeValue::String(s) => s.trim().to_string(),
        other @ (DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_)) => match plain(other) {
            toml::Value::Integer(i) => i.to_string(),
            toml::Value::Float(f) => f.to_string(),
            other => other.to_string(),
        },
        _ => return None,
    };
    Some(Spanned::new(value.span(), Text(text)))
}
