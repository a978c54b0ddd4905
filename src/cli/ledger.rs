//! `assay ledger`

use super::Context;
use super::output::{counted, grouped, print_json, say};
use assay_lab::LabError;
use assay_lab::ask::{Cosigned, witness};
use assay_lab::exchange::{attach, attach_to_branch, export_to, import};
use assay_lab::proof::read_checkpoint;
use assay_lab::recover::{cut, publish, rebuild_journal, renew_index};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Publish, export, import and rebuild the ledger
#[derive(Debug, clap::Subcommand)]
pub enum Args {
    /// Write the published ledger as a folder of C2SP tiles, or add what is new to one
    ///
    /// The folder holds everything an auditor needs: checkpoint, hash tiles, entry bundles. It is
    /// checked with `assay verify --export DIR`, or by any reader of tiled logs.
    ///
    /// Example: assay ledger export /srv/audit/lab
    Export {
        /// The folder
        dir: PathBuf,
        /// Write into it though it holds something else
        #[arg(long)]
        force: bool,
    },
    /// Make a ledger from an exported folder, verifying everything first
    ///
    /// Example: assay ledger import /srv/audit/lab --into restored --vkey "$(cat log.vkey)"
    Import {
        /// The exported folder
        dir: PathBuf,
        /// The new ledger's folder [default: the lab's, if it has none]
        #[arg(long)]
        into: Option<PathBuf>,
        /// The log's verifier key [default: the one in the folder, which proves less]
        #[arg(long)]
        vkey: Option<String>,
    },
    /// Publish what is recorded and not published yet
    ///
    /// Every command that records publishes at its end. This is for what one left that was cut off,
    /// by a full disk or a kill, and for a ledger whose `log.vkey` or `checkpoint` is lost.
    ///
    /// Example: assay ledger publish
    Publish,
    /// Make a damaged journal or index again, or set aside what nobody signed
    ///
    /// With --from, entries come from the source and from what is whole in the old journal; the whole
    /// must verify, and nothing that was acknowledged may be missing. The old journal is kept beside
    /// the new one. With --index, the index (a second copy of the journal) is thrown away and made
    /// again. With --cut, entries above the checkpoint are set aside from the first one on that does
    /// not verify: somebody wrote them into the files.
    ///
    /// Example: assay ledger rebuild --from sled
    #[command(group = clap::ArgGroup::new("way").required(true))]
    Rebuild {
        /// `sled` (the index), an exported folder, or a repository with the ledger's branch
        #[arg(long, group = "way")]
        from: Option<PathBuf>,
        /// Throw the index away and make it again from the journal
        #[arg(long, group = "way")]
        index: bool,
        /// Set aside what does not verify above the checkpoint
        #[arg(long, group = "way")]
        cut: bool,
        /// A ledger's folder instead of the lab's
        #[arg(long)]
        ledger: Option<PathBuf>,
    },
    /// Ask witnesses over HTTP to cosign the checkpoint (C2SP tlog-witness)
    ///
    /// What they sign goes beside the checkpoint's own signature, once it verifies by a key that is given
    /// here or named in the policy.
    ///
    /// Example: assay ledger witness http://127.0.0.1:8042
    Witness {
        /// Where they answer; `/add-checkpoint` is added
        #[arg(required = true)]
        urls: Vec<String>,
        /// A witness's verifier key, in place of the policy's; repeat for several
        #[arg(long = "key", value_name = "VKEY")]
        keys: Vec<String>,
    },
    /// Put a witness's cosignature beside the checkpoint's own signature
    ///
    /// With --branch it goes beside a proposal's evidence, where a policy that names witnesses asks
    /// for it.
    ///
    /// Example: assay ledger attach cosigned.checkpoint --branch promote/trend-v1-0123456789ab
    Attach {
        /// The cosigned checkpoint, as `assay witness` printed it
        file: PathBuf,
        /// A proposal's branch
        #[arg(long)]
        branch: Option<String>,
    },
}

