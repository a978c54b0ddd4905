//! `assay trial import`: trials that were made with other tools, declared.

use super::Context;
use super::output::{counted, one_line, print, print_json};
use assay_lab::LabError;
use assay_lab::study::{Declared, Recorded, declare};
use assay_shared::time::{format_date, parse};
use serde_json::json;
use std::path::PathBuf;

/// What is declared.
#[derive(Debug, clap::Args)]
pub struct Import {
    /// The file that holds them
    #[arg(required_unless_present = "trials")]
    file: Option<PathBuf>,
    /// How many, where no file holds them
    #[arg(long, conflicts_with = "file", value_parser = clap::value_parser!(u64).range(1..))]
    trials: Option<u64>,
    /// Symbols that were traded [default: those of the newest snapshot]
    #[arg(long, value_delimiter = ',')]
    symbols: Vec<String>,
    /// First day of the prices [default: that of the newest snapshot]
    #[arg(long, value_name = "DATE")]
    from: Option<String>,
    /// Last day of the prices [default: that of the newest snapshot]
    #[arg(long, value_name = "DATE")]
    to: Option<String>,
    /// Say what would be declared, and record nothing
    #[arg(long)]
    dry_run: bool,
    /// With what they were made, in words [default: what the file says]
    #[arg(long, value_name = "TEXT")]
    source: Option<String>,
}

/// Declares them.
pub fn import(cx: &Context, args: Import) -> Result<(), LabError> {
    let date = |text: Option<String>| {
        let bad = |t: &str| LabError::usage(format!("'{t}' is no date"), "write it as 2024-01-31");
        text.map(|t| parse(&t).ok_or_else(|| bad(&t))).transpose()
    };
    let span = (date(args.from)?, date(args.to)?);
    let (file, trials, symbols) = (args.file.as_deref(), args.trials, args.symbols);
    let asked = Declared { file, trials, source: args.source, symbols, span };
    let Recorded { fact, new, meets } = declare(&cx.lab()?, &asked, args.dry_run)?;
    if cx.json {
        let recorded = !args.dry_run;
        print_json(&json!({"declared": fact, "new": new, "recorded": recorded, "snapshots_with_such_prices": meets}));
        return Ok(());
    }
    let from = format!("{} to {}", format_date(fact.first_ms), format_date(fact.last_ms));
    let what = match (new, args.dry_run) {
        (false, _) => "declared already",
        (true, true) => "would be declared",
        (true, false) => "declared",
    };
    print(&format!(
        "{what}: {} ({}) on {}, {from}",
        counted(fact.trials as usize, "trial"),
        one_line(&fact.source),
        fact.symbols.join(", ")
    ));
    match meets {
        0 => print(
            "NOTE: no snapshot of this lab has any of these symbols in that time: beside its studies they count for nothing",
        ),
        _ => print("they count beside every study on prices that overlap, and for every proposal from now on"),
    }
    Ok(())
}
