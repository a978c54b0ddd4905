//! Version 2 of a strategy's text: a number in front, and every range with all its fields.

use super::v3;
use crate::account::MarginMode;
use crate::format::tree::{self, Item, Table, row, some};
use crate::strategy::file::{StrategyFile, Text};
use crate::strategy::space::Range;
use toml::Spanned;

fn range(range: &Range) -> Table {
    match range {
        Range::Int { low, high, step, log, default } => vec![
            row("type", "int"),
            row("low", *low),
            row("high", *high),
            row("step", *step),
            row("log", *log),
            row("default", *default),
        ],
        Range::Float { low, high, step, log, default } => {
            let mut out = vec![row("type", "float"), row("low", *low), row("high", *high)];
            out.extend(some("step", *step));
            out.extend([row("log", *log), row("default", *default)]);
            out
        }
        Range::Choice { choices, default } => {
            vec![row("type", "choice"), row("choices", &choices[..]), row("default", *default)]
        }
        Range::Text { choices, default } => {
            vec![row("type", "choice"), row("choices", &choices[..]), row("default", default)]
        }
        Range::Bool { default } => vec![row("type", "bool"), row("default", *default)],
    }
}

fn given<'a>(fields: impl IntoIterator<Item = (&'a str, Option<&'a Spanned<Text>>)>) -> Table {
    fields.into_iter().filter_map(|(key, text)| some(key, text.map(|t| &t.get_ref().0))).collect()
}

fn risk(file: &StrategyFile) -> Table {
    let r = &file.risk;
    let mode = match r.margin_mode {
        MarginMode::Isolated => "isolated",
        MarginMode::Cross => "cross",
    };
    let mut out = vec![row("margin_mode", mode), row("max_concurrent_positions", r.max_concurrent_positions)];
    out.extend(some("max_position_size_usdt", r.max_position_size_usdt));
    if !r.leverage_caps.is_empty() {
        let caps: Table = r.leverage_caps.iter().map(|(k, v)| (k.clone(), Item::Real(*v))).collect();
        out.push(row("leverage_caps", caps));
    }
    // Before tables, and only where they are said.
    let at = out.len() - usize::from(!r.leverage_caps.is_empty());
    out.splice(at..at, (r.cooldown > 0).then(|| row("cooldown", r.cooldown)));
    let limits: Table = [some("daily", r.loss_limits.daily), some("total", r.loss_limits.total)]
        .into_iter()
        .chain([some("consecutive", r.loss_limits.consecutive)])
        .flatten()
        .collect();
    out.extend((!limits.is_empty()).then(|| row("loss_limits", limits)));
    out
}

/// The canonical text; with what the third format added where that is needed.
pub fn text(file: &StrategyFile, format: u32) -> String {
    let (s, t, z) = (&file.signals, &file.stops, &file.sizing);
    let mut out = vec![
        row("format", format),
        row("name", &file.name),
        row("description", &file.description),
        row("interval", &file.interval),
        row("symbols", &file.symbols[..]),
    ];
    if !file.references.is_empty() {
        out.push(row("references", &file.references[..]));
    }
    if !file.constraints.is_empty() {
        let texts: Vec<String> = file.constraints.iter().map(|c| c.get_ref().0.clone()).collect();
        out.push(row("constraints", &texts[..]));
    }
    let ranged = |(k, r): (&String, &Range)| {
        let mut out = range(r);
        out.extend(some("when", file.conditions.get(k).map(|e| &e.get_ref().0)));
        row(k, out)
    };
    let ranges: Table = file.parameters.iter().map(ranged).collect();
    let named: Table = file.indicators.iter().map(|(k, t)| row(k, &t.get_ref().0)).collect();
    let signals = given([
        ("long_entry", s.long_entry.as_ref()),
        ("long_exit", s.long_exit.as_ref()),
        ("short_entry", s.short_entry.as_ref()),
        ("short_exit", s.short_exit.as_ref()),
    ]);
    let stops = given([
        ("stop_loss", t.stop_loss.as_ref()),
        ("take_profit", t.take_profit.as_ref()),
        ("trailing_stop", t.trailing_stop.as_ref()),
    ]);
    let sizing = given([("margin_fraction", z.margin_fraction.as_ref()), ("leverage", z.leverage.as_ref())]);
    out.extend([
        row("parameters", ranges),
        row("indicators", named),
        row("signals", signals),
        row("stops", stops),
        row("sizing", sizing),
        row("risk", risk(file)),
    ]);
    if format > 2 {
        v3::add(&mut out, file);
    }
    tree::text(&out)
}

#[cfg(test)]
mod tests {
    use crate::strategy::Strategy;

    /// What is said of rests and losses reads back, and is part of the hash.
    #[test]
    fn rests_and_losses() {
        let plain = Strategy::parse(include_str!("golden/v1.toml")).unwrap();
        let text = include_str!("golden/v1.toml");
        let more = format!("{text}\n[risk.loss_limits]\ndaily = 0.05\nconsecutive = 4\n");
        let strategy = Strategy::parse(&more).unwrap();
        let again = Strategy::recorded(strategy.canonical()).unwrap();
        assert_eq!((again.file.risk.loss_limits.daily, again.file.risk.loss_limits.consecutive), (Some(0.05), Some(4)));
        assert_ne!(strategy.hash(), plain.hash());
        let rest = Strategy::parse(&text.replacen("[risk]", "[risk]\ncooldown = 7", 1)).unwrap();
        assert_eq!(Strategy::recorded(rest.canonical()).unwrap().file.risk.cooldown, 7);
        for (wrong, words) in
            [("daily = 1.5", "fractions"), ("consecutive = 0", "at least 1"), ("weekly = 0.1", "weekly")]
        {
            let said = Strategy::parse(&format!("{text}\n[risk.loss_limits]\n{wrong}\n")).unwrap_err();
            assert!(said[0].message.contains(words), "{}", said[0].message);
        }
    }

    /// The text and the hash of version 2.
    #[test]
    fn golden() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/format/strategy/golden/v2.toml");
        let source = include_str!("golden/v1.toml");
        let strategy = Strategy::parse(source).unwrap();
        let (text, hash) = (strategy.canonical(), strategy.hash().to_string());
        if std::env::var_os("ASSAY_BLESS").is_some() {
            std::fs::write(path, text).unwrap();
        }
        assert_eq!(text, std::fs::read_to_string(path).unwrap());
        assert_eq!(hash, "5534342184eb4186b4f5469f0d70fa909beff93ebb48f0d0b110a209cad49e82");
        assert_eq!(Strategy::recorded(text).unwrap().hash(), strategy.hash());
        let old = Strategy::recorded(source).unwrap();
        assert_eq!(old.hash().to_string(), "ddf6bccfb095033de9fe46dba311cfd00dc0d319b783fa9529cb2ed9e6703c1f");
    }
}
