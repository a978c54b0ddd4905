//! `assay data generate`

use super::super::Context;
use super::super::output::{print_json, say};
use super::request::time;
use assay_lab::LabError;
use assay_lab::data::generate_files;
use assay_research::data::generate::Spec;
use assay_shared::time::interval_ms;
use serde_json::json;
use std::path::PathBuf;

/// Of which symbols, how long, and where to.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder
    out: PathBuf,
    /// Symbols, with commas
    #[arg(long, value_delimiter = ',', default_value = "BTCUSDT,ETHUSDT")]
    symbols: Vec<String>,
    /// First day
    #[arg(long)]
    from: String,
    /// Day before which it ends
    #[arg(long)]
    to: String,
    /// Bar interval
    #[arg(long, default_value = "1h")]
    interval: String,
    /// Another seed is another market
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Let some bars open away from the last close
    #[arg(long)]
    gaps: bool,
}

/// Writes the files.
///
/// # Errors
/// Settings that make no market, or a folder that holds other things.
pub fn run(cx: &Context, args: &Args) -> Result<(), LabError> {
    let step = interval_ms(&args.interval).ok_or_else(|| {
        LabError::usage(format!("'{}' is not an interval", args.interval), "write it as 1m, 1h, 4h or 1d")
    })?;
    let (from, to) = (time(Some(&args.from))?.unwrap_or_default(), time(Some(&args.to))?.unwrap_or_default());
    let from_ms = from.div_euclid(step) * step;
    let bars = usize::try_from((to - from_ms) / step).unwrap_or(0);
    if bars == 0 || args.symbols.is_empty() {
        let hint = "--to must be later than --from, and a symbol be named";
        return Err(LabError::usage("there is nothing to generate".to_string(), hint));
    }
    let spec = Spec { symbols: &args.symbols, interval_ms: step, from_ms, bars, seed: args.seed, gaps: args.gaps };
    let files = generate_files(&args.out, &spec, &cx.session)?;
    if cx.json {
        print_json(&json!({"folder": args.out, "files": files, "bars": bars}));
        return Ok(());
    }
    say(&format!("{files} files in {}; they are MADE UP, and an import says so", args.out.display()));
    Ok(())
}
