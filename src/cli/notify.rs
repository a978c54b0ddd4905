//! `assay notify`

use super::Context;
use super::output::{print, say};
use assay_lab::LabError;
use assay_lab::notify::{FILE, Kind, News, Wishes, deliver, tell};
use assay_production::deploy::Change;
use std::io::BufRead as _;
use std::path::{Path, PathBuf};

/// Send a test message to whoever `notify.toml` names
///
/// The file stands in the lab's folder, or the gate's on a deploy host: `command = ["program", "argument"]` gets each message as
/// a line of JSON on its standard input, `url` gets it posted, `kinds` says of what: proposal, approval, refusal,
/// deployment, drift, halt, resume. Messages are sent by another process and hold up nothing.
///
/// Example: assay notify --dir deploy.git/assay
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder of notify.toml [default: the lab's]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Deliver what stands on the standard input
    #[arg(long, hide = true, requires = "dir")]
    deliver: bool,
}

pub fn run(cx: &Context, args: Args) -> Result<(), LabError> {
    let dir = match args.dir {
        Some(dir) => dir,
        None => cx.lab()?.dir,
    };
    if args.deliver {
        let lines = std::io::stdin().lock().lines().map_while(Result::ok);
        let news: Vec<News> = lines.filter_map(|l| serde_json::from_str(&l).ok()).collect();
        return deliver(&dir, &news).map(drop);
    }
    if Wishes::of(&dir)?.is_none() {
        let what = format!("there is no {FILE} in {}", dir.display());
        return Err(LabError::usage(what, "write one: command = [\"program\"] or url = \"http://…\""));
    }
    let told = deliver(&dir, &[News::now(Kind::Test, None, "a test message of assay")])?;
    print(&format!("told: {told}"));
    say("the same way it tells of proposals, approvals, refusals, deployments, drift and halts");
    Ok(())
}

/// Tells of what a reconciler changed.
pub fn of_changes(dir: &Path, changes: &[Change]) {
    let changes = changes.iter().filter(|c| !matches!(c, Change::Late { .. }));
    let news: Vec<News> = changes
        .map(|c| {
            let kind = if c.is_drift() { Kind::Drift } else { Kind::Deployment };
            News::now(kind, Some(c.strategy()), c.to_string())
        })
        .collect();
    tell(dir, &news);
}
