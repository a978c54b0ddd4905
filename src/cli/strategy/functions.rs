//! `assay strategy functions`: the language's reference, from the very tables that the language is made of.

use crate::cli::Context;
use crate::cli::output::{print, print_json};
use assay_lab::LabError;
use assay_shared::indicator::Function;
use assay_shared::strategy::library::{LIBRARY, about};
use assay_shared::strategy::seen::SEEN;
use assay_shared::strategy::settings::SETTINGS;
use assay_shared::strategy::words::{TRAPS, WORDS};
use serde_json::{Value, json};

/// An entry of the reference.
struct Entry {
    name: String,
    shape: String,
    gives: String,
    more: Vec<String>,
}

fn own() -> impl Iterator<Item = Entry> {
    let words = WORDS.iter().map(|w| Entry {
        name: w.name.into(),
        shape: w.shape.into(),
        gives: w.gives.into(),
        more: vec![format!("example: {}", w.example)],
    });
    let settings = SETTINGS.iter().map(|(table, name, gives)| Entry {
        name: (*name).into(),
        shape: if table.is_empty() { format!("{name} = …") } else { format!("[{table}] {name} = …") },
        gives: (*gives).into(),
        more: Vec::new(),
    });
    words.chain(settings).chain(SEEN.iter().map(|(space, word, _, gives)| Entry {
        name: format!("{space}.{word}"),
        shape: format!("{space}.{word}"),
        gives: (*gives).into(),
        more: vec!["of the account: in signals, rules, levels, [trade] and named expressions".into()],
    }))
}

fn library() -> impl Iterator<Item = Entry> {
    LIBRARY.iter().map(|(name, text)| Entry {
        name: (*name).into(),
        shape: format!("{name}(…), of the library: import = [\"{name}\"]"),
        gives: about(text),
        more: text.lines().skip_while(|l| l.starts_with('#')).map(String::from).collect(),
    })
}

fn talib() -> impl Iterator<Item = Entry> {
    Function::all().map(|f| {
        let options: Vec<String> = f.options().iter().map(|o| format!("<{}>", o.name)).collect();
        let args: Vec<String> = f.inputs().iter().map(|s| (*s).to_string()).chain(options).collect();
        let mut more = vec![format!("outputs: {}", f.outputs().join(", "))];
        for o in f.options() {
            let kind = if o.names.is_empty() { "" } else { " (a moving-average type such as SMA or EMA)" };
            more.push(format!("<{}>: {} to {}{kind}", o.name, o.min, o.max));
        }
        let defaults: Vec<f64> = f.options().iter().map(|o| o.default).collect();
        if let Ok(bars) = f.lookback(&defaults) {
            let values: Vec<String> = defaults.iter().map(ToString::to_string).collect();
            more.push(format!("known from bar {} on with {}", bars + 1, if values.is_empty() { "no options".into() } else { values.join(", ") }));
        }
        if f.uses_transcendental() {
            more.push(
                "note: calls the platform's transcendental functions; values may differ in the last bit between machines".into(),
            );
        }
        Entry { name: f.name().into(), shape: format!("{}({})", f.name(), args.join(", ")), gives: f.hint().into(), more }
    })
}

/// Lists all, or shows those that a word names.
pub fn show(cx: &Context, word: Option<&str>) -> Result<(), LabError> {
    let all: Vec<Entry> = own().chain(library()).chain(talib()).collect();
    let Some(word) = word else {
        if cx.json {
            print_json(&all.iter().map(json_of).collect::<Vec<_>>());
            return Ok(());
        }
        all.iter().for_each(|e| print(&format!("{:<20} {}", e.name, e.gives)));
        return Ok(());
    };
    let lower = word.to_lowercase();
    let exact: Vec<&Entry> = all.iter().filter(|e| e.name.to_lowercase() == lower).collect();
    let found = if exact.is_empty() {
        all.iter().filter(|e| [&e.name, &e.shape, &e.gives].iter().any(|t| t.to_lowercase().contains(&lower))).collect()
    } else {
        exact
    };
    if found.is_empty() {
        let hint = "list them with `assay strategy functions`";
        return Err(LabError::usage(format!("neither the language nor TA-Lib has a function '{word}'"), hint));
    }
    if cx.json {
        print_json(&found.iter().map(|e| json_of(e)).collect::<Vec<_>>());
        return Ok(());
    }
    for (n, e) in found.iter().enumerate() {
        let gap = if n > 0 { "\n" } else { "" };
        print(&format!("{gap}{}\n  {}", e.shape, e.gives));
        e.more.iter().chain(traps(&e.name).iter()).for_each(|line| print(&format!("  {line}")));
    }
    Ok(())
}

fn traps(name: &str) -> Vec<String> {
    TRAPS.iter().filter(|(of, _)| of.contains(&name)).map(|(_, text)| format!("trap: {text}")).collect()
}

fn json_of(e: &Entry) -> Value {
    json!({"name": e.name, "call": e.shape, "gives": e.gives, "notes": e.more, "traps": traps(&e.name)})
}
