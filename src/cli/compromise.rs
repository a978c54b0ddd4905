//! `assay compromise`

use super::Context;
use super::output::{harmless, print, print_json, say, table};
use super::place::Place;
use assay_lab::LabError;
use assay_lab::compromise::{Signed, signed_by};
use assay_lab::keys::read_public;
use std::path::PathBuf;

/// List everything that a key signed, because it is lost or feared for
///
/// Versions that it proposed, approved or reproduced, policies that it signed or is named by, and events
/// of every log, what is in force first. What to do then: `assay halt` what it could have made trade,
/// `assay key revoke` or `rotate` in its log, and a next policy without it; `reconcile --check` flags what
/// still rests on it.
///
/// Example: assay compromise --key ben.pub --repo deploy-clone --genesis 4f2a…
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The public key, an OpenSSH .pub file
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    #[command(flatten)]
    place: Place,
}

pub fn run(cx: &Context, args: Args) -> Result<(), LabError> {
    let key = read_public(&args.key)?;
    let found = signed_by(&args.place.verified(cx)?, &key)?;
    if cx.json {
        print_json(&found);
        return Ok(());
    }
    if found.is_empty() {
        say(&format!("the key {} signed nothing here", key.id()));
        return Ok(());
    }
    let row = |s: &Signed| {
        let now = if s.in_force { "in force" } else { "" };
        vec![harmless(&s.what), harmless(&s.did), now.into()]
    };
    print(&table(&["what", "the key", ""], &found.iter().map(row).collect::<Vec<_>>()));
    Ok(())
}
