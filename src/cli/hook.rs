//! `assay hook`

use super::Context;
use super::error::CliError;
use super::init::absolute;
use super::output::say;
use super::reconcile::{self, DeployHost};
use assay_ledger::Hash;
use assay_production::gate::{self, GateError, Host, Update, pins::Settings};
use assay_production::promotion::Repo;
use assay_shared::policy::Policy;
use std::io::BufRead;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const PRE: &str = include_str!("../../hooks/pre-receive");
const POST: &str = include_str!("../../hooks/post-receive");

/// The hooks of a deploy repository
#[derive(Debug, clap::Subcommand)]
pub enum Args {
    /// Verify a push (run by git; reads `<old> <new> <ref>` lines)
    PreReceive {
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
    /// Example: assay hook install --repo deploy.git --policy policy.toml --live postgres:///trading
    Install {
        /// The bare repository; created if missing
        #[arg(long)]
        repo: PathBuf,
        /// The first policy, whose hash is pinned
        #[arg(long, required_unless_present = "genesis")]
        policy: Option<PathBuf>,
        /// Or its SHA-256
        #[arg(long)]
        genesis: Option<String>,
        /// Where the live table is: sqlite:FILE or postgres://…
        #[arg(long)]
        live: String,
    },
}

pub fn run(_: &Context, args: Args) -> Result<(), CliError> {
    match args {
        Args::PreReceive { gate } => pre_receive(&gate),
        Args::PostReceive { gate } => post_receive(&gate),
        Args::Install { repo, policy, genesis, live } => {
            let genesis = match (policy, genesis) {
                (Some(file), _) => {
                    let text = std::fs::read_to_string(&file).map_err(CliError::io("read", &file))?;
                    Policy::parse(&text)
                        .map_err(|e| CliError::usage(format!("{}: {e}", file.display()), "repair the policy"))?;
                    Hash::of(text.as_bytes())
                }
                (None, Some(hash)) => {
                    hash.parse().map_err(|e| CliError::usage(format!("{e}"), "give the SHA-256 of the first policy"))?
                }
                (None, None) => return Err(CliError::usage("neither --policy nor --genesis was given", "name one")),
            };
            install(&repo, genesis, &live)?;
            say(&format!("{} is a gate now; push the policy as the first commit of main", repo.display()));
            Ok(())
        }
    }
}

/// Makes a bare repository a gate.
pub fn install(path: &Path, genesis: Hash, live: &str) -> Result<(), CliError> {
    let repo = if path.join("HEAD").exists() { Repo::open(path)? } else { Repo::init(path, true)? };
    let base = absolute(path);
    let hooks = Path::new(&base).join("hooks");
    let gate = Path::new(&base).join("assay");
    std::fs::create_dir_all(&hooks).map_err(CliError::io("create", &hooks))?;
    let program = std::env::current_exe().map_err(CliError::io("find", Path::new("assay")))?;
    for (name, text) in [("pre-receive", PRE), ("post-receive", POST)] {
        let file = hooks.join(name);
        let text = text.replace("@ASSAY@", &program.to_string_lossy()).replace("@GATE@", &gate.to_string_lossy());
        std::fs::write(&file, text).map_err(CliError::io("write", &file))?;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755))
            .map_err(CliError::io("write", &file))?;
    }
    repo.configure(&[
        ("receive.denyNonFastForwards", "true"),
        ("receive.denyDeletes", "true"),
        ("receive.fsckObjects", "true"),
        ("receive.maxInputSize", "512m"),
        ("transfer.hideRefs", "refs/replace"),
        ("core.logAllRefUpdates", "always"),
        ("core.hooksPath", &hooks.to_string_lossy()),
        ("gc.auto", "0"),
    ])?;
    let settings = Settings { deploy_branch: "main".into(), genesis_policy_sha256: genesis, live: live.into() };
    let host = Host::create(&gate, &settings)?;
    DeployHost::create(&host)
}

fn updates() -> Result<Vec<Update>, CliError> {
    let bad =
        |line: &str| CliError::usage(format!("'{line}' is not '<old> <new> <ref>'"), "this command is run by git");
    let lines = std::io::stdin()
        .lock()
        .lines()
        .collect::<Result<Vec<_>, _>>()
        .map_err(CliError::io("read", Path::new("stdin")))?;
    lines.iter().map(|l| Update::parse(l).ok_or_else(|| bad(l))).collect()
}

fn pre_receive(gate_dir: &Path) -> Result<(), CliError> {
    let updates = updates()?;
    let host = Host::open(gate_dir)?;
    if std::env::var_os("GIT_DIR").is_none() {
        return Err(CliError::usage("GIT_DIR is not set", "this command is run by git"));
    }
    let repo = Repo::open_in_hook()?;
    match gate::judge(&repo, &updates, &host) {
        Ok(verdict) => {
            verdict.lines.iter().for_each(|l| say(&format!("assay: {l}")));
            Ok(())
        }
        Err(e) => {
            if let GateError::Refused(r) = &e {
                say(&format!("assay: refused [{}] {}", r.code, r.place));
            }
            Err(e.into())
        }
    }
}

/// The push has landed: a failure here is for the next run of the reconciler.
fn post_receive(gate_dir: &Path) -> Result<(), CliError> {
    let updates = updates()?;
    let host = Host::open(gate_dir)?;
    if !updates.iter().any(|u| u.reference == host.deploy_reference()) {
        return Ok(());
    }
    match reconcile::once(&host, true) {
        Ok(outcome) => {
            for d in &outcome.deployments {
                let p = &d.config.promotion;
                say(&format!("assay: {} v{} is live", p.strategy, p.version));
            }
        }
        Err(e) => say(&format!("assay: pending: {e}")),
    }
    Ok(())
}
