//! `assay strategy`

use super::Context;
use super::error::CliError;
use super::output::{print, print_json, say};
use assay_shared::indicator::Function;
use assay_shared::strategy::file::Strategy;
use serde_json::json;
use std::path::{Path, PathBuf};

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

/// Reads a strategy file; every problem is shown at its place.
pub fn load(path: &Path) -> Result<Strategy, CliError> {
    let text = std::fs::read_to_string(path).map_err(CliError::io("read", path))?;
    parse(&text, &path.display().to_string())
}

/// Parses a strategy's text.
pub fn parse(text: &str, name: &str) -> Result<Strategy, CliError> {
    Strategy::parse(text).map_err(|problems| {
        let n = problems.len();
        say(&problems.iter().map(|d| d.render(name, text)).collect::<Vec<_>>().join("\n\n"));
        CliError::Usage { message: format!("{name} has {n} problem{}", if n == 1 { "" } else { "s" }), hint: None }
    })
}

pub fn run(cx: &Context, args: Args) -> Result<(), CliError> {
    match args {
        Args::Check { file } => {
            let s = load(&file)?;
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
                CliError::usage(format!("TA-Lib has no function '{name}'"), "list them with `assay strategy indicator`")
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
