//! A strategy's text read into its file: every problem of it in one run.

use super::diagnostic::Diagnostic;
use super::file::{
    AddText, DefText, EntryText, ExitText, FunctionText, Levels, LongFunction, OrderText, Placed, Risk, RiskText,
    SignalTexts, SizeText, Sizing, StateText, StepText, StopTexts, StrategyFile, TargetText, VolatilityText, Weights,
};
use super::library::{LIBRARY, text_of};
use super::more::{item, more};
use super::parameters::parameters;
use super::table::{Fields, Problems, Value, expression, plain};
use crate::account::MarginMode;
use crate::format::tree::{Item, Table};
use std::collections::BTreeMap;
use toml::de::DeTable;

/// Reads a text.
///
/// # Errors
/// Every problem, each at its place: what is no TOML, missing or unknown fields, values of another kind.
pub(crate) fn read(text: &str) -> Result<StrategyFile, (Option<Box<StrategyFile>>, Problems)> {
    let document = DeTable::parse(text)
        .map_err(|e| (None, vec![Diagnostic::new(e.message().to_string(), e.span().unwrap_or(0..1))]))?;
    let mut problems = Problems::new();
    let more = more(document.get_ref());
    let mut f = Fields::new(document.get_ref(), "", 0..1.min(text.len()), &mut problems);
    let mut file = head(&mut f);
    body(&mut f, &mut file);
    f.done();
    file.more = more;
    import(&mut file, &mut problems);
    if problems.is_empty() { Ok(file) } else { Err((Some(Box::new(file)), problems)) }
}

fn head(f: &mut Fields<'_, '_>) -> StrategyFile {
    let plain_texts = |texts: Vec<toml::Spanned<String>>| texts.into_iter().map(toml::Spanned::into_inner).collect();
    let format = f.whole("format");
    let name = f.text("name").map(toml::Spanned::into_inner);
    let interval = f.text("interval").map(toml::Spanned::into_inner);
    if f.raw("name").is_none() {
        f.missing("name", "name = \"my-strategy\": lower-case letters, digits and '-'");
    }
    if f.raw("interval").is_none() {
        f.missing("interval", "interval = \"1h\": the length of a bar");
    }
    if f.raw("symbols").is_none() {
        f.missing("symbols", "symbols = [\"BTCUSDT\"]: what it trades");
    }
    StrategyFile {
        format,
        name: name.unwrap_or_default(),
        description: f.text("description").map(toml::Spanned::into_inner).unwrap_or_default(),
        interval: interval.unwrap_or_default(),
        symbols: plain_texts(f.texts("symbols")),
        references: plain_texts(f.texts("references")),
        constraints: constraints(f),
        import: f.texts("import"),
        ..StrategyFile::default()
    }
}

/// Takes functions of the library in, as if they stood in the file.
fn import(file: &mut StrategyFile, problems: &mut Problems) {
    let mut taken: Table = Vec::new();
    for name in &file.import {
        let word = name.get_ref().as_str();
        let Some(text) = text_of(word) else {
            let d = Diagnostic::new(format!("the library has no '{word}'"), name.span());
            let known: Vec<&str> = LIBRARY.iter().map(|l| l.0).collect();
            problems.push(d.suggest(word, known.iter().copied()).or(|| format!("it has {}", known.join(", "))));
            continue;
        };
        let Ok(document) = DeTable::parse(text) else { continue };
        let functions = document.get_ref().get("functions").and_then(|f| f.get_ref().as_table());
        for (key, value) in functions.into_iter().flat_map(DeTable::iter) {
            let key = key.get_ref().to_string();
            let Some(mut function) = function(&key, name.span(), value, problems) else { continue };
            function.stands(&name.span());
            if file.functions.insert(key.clone(), function).is_some() {
                let what = format!("'{word}' is taken in twice, or is a function of the file too");
                problems.push(Diagnostic::new(what, name.span()));
            }
            taken.push((key, item(plain(value.get_ref()))));
        }
    }
    file.import.clear();
    file.more.retain(|(key, _)| key != "import");
    if taken.is_empty() {
        return;
    }
    match file.more.iter_mut().find(|(key, _)| key == "functions") {
        Some((_, Item::Table(own))) => own.extend(taken),
        _ => file.more.insert(0, ("functions".into(), Item::Table(taken))),
    }
    if let Some((_, Item::Table(all))) = file.more.iter_mut().find(|(key, _)| key == "functions") {
        all.sort_by(|a, b| a.0.cmp(&b.0));
    }
}

