//! `assay rules`

use super::Context;
use super::output::{print, print_json, say, table};
use assay_lab::rules::{Shown, import, known, show};
use assay_lab::{Lab, LabError};
use assay_shared::rulebook::bracket::Bracket;
use assay_shared::rulebook::sightings::Sightings;
use assay_shared::time::{format_date, parse};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// Import, show and compare the exchange's rules: brackets, order filters, fees, each with the day on which it
/// was seen
#[derive(Debug, clap::Subcommand)]
pub enum Args {
    /// Take what the exchange answered, or ccxt's tiers, into the lab: the next import of data uses it
    ///
    /// Reads answers to `exchangeInfo` and `leverageBracket`, ccxt's (freqtrade's) tier files, own bracket files
    /// and texts of `rules show --all`.
    ///
    /// Example: assay rules import exchangeInfo.json --seen 2026-11-01
    Import {
        /// Files
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// The day on which they were seen, where a file's name has none
        #[arg(long, value_name = "DATE")]
        seen: Option<String>,
    },
    /// Show what is known of a symbol on a day
    ///
    /// Example: assay rules show BTCUSDT --at 2024-06-01
    Show {
        /// Symbol
        #[arg(required_unless_present = "all")]
        symbol: Option<String>,
        /// Day [default: today]
        #[arg(long, value_name = "DATE")]
        at: Option<String>,
        /// Print everything that is known, of all symbols, as `rules import` reads it
        #[arg(long, conflicts_with_all = ["symbol", "at"])]
        all: bool,
    },
    /// Show what changed between two days, of a symbol or of all
    ///
    /// Example: assay rules diff 2024-01-01 2024-12-31 --symbol BTCUSDT
    Diff {
        /// First day
        from: String,
        /// Second day
        to: String,
        /// Of this symbol only
        #[arg(long)]
        symbol: Option<String>,
    },
}

pub fn run(cx: &Context, args: Args) -> Result<(), LabError> {
    match args {
        Args::Import { files, seen } => {
            let lab = cx.lab()?;
            let brought = import(&lab, &files, seen.as_deref())?;
            if cx.json {
                print_json(&json!({"filters": brought.filters, "brackets": brought.brackets, "known": brought.known}));
            } else if brought.known {
                say("nothing new: all of it is known");
            } else {
                say(&format!(
                    "order filters of {} symbols and bracket tables of {}; the next `assay data import` uses them",
                    brought.filters, brought.brackets
                ));
            }
            Ok(())
        }
        Args::Show { all: true, .. } => {
            print(known(here(cx)?.as_ref())?.text().trim_end());
            Ok(())
        }
        Args::Show { symbol, at, .. } => one(cx, &symbol.unwrap_or_default().to_uppercase(), at.as_deref()),
        Args::Diff { from, to, symbol } => diff(cx, &day(&from)?, &day(&to)?, symbol.map(|s| s.to_uppercase())),
    }
}

/// The lab around here, if there is one: what is shipped can be shown without.
fn here(cx: &Context) -> Result<Option<Lab>, LabError> {
    if cx.lab.is_none() && cx.lab().is_err() { Ok(None) } else { cx.lab().map(Some) }
}

fn day(text: &str) -> Result<String, LabError> {
    match parse(text).filter(|_| text.len() == 10) {
        Some(_) => Ok(text.into()),
        None => Err(LabError::usage(format!("'{text}' is not a day"), "write it as 2024-10-24")),
    }
}

fn today() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64);
    format_date(now)
}

fn nothing(known: &Sightings, symbol: &str) -> LabError {
    let near: Vec<&str> = known.brackets.keys().map(String::as_str).filter(|k| k.contains(symbol)).take(5).collect();
    let hint = match near.is_empty() {
        true => "take an answer of the exchange in: `assay rules import FILE --seen DATE`".into(),
        false => format!("there are {}", near.join(", ")),
    };
    LabError::usage(format!("nothing is known of {symbol}"), hint)
}

/// A bracket's end; the exchange writes the largest whole number there is for none.
fn cap(cap: f64) -> String {
    if cap > 1e15 { "no end".into() } else { cap.to_string() }
}

fn rows(table: &[Bracket]) -> Vec<Vec<String>> {
    let row = |b: &Bracket| {
        vec![
            b.floor.to_string(),
            cap(b.cap),
            format!("{}x", b.max_leverage),
            format!("{:.2} %", b.mmr * 100.0),
            b.cum.to_string(),
        ]
    };
    table.iter().map(row).collect()
}

