//! `assay active`

use super::Context;
use super::error::CliError;
use super::output::{print, print_json, table};
use assay_production::deploy::{COLUMNS, Cell, Row, open};
use assay_production::gate::Host;
use assay_shared::time::{format_us, parse};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Show what is live, or what was live at a time, who approved it and why
///
/// A version is live from its deployment (included) until the next one (excluded).
///
/// Example: assay active --at 2024-06-01T12:00
#[derive(Debug, clap::Args)]
pub struct Args {
    /// As of this time, UTC
    #[arg(long)]
    at: Option<String>,
    /// Every version that ever was live
    #[arg(long)]
    history: bool,
    /// The gate's folder [default: the lab's]
    #[arg(long)]
    gate: Option<PathBuf>,
}

impl Args {
    /// The whole history of the lab's gate.
    pub fn all_history() -> Args {
        Args { at: None, history: true, gate: None }
    }
}

/// The rows in force at a time, from the history.
fn as_of(history: &[Row], at_us: i64) -> Vec<Row> {
    let mut live: BTreeMap<&str, &Row> = BTreeMap::new();
    for row in history.iter().filter(|r| r.deployed_us <= at_us) {
        live.insert(&row.strategy, row);
    }
    live.into_values().cloned().collect()
}

/// A row as JSON, by column name.
pub fn to_json(row: &Row) -> Value {
    let mut out = serde_json::Map::new();
    out.insert("strategy".into(), json!(row.strategy));
    out.insert("version".into(), json!(row.version));
    for ((name, _), cell) in COLUMNS.iter().zip(&row.cells) {
        out.insert(
            (*name).into(),
            match cell {
                Cell::Int(i) => json!(i),
                Cell::Text(t) if matches!(*name, "approvers" | "environment" | "event_hashes") => {
                    serde_json::from_str(t).unwrap_or(json!(t))
                }
                Cell::Text(t) => json!(t),
            },
        );
    }
    out.insert("deployed_at".into(), json!(format_us(row.deployed_us as u64)));
    Value::Object(out)
}

pub fn run(cx: &Context, args: Args) -> Result<(), CliError> {
    let gate = match args.gate {
        Some(dir) => dir,
        None => cx.lab()?.gate_dir(),
    };
    let host = Host::open(&gate)?;
    let mut live = open(&host.settings.live, &host.settings.genesis_policy_sha256.to_string())?;
    let rows = match (&args.at, args.history) {
        (Some(text), _) => {
            let bad = || CliError::usage(format!("'{text}' is not a time"), "write it as 2024-06-01T12:00");
            as_of(&live.history()?, parse(text).ok_or_else(bad)? * 1000)
        }
        (None, true) => live.history()?,
        (None, false) => live.rows()?,
    };
    if cx.json {
        print_json(&rows.iter().map(to_json).collect::<Vec<_>>());
        return Ok(());
    }
    if rows.is_empty() {
        print("nothing is live");
        return Ok(());
    }
    let row = |r: &Row| {
        let approvers: Vec<String> = serde_json::from_str(r.text("approvers")).unwrap_or_default();
        vec![
            r.strategy.clone(),
            r.version.to_string(),
            format_us(r.deployed_us as u64)[..19].into(),
            r.text("author").into(),
            approvers.join(","),
            r.text("study_id")[..12.min(r.text("study_id").len())].into(),
            r.text("config_sha256")[..12.min(r.text("config_sha256").len())].into(),
        ]
    };
    print(&table(
        &["strategy", "version", "live since (UTC)", "author", "approved by", "study", "config"],
        &rows.iter().map(row).collect::<Vec<_>>(),
    ));
    Ok(())
}