fn constraints(f: &mut Fields<'_, '_>) -> Vec<Placed> {
    let text = |t: toml::Spanned<String>| toml::Spanned::new(t.span(), super::file::Text(t.into_inner().trim().into()));
    f.texts("constraints").into_iter().map(text).collect()
}

fn body(f: &mut Fields<'_, '_>, file: &mut StrategyFile) {
    if let Some(mut t) = f.table("parameters") {
        parameters(&mut t, file);
    }
    if let Some(mut t) = f.table("indicators") {
        for (name, _, value) in t.all() {
            match expression(value) {
                Some(e) => drop(file.indicators.insert(name, e)),
                None => t.problem(
                    Diagnostic::new(format!("'{name}' is no expression"), value.span())
                        .help("what remembers, { start, next }, stands under [states]"),
                ),
            }
        }
    }
    if let Some(t) = f.table("states") {
        file.states = states(t, true);
    }
    if let Some(t) = f.table("trade") {
        file.trade = states(t, false);
    }
    if let Some(mut t) = f.table("functions") {
        for (name, place, value) in t.all() {
            if let Some(function) = function(&name, place, value, t.problems()) {
                file.functions.insert(name, function);
            }
        }
    }
    f.tables("entries", |t| file.entries.extend(entry(t)));
    f.tables("adds", |t| file.adds.push(add(t)));
    f.tables("exits", |t| file.exits.extend(exit(t)));
    if let Some(t) = f.table("target") {
        file.target = target(t);
    }
    if let Some(mut t) = f.table("signals") {
        let (long_entry, long_exit) = (t.expression("long_entry"), t.expression("long_exit"));
        let (short_entry, short_exit) = (t.expression("short_entry"), t.expression("short_exit"));
        file.signals = SignalTexts { long_entry, long_exit, short_entry, short_exit };
        t.done();
    }
    if let Some(t) = f.table("stops") {
        file.stops = stops(t);
    }
    if let Some(mut t) = f.table("sizing") {
        let (margin_fraction, leverage) = (t.expression("margin_fraction"), t.expression("leverage"));
        file.sizing = Sizing { margin_fraction, leverage, other: size(&mut t) };
        t.done();
    }
    if let Some(t) = f.table("risk") {
        file.risk = risk(t);
    }
}

fn state(mut t: Fields<'_, '_>, needs_next: bool) -> Option<StateText> {
    let (start, next) = (t.expression("start"), t.expression("next"));
    if start.is_none() && t.raw("start").is_none() {
        t.missing("start", "start = \"…\": its value on the first bar on which that is known");
    }
    if needs_next && next.is_none() && t.raw("next").is_none() {
        t.missing("next", "next = \"…\": its value on each later bar, from self, what it was before");
    }
    t.done();
    Some(StateText { start: start?, next })
}

fn states(mut t: Fields<'_, '_>, needs_next: bool) -> BTreeMap<String, StateText> {
    let mut out = BTreeMap::new();
    for (name, _, value) in t.all() {
        match value.get_ref().as_table() {
            Some(table) => {
                let t = Fields::new(table, &format!("the state '{name}'"), value.span(), t.problems());
                out.extend(state(t, needs_next).map(|s| (name, s)));
            }
            None => t.problem(
                Diagnostic::new(format!("'{name}' is no state"), value.span())
                    .help("{ start = \"…\", next = \"…\" }; a plain expression stands under [indicators]"),
            ),
        }
    }
    out
}

