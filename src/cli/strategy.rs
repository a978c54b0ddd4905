//! `assay strategy`

mod functions;

use super::Context;
use super::complete;
use super::output::{print, print_bytes, print_json, say};
use assay_lab::LabError;
use assay_lab::study::{read_strategy, warnings};
use assay_lab::values::values;
use assay_shared::format::flat;
use assay_shared::market::Market;
use assay_shared::strategy::read::Named;
use assay_shared::time::{format_ms, parse};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Check and explain strategy files, and look functions up
#[derive(Debug, clap::Subcommand)]
pub enum Args {
    /// Write a strategy file to begin with, with comments
    ///
    /// Example: assay strategy new mine --symbols BTCUSDT,ETHUSDT
    New {
        /// Name of the strategy
        name: String,
        /// Symbols that it trades
        #[arg(long, value_delimiter = ',', default_value = "BTCUSDT")]
        symbols: Vec<String>,
        /// File to write [default: the name with .toml]
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Check a strategy file and print its hash
    ///
    /// Example: assay strategy check configs/strategies/trend.toml
    Check {
        /// The file
        file: PathBuf,
    },
    /// Say what a strategy file does, in sentences
    ///
    /// Example: assay strategy explain configs/strategies/trend.toml
    Explain {
        /// The file
        file: PathBuf,
    },
    /// Show what changes in meaning from one strategy file to another
    ///
    /// Example: assay strategy diff old.toml new.toml
    Diff {
        /// The first file
        old: PathBuf,
        /// The second file
        new: PathBuf,
    },
    /// Print what a strategy's own names are at each bar, as CSV
    ///
    /// What is unknown is empty. A function with several outputs has a column for each.
    ///
    /// Example: assay strategy values trend.toml --set fast=12 --from 2024-01-01 > values.csv
    Values {
        /// The file
        file: PathBuf,
        /// Beginning of a snapshot's hash; the newest one without it
        #[arg(long, add = complete::snapshots())]
        data: Option<String>,
        /// A parameter's value instead of its default
        #[arg(long = "set", value_name = "NAME=VALUE")]
        set: Vec<String>,
        /// First day shown, such as 2024-01-01
        #[arg(long)]
        from: Option<String>,
        /// First day not shown any more
        #[arg(long)]
        to: Option<String>,
    },
    /// List the functions of the language and of TA-Lib, or show those that a word names
    ///
    /// Example: assay strategy functions zscore
    #[command(alias = "indicator")]
    Functions {
        /// A name, or a part of one
        word: Option<String>,
    },
}

pub fn run(cx: &Context, args: Args) -> Result<(), LabError> {
    match args {
        Args::New { name, symbols, out } => {
            let path = assay_lab::begin::strategy(&name, &symbols, out.as_deref())?;
            print(&path.display().to_string());
            say(&format!("see what it does with `assay strategy explain {}`", path.display()));
            Ok(())
        }
        Args::Check { file } => check(cx, &file),
        Args::Explain { file } => explain(cx, &file),
        Args::Diff { old, new } => diff(cx, &old, &new),
        Args::Values { file, data, set, from, to } => {
            let s = read_strategy(&file)?;
            let set = set.iter().map(|s| assigned(s)).collect::<Result<Vec<_>, _>>()?;
            let day = |text: Option<String>| text.map(|t| at_day(&t)).transpose();
            let (from, to) = (day(from)?, day(to)?);
            let (market, named) = values(&cx.lab()?, &s, data.as_deref(), &set)?;
            table(&market, &named, from.unwrap_or(i64::MIN)..to.unwrap_or(i64::MAX))
        }
        Args::Functions { word } => functions::show(cx, word.as_deref()),
    }
}

fn check(cx: &Context, file: &Path) -> Result<(), LabError> {
    let s = read_strategy(file)?;
    let warnings = warnings(file, &s)?;
    if cx.json {
        let (name, symbols, parameters) = (&s.file.name, &s.file.symbols, &s.file.parameters);
        print_json(&json!({
            "name": name, "hash": s.hash(), "symbols": symbols, "parameters": parameters, "warnings": warnings,
        }));
        return Ok(());
    }
    warnings.iter().for_each(|w| say(w));
    print(&format!("{} is fine\nhash {}", s.file.name, s.hash()));
    for (name, range) in &s.file.parameters {
        print(&format!("  {name}: {}", range.words()));
    }
    Ok(())
}

fn explain(cx: &Context, file: &Path) -> Result<(), LabError> {
    let s = read_strategy(file)?;
    let sections = assay_shared::strategy::explain::explain(&s);
    if cx.json {
        let all: serde_json::Map<String, serde_json::Value> =
            sections.iter().map(|(head, lines)| ((*head).to_string(), json!(lines))).collect();
        print_json(&json!({"name": s.file.name, "hash": s.hash(), "does": all}));
        return Ok(());
    }
    let description =
        Some(&s.file.description).filter(|d| !d.is_empty()).map_or_else(String::new, |d| format!(": {d}"));
    print(&format!("{}{description}", s.file.name));
    for (head, lines) in sections {
        print(&format!("\n{head}"));
        lines.iter().for_each(|line| print(&format!("  - {line}")));
    }
    Ok(())
}

fn diff(cx: &Context, old: &Path, new: &Path) -> Result<(), LabError> {
    let (a, b) = (read_strategy(old)?, read_strategy(new)?);
    let (was, is) = (flat::of_text(a.canonical()), flat::of_text(b.canonical()));
    let keys: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
    let changed: Vec<(&String, Option<&String>, Option<&String>)> =
        keys.into_iter().map(|k| (k, was.get(k), is.get(k))).filter(|(_, a, b)| a != b).collect();
    if cx.json {
        let all: Vec<serde_json::Value> =
            changed.iter().map(|(k, a, b)| json!({"field": k, "old": a, "new": b})).collect();
        print_json(&json!({"old": a.hash(), "new": b.hash(), "same": a.hash() == b.hash(), "changes": all}));
        return Ok(());
    }
    if changed.is_empty() {
        print("they say the same: one hash");
        return Ok(());
    }
    for (key, old, new) in changed {
        print(key);
        for (mark, text) in [("-", old), ("+", new)] {
            text.into_iter().for_each(|t| print(&format!("  {mark} {t}")));
        }
    }
    Ok(())
}

fn assigned(text: &str) -> Result<(String, String), LabError> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| LabError::usage(format!("'{text}' sets nothing"), "name a value: --set fast=12"))?;
    Ok((name.trim().into(), value.trim().into()))
}

fn at_day(text: &str) -> Result<i64, LabError> {
    parse(text).ok_or_else(|| LabError::usage(format!("'{text}' is no date"), "write it as 2024-01-31"))
}

fn table(market: &Market, named: &[Named], times: std::ops::Range<i64>) -> Result<(), LabError> {
    let names: Vec<&str> = named.iter().filter(|n| n.symbol == 0).map(|n| n.name.as_str()).collect();
    let mut out = format!("time,symbol,{}\n", names.join(","));
    let traded = named.iter().map(|n| n.symbol + 1).max().unwrap_or(0);
    for t in (0..market.len()).filter(|t| times.contains(&market.times[*t])) {
        for symbol in 0..traded {
            let cell = |n: &Named| if n.values[t].is_nan() { String::new() } else { n.values[t].to_string() };
            let cells: Vec<String> = named.iter().filter(|n| n.symbol == symbol).map(cell).collect();
            out += &format!("{},{},{}\n", format_ms(market.times[t]), market.symbols[symbol], cells.join(","));
        }
        if out.len() > 1 << 16 {
            print_bytes(out.as_bytes())?;
            out.clear();
        }
    }
    print_bytes(out.as_bytes())
}