/// What each witness answered.
fn witnesses(cx: &Context, urls: &[String], keys: &[String]) -> Result<(), LabError> {
    let asked = witness(&cx.lab()?, urls, keys)?;
    let row = |c: &Cosigned| json!({"url": c.url, "names": c.names});
    if cx.json {
        print_json(&asked.iter().map(row).collect::<Vec<_>>());
    }
    for c in &asked {
        say(&format!("cosigned by {}", c.names.join(", ")));
    }
    Ok(())
}

/// A ledger's folder: the one named, else the lab's.
fn folder(cx: &Context, named: Option<PathBuf>) -> Result<PathBuf, LabError> {
    named.map_or_else(|| cx.lab().map(|lab| lab.ledger_dir()), Ok)
}

pub fn run(cx: &Context, args: Args) -> Result<(), LabError> {
    match args {
        Args::Export { dir, force } => {
            let done = export_to(&cx.lab()?, &dir, force)?;
            if cx.json {
                print_json(&json!({"from": done.from, "size": done.size, "files": done.files}));
            }
            let new = grouped(done.size - done.from);
            say(&format!("{} entries in {}, {new} new", grouped(done.size), dir.display()));
            Ok(())
        }
        Args::Import { dir, into, vkey } => {
            let into = folder(cx, into)?;
            let log = import(&into, &dir, vkey.as_deref(), &cx.session)?;
            let (n, origin) = (grouped(log.len()), log.origin());
            say(&format!("{n} entries of {origin} verified and written to {}", into.display()));
            Ok(())
        }
        Args::Publish => {
            let published = publish(&cx.lab()?)?;
            if cx.json {
                print_json(&json!({"origin": published.origin, "size": published.size, "root": published.root}));
            }
            say(&format!("{} entries are published", grouped(published.size)));
            Ok(())
        }
        Args::Rebuild { from: Some(from), ledger, .. } => rebuild(cx, &folder(cx, ledger)?, &from),
        Args::Rebuild { index: true, ledger, .. } => {
            let entries = renew_index(&folder(cx, ledger)?)?;
            if cx.json {
                print_json(&json!({"entries": entries}));
            }
            say(&format!("the index was made again from the journal: {} entries", grouped(entries)));
            Ok(())
        }
        Args::Rebuild { ledger, .. } => {
            let lab = if ledger.is_none() { Some(cx.lab()?) } else { None };
            let (entries, kept) = cut(&folder(cx, ledger)?, lab.as_ref())?;
            if cx.json {
                print_json(&json!({"entries": entries, "kept": kept}));
            }
            say(&format!("{} entries remain; what nobody signed is kept in {}", grouped(entries), kept.display()));
            Ok(())
        }
        Args::Witness { urls, keys } => witnesses(cx, &urls, &keys),
        Args::Attach { file, branch } => {
            let note = read_checkpoint(&file)?;
            beside(cx, &note, branch.as_deref())
        }
    }
}

fn rebuild(cx: &Context, ledger: &Path, from: &Path) -> Result<(), LabError> {
    let done = rebuild_journal(ledger, from)?;
    if cx.json {
        print_json(&json!({"entries": done.entries, "restored": done.restored, "kept": done.kept}));
    }
    say(&format!(
        "{} entries verified, {} of them restored; the old journal is kept in {}",
        grouped(done.entries),
        grouped(done.restored),
        done.kept.display()
    ));
    Ok(())
}

fn beside(cx: &Context, note: &[u8], branch: Option<&str>) -> Result<(), LabError> {
    let Some(branch) = branch else {
        attach(&cx.lab()?, note)?;
        say("the checkpoint carries the cosignature; proofs made from here on do too");
        return Ok(());
    };
    let (have, need) = attach_to_branch(&cx.lab()?, note, branch)?;
    let have = counted(have, "cosignature");
    say(&format!("the evidence on {branch} carries {have} of the policy's witnesses, {need} are needed"));
    Ok(())
}