fn function(
    name: &str,
    place: std::ops::Range<usize>,
    value: Value<'_>,
    problems: &mut Problems,
) -> Option<FunctionText> {
    let Some(table) = value.get_ref().as_table() else {
        let short = expression(value);
        if short.is_none() {
            problems.push(Diagnostic::new(format!("the function '{name}' is no expression and no table"), place));
        }
        return short.map(FunctionText::Short);
    };
    let mut t = Fields::new(table, &format!("the function '{name}'"), place, problems);
    let arguments = t.texts("arguments").into_iter().map(toml::Spanned::into_inner).collect();
    let outputs: Vec<String> = t.texts("outputs").into_iter().map(toml::Spanned::into_inner).collect();
    if outputs.is_empty() {
        t.missing("outputs", "outputs = [\"line\"]: the names of its definitions that a call gives");
    }
    let mut defs = BTreeMap::new();
    for (name, _, value) in t.rest() {
        let def = match value.get_ref().as_table() {
            Some(table) => {
                let inner = Fields::new(table, &format!("the state '{name}'"), value.span(), t.problems());
                state(inner, true).map(DefText::State)
            }
            None => expression(value).map(DefText::Plain),
        };
        defs.extend(def.map(|def| (name, def)));
    }
    Some(FunctionText::Long(Box::new(LongFunction { arguments, outputs, defs })))
}

fn order(t: &mut Fields<'_, '_>) -> OrderText {
    OrderText { order: t.text("order"), price: t.expression("price"), expires: t.expression("expires") }
}

fn size(t: &mut Fields<'_, '_>) -> SizeText {
    let (size, notional_usdt) = (t.expression("size"), t.expression("notional_usdt"));
    let risk = t.table("risk").and_then(|mut t| {
        let found = (t.expression("fraction"), t.expression("distance"));
        for (key, there) in [("fraction", found.0.is_some()), ("distance", found.1.is_some())] {
            if !there {
                t.missing(key, "risk = { fraction = 0.01, distance = \"2 * ATR(high, low, close, 14)\" }");
            }
        }
        t.done();
        Some(RiskText { fraction: found.0?, distance: found.1? })
    });
    let volatility = t.table("volatility").and_then(|mut t| {
        let found = (t.expression("target"), t.expression("of"));
        for (key, there) in [("target", found.0.is_some()), ("of", found.1.is_some())] {
            if !there {
                t.missing(
                    key,
                    "volatility = { target = 0.2, of = \"std(close / prev(close) - 1, 240) * sqrt(8760)\" }",
                );
            }
        }
        t.done();
        Some(VolatilityText { target: found.0?, of: found.1? })
    });
    SizeText { size, notional_usdt, risk, volatility }
}

fn entry(mut t: Fields<'_, '_>) -> Option<EntryText> {
    let (tag, side, when) = (t.text("tag"), t.text("side"), t.expression("when"));
    let help = [
        ("tag", "tag = \"breakout\": its name in trades"),
        ("side", "side = \"long\" or \"short\""),
        ("when", "when = \"close > open\""),
    ];
    for ((key, help), there) in help.into_iter().zip([tag.is_some(), side.is_some(), when.is_some()]) {
        if !there {
            t.missing(key, help);
        }
    }
    let (order, size) = (order(&mut t), size(&mut t));
    let (margin_fraction, leverage) = (t.expression("margin_fraction"), t.expression("leverage"));
    t.done();
    Some(EntryText { tag: tag?, side: side?, when: when?, order, size, margin_fraction, leverage })
}

fn add(mut t: Fields<'_, '_>) -> AddText {
    let (tag, when, place) = (t.text("tag"), t.expression("when"), t.text("place"));
    if when.is_none() == place.is_none() {
        t.missing("when", "when = \"…\" for an add to a position that stands; or place = \"with_entry\" for a ladder");
    }
    let max = t.whole("max");
    if max.is_none() {
        t.missing("max", "max = 3: the most of them");
    }
    let (order, size) = (order(&mut t), size(&mut t));
    t.done();
    AddText { tag, when, place, max, order, size }
}

