//! `assay hook`

use super::Context;
use super::notify::of_changes;
use super::output::say;
use assay_lab::halted::stopped;
use assay_lab::host::{post_receive, pre_receive, reference_transaction};
use assay_lab::install::install;
use assay_lab::notify::{Kind, News, tell};
use assay_lab::place::read_text;
use assay_lab::{LabError, Session};
use assay_ledger::Hash;
use assay_production::deploy::without_secrets;
use assay_production::gate::{GateError, Host, Update};
use assay_shared::policy::Policy;
use std::io::BufRead as _;
use std::path::{Path, PathBuf};

/// The hooks of a deploy repository
#[derive(Debug, clap::Subcommand)]
pub enum Args {
    /// Verify a push (run by git; reads `<old> <new> <ref>` lines)
    PreReceive {
        /// The gate's folder
        #[arg(long)]
        gate: PathBuf,
    },
    /// Let the deploy branch move only with the logs it was verified with (run by git)
    ReferenceTransaction {
        /// The gate's folder
        #[arg(long)]
        gate: PathBuf,
    },
    /// Poke the reconciler after a push (run by git)
    PostReceive {
        /// The gate's folder
        #[arg(long)]
        gate: PathBuf,
    },
    /// Make a bare repository a gate: hooks, settings, root of trust
    ///
    /// Without --policy, --genesis or --live, what was set up before stays: so hooks are written
    /// anew after the repository or the program moved.
    ///
    /// Example: assay hook install --repo deploy.git --policy policy.toml --live postgres:///trading
    Install {
        /// The bare repository; created if missing
        #[arg(long)]
        repo: PathBuf,
        /// The first policy, whose hash is pinned
        #[arg(long)]
        policy: Option<PathBuf>,
        /// Or its SHA-256
        #[arg(long, conflicts_with = "policy")]
        genesis: Option<String>,
        /// Where the live table is: sqlite:FILE or postgres://…
        #[arg(long)]
        live: Option<String>,
        /// Write over hooks of your own, or replace the root of trust of a gate that stands
        #[arg(long)]
        force: bool,
    },
}

pub fn run(cx: &Context, args: Args) -> Result<(), LabError> {
    match args {
        Args::PreReceive { gate } => judge(&gate, &cx.session),
        // Symbolic references move too, and are none of the deploy branch.
        Args::ReferenceTransaction { gate } => reference_transaction(&gate, &updates(|_| Ok(None))?),
        Args::PostReceive { gate } => poke(&gate, &cx.session),
        Args::Install { repo, policy, genesis, live, force } => {
            let (root, live) = (root_of_trust(policy, genesis)?, live.as_deref());
            let settings = install(&repo, root, live, force, &cx.session)?;
            let (root, live) = (settings.genesis_policy_sha256, without_secrets(&settings.live));
            say(&format!("{} is a gate now: policy {root}, live table {live}", repo.display()));
            if live != settings.live {
                say(
                    "the password is kept in the gate's gate.toml, for its owner alone: PGPASSWORD, ~/.pgpass or a socket with peer authentication need none there",
                );
            }
            say("the first commit of main must hold that very policy: nothing else is accepted");
            Ok(())
        }
    }
}

fn root_of_trust(policy: Option<PathBuf>, genesis: Option<String>) -> Result<Option<Hash>, LabError> {
    match (policy, genesis) {
        (Some(file), _) => {
            let text = read_text(&file, 1 << 20)?;
            Policy::parse(&text).map_err(LabError::format(file.display().to_string()))?;
            Ok(Some(Hash::of(text.as_bytes())))
        }
        (None, Some(hash)) => {
            let hash = hash.parse();
            hash.map(Some).map_err(|e| LabError::usage(format!("{e}"), "give the SHA-256 of the first policy"))
        }
        (None, None) => Ok(None),
    }
}

/// What an odd line is.
fn bad(line: &str) -> Result<Option<Update>, LabError> {
    Err(LabError::usage(format!("'{line}' is not '<old> <new> <ref>'"), "this command is run by git"))
}

fn updates(odd: impl Fn(&str) -> Result<Option<Update>, LabError>) -> Result<Vec<Update>, LabError> {
    let lines = std::io::stdin()
        .lock()
        .lines()
        .collect::<Result<Vec<_>, _>>()
        .map_err(LabError::io("read", Path::new("stdin")))?;
    let found = lines.iter().map(|l| Update::parse(l).map_or_else(|| odd(l), |u| Ok(Some(u))));
    Ok(found.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

fn judge(gate: &Path, session: &Session) -> Result<(), LabError> {
    match pre_receive(gate, &updates(bad)?, session) {
        Ok(verdict) => {
            verdict.lines.iter().for_each(|l| say(&format!("assay: {l}")));
            Ok(())
        }
        Err(e) => {
            if let LabError::Gate(GateError::Refused(r)) = &e {
                say(&format!("assay: refused [{}] {}", r.code, r.place));
                let words = format!("a push is refused [{}] {}", r.code, r.place);
                tell(gate, &[News::now(Kind::Refusal, None, words)]);
            }
            Err(e)
        }
    }
}

fn poke(gate: &Path, session: &Session) -> Result<(), LabError> {
    let outcome = post_receive(gate, &updates(bad)?, session)?;
    outcome.iter().for_each(|o| of_changes(gate, &o.changes));
    let halted = Host::open(gate).map_err(LabError::from).and_then(|host| stopped(&host)).unwrap_or_default();
    for c in outcome.iter().flat_map(|o| &o.live) {
        let now = match (c.retired, halted.contains(&c.strategy)) {
            (true, _) => "retired: nothing of it is live",
            (false, true) => "is live, and HALTED: nobody trades it until `assay resume`",
            (false, false) => "is live",
        };
        say(&format!("assay: {} v{} {now}", c.strategy, c.version));
    }
    Ok(())
}
