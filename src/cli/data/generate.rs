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

/// 2010-01-01, milliseconds since 1970.
const DAY_ONE: i64 = 1_262_304_000_000;

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
    /// Make them of bars of this shorter interval, and write those too
    #[arg(long, value_name = "INTERVAL")]
    detail: Option<String>,
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
    let interval = |text: &String| {
        interval_ms(text).ok_or_else(|| {
            LabError::usage(
                format!("'{text}' is not an interval"),
                "write it as 5m, 1h, 4h or 1d: whole days, or a whole number of bars in a day",
            )
        })
    };
    let step = interval(&args.interval)?;
    let detail_ms = args.detail.as_ref().map(interval).transpose()?;
    if detail_ms.is_some_and(|finer| finer >= step || step % finer != 0) {
        let message = format!("bars of {} are not made of whole shorter ones", args.interval);
        return Err(LabError::usage(message, "give --detail an interval that divides it, such as 5m for 1h"));
    }
    let (from, to) = (time(Some(&args.from))?.unwrap_or_default(), time(Some(&args.to))?.unwrap_or_default());
    if from < DAY_ONE {
        let hint = "the exchange's times are told from seconds by their size; give a day from 2010-01-01 on";
        return Err(LabError::usage(format!("{} is too early", args.from), hint));
    }
    let from_ms = from.div_euclid(step) * step;
    let bars = usize::try_from((to - from_ms) / step).unwrap_or(0);
    if bars == 0 || args.symbols.is_empty() {
        let hint = "--to must be later than --from, and a symbol be named";
        return Err(LabError::usage("there is nothing to generate".to_string(), hint));
    }
    let (symbols, seed, gaps) = (&args.symbols, args.seed, args.gaps);
    let spec = Spec { symbols, interval_ms: step, from_ms, bars, seed, gaps, detail_ms };
    let files = generate_files(&args.out, &spec, &cx.session)?;
    if cx.json {
        print_json(&json!({"folder": args.out, "files": files, "bars": bars}));
        return Ok(());
    }
    say(&format!("{files} files in {}; they are MADE UP, and an import says so", args.out.display()));
    Ok(())
}