fn exit(mut t: Fields<'_, '_>) -> Option<ExitText> {
    let (name, when, part) = (t.text("name"), t.expression("when"), t.expression("part"));
    for (key, there) in [("name", name.is_some()), ("when", when.is_some())] {
        if !there {
            t.missing(key, "an exit has a name and a when");
        }
    }
    let order = order(&mut t);
    t.done();
    Some(ExitText { name: name?, when: when?, part, order })
}

fn target(mut t: Fields<'_, '_>) -> Option<TargetText> {
    let weight = t.raw("weight").and_then(|value| match value.get_ref().as_table() {
        Some(table) => {
            let each = table.iter().map(|(k, v)| Some((k.get_ref().to_string(), expression(v)?)));
            each.collect::<Option<_>>().map(Weights::Each)
        }
        None => expression(value).map(Weights::All),
    });
    let (when, band, together) = (t.expression("when"), t.expression("band"), t.truth("together"));
    for (key, there, help) in [
        ("weight", weight.is_some(), "weight = \"…\": signed notional as a fraction of equity, or { BTCUSDT = \"…\" }"),
        ("when", when.is_some(), "when = \"new_day\": when it is looked at"),
    ] {
        if !there {
            t.missing(key, help);
        }
    }
    t.done();
    Some(TargetText { weight: weight?, when: when?, band, together })
}

fn stops(mut t: Fields<'_, '_>) -> StopTexts {
    let (stop_loss, take_profit) = (t.expression("stop_loss"), t.expression("take_profit"));
    let trailing_stop = t.expression("trailing_stop");
    let mut trailing = Vec::new();
    t.tables("trailing", |mut t| {
        let (after, distance) = (t.expression("after"), t.expression("distance"));
        if distance.is_none() {
            t.missing("distance", "{ after = 0.10, distance = 0.05 }: from 10 % profit on, 5 % from the best price");
        }
        t.done();
        trailing.extend(distance.map(|distance| StepText { after, distance }));
    });
    let levels = Levels {
        stop_price: t.expression("stop_price"),
        target_price: t.expression("target_price"),
        trailing,
        measured_from: t.text("measured_from"),
        loosen: t.truth("loosen"),
        every_close: t.truth("every_close"),
        max_bars: t.expression("max_bars"),
    };
    t.done();
    StopTexts { stop_loss, take_profit, trailing_stop, levels }
}

fn risk(mut t: Fields<'_, '_>) -> Risk {
    let mut out = Risk::default();
    if let Some(mode) = t.text("margin_mode") {
        match mode.get_ref().as_str() {
            "isolated" => out.margin_mode = MarginMode::Isolated,
            "cross" => out.margin_mode = MarginMode::Cross,
            other => {
                let d = Diagnostic::new(format!("'{other}' is no margin mode: isolated or cross"), mode.span());
                t.problem(d);
            }
        }
    }
    out.max_concurrent_positions = t.whole("max_concurrent_positions").unwrap_or(out.max_concurrent_positions);
    out.max_position_size_usdt = t.number("max_position_size_usdt");
    out.cooldown = t.whole("cooldown").unwrap_or_default();
    if let Some(mut caps) = t.table("leverage_caps") {
        for (symbol, _, value) in caps.all() {
            let cap = plain(value.get_ref());
            match cap.as_float().or_else(|| cap.as_integer().map(|i| i as f64)) {
                Some(cap) => drop(out.leverage_caps.insert(symbol, cap)),
                None => caps.problem(Diagnostic::new("a leverage cap is a number", value.span())),
            }
        }
    }
    if let Some(mut limits) = t.table("loss_limits") {
        out.loss_limits.daily = limits.number("daily");
        out.loss_limits.total = limits.number("total");
        out.loss_limits.consecutive = limits.whole("consecutive");
        limits.done();
    }
    t.done();
    out
}
