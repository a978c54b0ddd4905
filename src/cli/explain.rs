//! `assay explain`

use super::Context;
use super::complete;
use super::output::{harmless, print, print_json};
use super::place::Place;
use assay_lab::LabError;
use assay_lab::explain::{Link, explain};

/// Walk a version back, link by link, to the files that its numbers come from
///
/// Every link says what it is and what proves it; all of it is verified now. Of a clone it needs
/// nothing but the clone and the first policy's SHA-256.
///
/// Example: assay explain trend --repo deploy-clone --genesis 4f2a…
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Strategy
    #[arg(add = complete::strategies())]
    strategy: String,
    /// Another version than the one in force
    #[arg(long)]
    version: Option<u64>,
    #[command(flatten)]
    place: Place,
}

pub fn run(cx: &Context, args: Args) -> Result<(), LabError> {
    let links = explain(&args.place.verified(cx)?, &args.strategy, args.version)?;
    if cx.json {
        print_json(&links);
        return Ok(());
    }
    links.iter().enumerate().for_each(show);
    Ok(())
}

fn show((n, link): (usize, &Link)) {
    print(&format!("{}. {}", n + 1, link.name));
    link.says.iter().for_each(|words| print(&format!("     {}", harmless(words))));
    print(&format!("     proof: {}", harmless(&link.proof)));
}