fn one(cx: &Context, symbol: &str, at: Option<&str>) -> Result<(), LabError> {
    let known = known(here(cx)?.as_ref())?;
    let at = at.map_or_else(|| Ok(today()), day)?;
    let Shown { filters, brackets } = show(&known, symbol, &at);
    if filters.is_none() && brackets.is_none() {
        return Err(nothing(&known, symbol));
    }
    if cx.json {
        let filters = filters.map(|(seen, f)| {
            json!({"seen": seen, "step": f.step, "tick": f.tick, "min_notional": f.min_notional,
                "liquidation_fee": f.liquidation_fee})
        });
        let brackets = brackets.map(|(seen, next, table)| json!({"seen": seen, "next": next, "table": table}));
        print_json(&json!({"symbol": symbol, "at": at, "filters": filters, "brackets": brackets}));
        return Ok(());
    }
    let late = |seen: &str| if seen > at.as_str() { ": later than that day, so assumed for it" } else { "" };
    match filters {
        None => print("filters: not known; `assay rules import exchangeInfo.json --seen DATE` brings them"),
        Some((seen, f)) => {
            let own = f.liquidation_fee.map_or(String::new(), |fee| format!(", liquidation fee {} %", fee * 100.0));
            print(&format!(
                "filters: step {}, tick {}, at least {} USDT{own} (seen on {seen}{})",
                f.step,
                f.tick,
                f.min_notional,
                late(&seen)
            ));
        }
    }
    match brackets {
        None => print("brackets: not known"),
        Some((seen, next, brackets)) => {
            let until = match (seen > at, next) {
                (true, _) => ": later than that day, so not known for it".into(),
                (_, Some(next)) => format!("; until {next} the harsher of this one and that day's is used"),
                _ => String::new(),
            };
            print(&format!("brackets seen on {seen}{until}"));
            print(&table(&["from USDT", "below", "leverage", "maintenance", "amount"], &rows(&brackets)));
        }
    }
    Ok(())
}

fn diff(cx: &Context, from: &str, to: &str, symbol: Option<String>) -> Result<(), LabError> {
    if from > to {
        return Err(LabError::usage(format!("{from} is after {to}"), "the earlier day goes first"));
    }
    let known = known(here(cx)?.as_ref())?;
    let mut symbols: Vec<&String> = known.brackets.keys().chain(known.filters.keys()).collect();
    symbols.sort();
    symbols.dedup();
    if let Some(symbol) = &symbol {
        symbols.retain(|s| *s == symbol);
        if symbols.is_empty() {
            return Err(nothing(&known, symbol));
        }
    }
    let mut out: Vec<(String, &str, String, String)> = Vec::new();
    for symbol in symbols {
        let on = |day: &str| {
            let seen = |known: Option<&String>| known.is_some_and(|first| first.as_str() <= day);
            let shown = show(&known, symbol, day);
            (
                shown.filters.filter(|(day, _)| seen(Some(day))).map(|(_, f)| f),
                shown.brackets.filter(|(day, ..)| seen(Some(day))).map(|(.., table)| table),
            )
        };
        let (before, after) = (on(from), on(to));
        if before.0 != after.0 {
            let words = |f: Option<assay_shared::rulebook::SymbolRules>| {
                f.map_or("not known".into(), |f| format!("step {} tick {} min {}", f.step, f.tick, f.min_notional))
            };
            out.push((symbol.clone(), "filters", words(before.0), words(after.0)));
        }
        if before.1 != after.1 {
            let row = |t: &Option<Vec<Bracket>>, at: usize| t.as_ref().and_then(|t| t.get(at).copied());
            let differ = (0..).find(|at| row(&before.1, *at) != row(&after.1, *at)).unwrap_or(0);
            let words = |t: &Option<Vec<Bracket>>| match (t, row(t, differ)) {
                (None, _) => "not known".into(),
                (Some(t), None) => format!("{} brackets", t.len()),
                (Some(t), Some(b)) => {
                    let (leverage, rate) = (b.max_leverage, b.mmr * 100.0);
                    format!("{} brackets, from {} to {}: {leverage}x, {rate:.2} %", t.len(), b.floor, cap(b.cap))
                }
            };
            out.push((symbol.clone(), "brackets", words(&before.1), words(&after.1)));
        }
    }
    if cx.json {
        let row = |(symbol, what, a, b): &(String, &str, String, String)| -> Value {
            json!({"symbol": symbol, "what": what, "before": a, "after": b})
        };
        print_json(&out.iter().map(row).collect::<Vec<_>>());
    } else if out.is_empty() {
        say(&format!("nothing that is known changed between {from} and {to}"));
    } else {
        let row = |r: &(String, &str, String, String)| vec![r.0.clone(), r.1.into(), r.2.clone(), r.3.clone()];
        print(&table(&["symbol", "what", from, to], &out.iter().map(row).collect::<Vec<_>>()));
    }
    Ok(())
}
