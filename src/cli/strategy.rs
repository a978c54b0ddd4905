//! `assay strategy`

use super::Context;
use super::output::{print, print_json};
use assay_lab::LabError;
use assay_lab::study::read_strategy;
use assay_shared::indicator::Function;
use serde_json::json;
use std::path::PathBuf;

/// Check strategy files, and look indicators up
#[derive(Debug, clap::Subcommand)]
pub enum Args {
    /// Check a strategy file and print its hash
    ///
    /// Example: assay strategy check configs/strategies/trend.toml
    Check {
        /// The file
        file: PathBuf,
    },
    /// Show a TA-Lib function's inputs, options and outputs, or list them all
    ///
    /// Example: assay strategy indicator MACD
    Indicator {
        /// Name, such as EMA
        name: Option<String>,
    },
}

pub fn run(cx: &Context, args: Args) -> Result<(), LabError> {
    match args {
        Args::Check { file } => {
            let s = read_strategy(&file)?;
            if cx.json {
                print_json(
                    &json!({"name": s.file.name, "hash": s.hash(), "symbols": s.file.symbols, "parameters": s.file.parameters}),
                );
                return Ok(());
            }
            print(&format!("{} is fine\nhash {}", s.file.name, s.hash()));
            for (name, range) in &s.file.parameters {
                print(&format!("  {name}: {}", json!(range)));
            }
            Ok(())
        }
        Args::Indicator { name: None } => {
            for f in Function::all() {
                print(&format!("{:<20} {}", f.name(), f.hint()));
            }
            Ok(())
        }
        Args::Indicator { name: Some(name) } => {
            let unknown = || {
                LabError::usage(format!("TA-Lib has no function '{name}'"), "list them with `assay strategy indicator`")
            };
            let f = Function::find(&name.to_uppercase()).ok_or_else(unknown)?;
            let options: Vec<String> = f.options().iter().map(|o| format!("<{}>", o.name)).collect();
            let args: Vec<String> = f.inputs().iter().map(|s| (*s).to_string()).chain(options).collect();
            print(&format!("{}({})\n  {}\n  outputs: {}", f.name(), args.join(", "), f.hint(), f.outputs().join(", ")));
            for o in f.options() {
                let names = if o.names.is_empty() {
                    String::new()
                } else {
                    " (a moving-average type such as SMA or EMA)".into()
                };
                print(&format!("  <{}>: {} to {}{names}", o.name, o.min, o.max));
            }
            if f.uses_transcendental() {
                print(
                    "  note: calls the platform's transcendental functions; values may differ in the last bit between machines",
                );
            }
            Ok(())
        }
    }
}
