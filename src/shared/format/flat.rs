//! A config as a list of keys and values, for people who compare two of them.

use super::config::LiveConfig;
use std::collections::BTreeMap;

/// Every field of a config under its full name, the strategy's own among them; without its head, which says who and
/// when, and without where its evidence stands.
pub fn fields(config: &LiveConfig) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    let own = LiveConfig { ledger: None, strategy_text: String::new(), ..config.clone() };
    for (text, name) in [(own.text(), ""), (config.strategy_text.clone(), "strategy")] {
        if let Ok(table) = toml::from_str::<toml::Table>(&text) {
            table.into_iter().for_each(|(key, value)| put(&mut out, &join(name, &key), value));
        }
    }
    const HEAD: [&str; 8] = [
        "format",
        "promotion.strategy",
        "promotion.version",
        "promotion.replaces_sha256",
        "promotion.author",
        "promotion.promotion_timestamp",
        "promotion.restores_version",
        "strategy.text",
    ];
    HEAD.iter().for_each(|key| drop(out.remove(*key)));
    out
}

/// Every field of a canonical text under its full name.
pub fn of_text(text: &str) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    for (key, value) in toml::from_str::<toml::Table>(text).unwrap_or_default() {
        put(&mut out, &key, value);
    }
    out
}

fn join(name: &str, key: &str) -> String {
    if name.is_empty() { key.into() } else { format!("{name}.{key}") }
}

fn put(out: &mut BTreeMap<String, String>, name: &str, value: toml::Value) {
    match value {
        toml::Value::Table(table) => table.into_iter().for_each(|(key, value)| put(out, &join(name, &key), value)),
        toml::Value::Array(items) if items.iter().any(toml::Value::is_table) => {
            items.into_iter().enumerate().for_each(|(at, item)| put(out, &format!("{name}[{at}]"), item));
        }
        toml::Value::String(text) => drop(out.insert(name.into(), text)),
        value => drop(out.insert(name.into(), value.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_a_name() {
        let v1 = LiveConfig::parse(include_bytes!("config/golden/v1.toml")).unwrap();
        let v2 = LiveConfig::parse(include_bytes!("config/golden/v2.toml")).unwrap();
        let (old, new) = (fields(&v1), fields(&v2));
        for key in
            ["strategy.signals.long_entry", "strategy.risk.margin_mode", "environment.rustc", "promotion.data_hash"]
        {
            assert!(new.contains_key(key), "{key} is not in {:?}", new.keys());
        }
        assert!(new.keys().any(|k| k.starts_with("assumptions.")) && new.keys().any(|k| k.starts_with("parameters.")));
        assert!(!new.contains_key("strategy.text") && !new.contains_key("promotion.author"));
        assert_eq!(old["promotion.study_name"], new["promotion.study_name"]);
    }
}
