//! `assay deploy`

use super::Context;
use super::complete;
use super::output::{print, say};
use assay_lab::LabError;
use assay_lab::deploy::merge_and_push;
use assay_lab::host::create_table;
use assay_production::deploy::Roles;
use assay_production::gate::Host;
use std::path::PathBuf;

/// Merge an approved branch and push it with its ledger; the hook decides
///
/// The same as merging the pull request and `git push deploy.git main ledger/…`. When the push is
/// refused, the lab's main branch stays where it was.
///
/// Example: assay deploy promote/trend-v1-0123456789ab
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, arg_required_else_help = true)]
pub struct Args {
    /// The branch
    #[arg(add = complete::branches())]
    branch: Option<String>,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    Init(InitArgs),
}

/// Make the live table, as the owner of its database; once, and again for another role
///
/// Nothing else of this program creates or alters anything there: reconciling needs the rights of the
/// writer only, reading the views those of the reader, and `assay halt` those of the stopper. A role that does
/// not exist is created, able to log in and without a password. Safe to run again.
///
/// Example: assay deploy init --owner postgres://owner@db.example/trading --writer assay_writer --reader engine
#[derive(Debug, clap::Args)]
struct InitArgs {
    /// The gate's folder [default: the lab's]
    #[arg(long)]
    gate: Option<PathBuf>,
    /// The database's address as its owner [default: the gate's own]
    #[arg(long, value_name = "URL")]
    owner: Option<String>,
    /// Role that may bring the table in line
    #[arg(long, value_name = "ROLE")]
    writer: Option<String>,
    /// Role that may read
    #[arg(long, value_name = "ROLE")]
    reader: Option<String>,
    /// Role that may read, and halt a strategy
    #[arg(long, value_name = "ROLE")]
    stopper: Option<String>,
}

pub fn run(cx: &Context, args: Args) -> Result<(), LabError> {
    match (args.action, args.branch) {
        (Some(Action::Init(args)), _) => init(cx, args),
        (None, Some(branch)) => {
            let lab = cx.lab()?;
            print(&merge_and_push(&lab, &branch)?);
            if lab.config.deploy.is_some() {
                say("`assay sync` brings the host's log here, which says since when it is live");
            }
            Ok(())
        }
        (None, None) => Err(LabError::usage("a branch is missing", "see `assay deploy --help`")),
    }
}

fn init(cx: &Context, args: InitArgs) -> Result<(), LabError> {
    let host = match &args.gate {
        Some(dir) => Host::open(dir)?,
        None => cx.lab()?.gate()?,
    };
    let roles = Roles { writer: args.writer, reader: args.reader, stopper: args.stopper };
    let place = create_table(&host, args.owner.as_deref(), &roles)?;
    say(&format!("the live table in {place} is there; `assay reconcile` brings it in line"));
    Ok(())
}
