//! `assay ledger`

use super::Context;
use super::error::CliError;
use super::lab::Lab;
use super::output::{counted, grouped, print_json, say};
use super::promote::policy;
use assay_ledger::audit::export::{Export, export};
use assay_ledger::keys::cosign::cosigners;
use assay_ledger::keys::note::Verifier;
use assay_ledger::log::Home;
use assay_ledger::log::rebuild::{self, Source};
use assay_ledger::storage::disk::RealDisk;
use assay_production::promotion::Repo;
use assay_production::promotion::evidence::commit_cosigned;
use assay_shared::event::roster::Roster;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Export, import and rebuild the ledger
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
    /// Make a damaged journal again from the index, or from an exported folder
    ///
    /// Entries come from the source and from what is whole in the old journal; where both have
    /// one they must agree, the whole must verify, and nothing that was acknowledged may be
    /// missing. The old journal is kept beside the new one.
    ///
    /// Example: assay ledger rebuild --from sled
    Rebuild {
        /// `sled`, or an exported folder
        #[arg(long)]
        from: PathBuf,
        /// A ledger's folder instead of the lab's
        #[arg(long)]
        ledger: Option<PathBuf>,
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

/// A verifier key from the command line.
pub fn verifier(text: &str) -> Result<Verifier, CliError> {
    text.parse().map_err(|e| CliError::usage(format!("{e}"), "give the line of log.vkey"))
}

fn import(cx: &Context, dir: &Path, into: Option<PathBuf>, vkey: Option<&str>) -> Result<(), CliError> {
    let into = match into {
        Some(into) => into,
        None => cx.lab()?.ledger_dir(),
    };
    let source = Export::open(&RealDisk, dir, vkey.map(verifier).transpose()?)?;
    let log = rebuild::import(&Home::of(&into), &source, &mut Roster::new())?;
    say(&format!("{} entries of {} verified and written to {}", grouped(log.len()), log.origin(), into.display()));
    if vkey.is_none() {
        say("the key was the folder's own: compare it with one that you have from elsewhere");
    }
    Ok(())
}

fn rebuild_journal(cx: &Context, from: &Path, ledger: Option<PathBuf>) -> Result<(), CliError> {
    let dir = match ledger {
        Some(dir) => dir,
        None => cx.lab()?.ledger_dir(),
    };
    let home = Home::of(&dir);
    let done = if from == Path::new("sled") {
        rebuild::rebuild(&home, &Source::Index, &mut Roster::new())?
    } else {
        let own = assay_ledger::log::read_verifier(&RealDisk, &dir)?;
        let source = Export::open(&RealDisk, from, Some(own))?;
        rebuild::rebuild(&home, &Source::Export(&source), &mut Roster::new())?
    };
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

fn attach(lab: &Lab, file: &Path, branch: Option<&str>) -> Result<(), CliError> {
    let note = std::fs::read(file).map_err(CliError::io("read", file))?;
    let mut log = lab.log()?;
    if let Some(branch) = branch {
        let repo = Repo::open(&lab.repo_path())?;
        let now = commit_cosigned(&repo, &log, branch, &note, &lab.config.person)?;
        let (policy, _) = policy(&repo)?;
        let (have, need) = (cosigners(&now, &policy.witnesses(), 0)?.len(), policy.thresholds.witnesses);
        say(&format!(
            "the evidence on {branch} carries {} of the policy's witnesses, {need} are needed",
            counted(have, "cosignature")
        ));
        return Ok(());
    }
    log.attach(&note)?;
    say("the checkpoint carries the cosignature; proofs made from here on do too");
    Ok(())
}

pub fn run(cx: &Context, args: Args) -> Result<(), CliError> {
    match args {
        Args::Export { dir } => {
            let done = export(&cx.lab()?.log()?, &dir)?;
            if cx.json {
                print_json(&json!({"from": done.from, "size": done.size, "files": done.files}));
            }
            say(&format!(
                "{} entries in {}, {} new",
                grouped(done.size),
                dir.display(),
                grouped(done.size - done.from)
            ));
            Ok(())
        }
        Args::Import { dir, into, vkey } => import(cx, &dir, into, vkey.as_deref()),
        Args::Rebuild { from, ledger } => rebuild_journal(cx, &from, ledger),
        Args::Attach { file, branch } => attach(&cx.lab()?, &file, branch.as_deref()),
    }
}
