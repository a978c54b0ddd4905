//! `assay init`

use super::Context;
use super::output::say;
use assay_lab::LabError;
use assay_lab::create::{Created, NewLab, add_gate, create};
use assay_lab::folder::{absolute, find};
use assay_lab::keys::read_public;
use assay_ledger::{Hash, PublicKey};
use std::path::{Path, PathBuf};

/// Create a lab: keys, ledger, mirror, git repositories and hooks
///
/// A lab belongs to one person; reviewers are named with their public keys. With at least one
/// reviewer the deploy repository is set up too, with a first policy that you should read and
/// tighten. A lab that was made without one gets it the same way, later.
///
/// Example: assay init lab --person ana --reviewer ben=ben.pub
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder to create, or of a lab without a policy [default: the lab around, else lab]
    pub dir: Option<PathBuf>,
    /// Your name, as the policy will name you
    #[arg(long, default_value = "me")]
    pub person: String,
    /// The ledger's name: a schema-less URL of yours [default: assay.invalid/PERSON]
    #[arg(long)]
    pub origin: Option<String>,
    /// A reviewer and their OpenSSH public key file
    #[arg(long = "reviewer", value_name = "NAME=FILE")]
    pub reviewers: Vec<String>,
    /// A witness's verifier key, as `assay witness` prints it; promotions need all that are named
    #[arg(long = "witness", value_name = "VKEY")]
    pub witnesses: Vec<String>,
    /// Where the live table is: sqlite:FILE or postgres://… [default: live.sqlite in the lab]
    #[arg(long)]
    pub live: Option<String>,
    /// A deploy repository elsewhere, as git names it; none is made in the lab then. `assay sync` goes there
    #[arg(long, value_name = "URL", conflicts_with = "live")]
    pub deploy: Option<String>,
    /// SHA-256 of its first policy, where others have founded it
    #[arg(long, value_name = "SHA256", requires = "deploy", conflicts_with = "reviewers")]
    pub genesis: Option<Hash>,
    /// A ledger that the new one goes on after, because its key is lost or feared for: its folder, or an
    /// export of it. Its last checkpoint is recorded; give the new ledger another --origin
    #[arg(long, value_name = "DIR")]
    pub follows: Option<PathBuf>,
    /// Encrypt the new keys (asks for a passphrase, or reads ASSAY_PASSPHRASE)
    #[arg(long)]
    pub encrypt: bool,
    /// Allow results on generated data to be promoted (demonstrations only)
    #[arg(long, hide = true)]
    pub allow_generated: bool,
}

fn reviewer(text: &str) -> Result<(String, PublicKey), LabError> {
    let usage = |m: String| LabError::usage(m, "write --reviewer NAME=FILE with an OpenSSH public key file");
    let (name, file) = text.split_once('=').ok_or_else(|| usage(format!("'{text}' is not NAME=FILE")))?;
    Ok((name.into(), read_public(Path::new(file))?))
}

pub fn run(cx: &Context, args: Args) -> Result<(), LabError> {
    let new = NewLab {
        origin: args.origin.clone().unwrap_or_else(|| format!("assay.invalid/{}", args.person)),
        reviewers: args.reviewers.iter().map(|r| reviewer(r)).collect::<Result<_, _>>()?,
        // Inside a lab it is that one: none is made in another.
        dir: args.dir.map_or_else(|| find(cx.lab.as_deref()), Ok)?,
        person: args.person,
        witnesses: args.witnesses,
        live: args.live,
        deploy: args.deploy.map(|d| if d.contains(':') { d } else { absolute(Path::new(&d)) }),
        genesis: args.genesis,
        encrypt: args.encrypt,
        follows: args.follows,
        allow_generated: args.allow_generated,
    };
    if new.dir.join("assay.toml").exists() && !new.reviewers.is_empty() {
        let created = add_gate(&new, &cx.session)?;
        say(&format!("the lab {} has a policy now", new.dir.display()));
        next(&new, &created);
        return Ok(());
    }
    announce(&new, &create(&new, &cx.session)?);
    Ok(())
}

/// Says what was created, and what comes next.
pub fn announce(new: &NewLab, created: &Created) {
    say(&format!("lab {} created: ledger {}, keys, mirror, repositories", new.dir.display(), new.origin));
    next(new, created);
}

fn next(new: &NewLab, created: &Created) {
    match &created.live {
        Some(live) => {
            say(&format!("deploy repository with hooks; live table {}", without_password(live)));
            if live.starts_with("postgres") {
                say("its tables are made by their owner, once: `assay deploy init` (see its --help for roles)");
            }
        }
        None if !new.reviewers.is_empty() => {
            say(&format!(
                "the first policy is in {}: read it, and give it to the deploy host",
                new.dir.join("policy.toml").display()
            ));
            say("next: there `assay hook install --policy policy.toml`, then here `assay sync`");
        }
        None if new.deploy.is_some() => {
            say("next: `assay sync`, once whoever founds the policy has brought it there (`assay guide promote`)");
        }
        None => {
            say("no reviewer was named: `assay init` with --reviewer sets up later what a promotion needs");
            say("next: `assay data import DIR`, or `assay guide data`");
        }
    }
}

/// An address as it may be shown.
fn without_password(live: &str) -> String {
    let Some((scheme, rest)) = live.split_once("://") else { return live.into() };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let Some((user, host)) = authority.rsplit_once('@') else { return live.into() };
    let user = user.split(':').next().unwrap_or_default();
    format!("{scheme}://{user}@{host}/{path}")
}
