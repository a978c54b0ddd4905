//! `assay reconcile`

use super::Context;
use super::error::CliError;
use super::lab::{Writer, environment};
use super::output::{print, print_json, say, table};
use assay_ledger::{Log, Signer};
use assay_production::deploy::open;
use assay_production::gate::Host;
use assay_production::promotion::Repo;
use assay_production::reconcile::{Outcome, reconcile};
use assay_shared::event::LabCreated;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Bring the live table in line with the deploy branch; find and heal drift
///
/// Everything is verified again first. Safe to run twice, late or from a timer.
///
/// Example: assay reconcile --gate deploy.git/assay
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The gate's folder [default: the lab's]
    #[arg(long)]
    gate: Option<PathBuf>,
    /// Only compare; change nothing
    #[arg(long)]
    check: bool,
    /// Replay every log from its first entry
    #[arg(long)]
    full: bool,
}

/// The deploy host's own log, with its own keys.
pub struct DeployHost;

impl DeployHost {
    /// Makes the host's keys and log.
    pub fn create(host: &Host) -> Result<(), CliError> {
        let keys = host.dir().join("keys");
        std::fs::create_dir_all(&keys).map_err(CliError::io("create", &keys))?;
        if keys.join("deploy").exists() {
            return Ok(());
        }
        let (signer, log_signer) = (Signer::generate()?, Signer::generate()?);
        signer.write(&keys.join("deploy"), "deploy", None)?;
        log_signer.write(&keys.join("log"), "deploy log", None)?;
        let origin = format!("assay.invalid/deploy/{}", host.settings.genesis_policy_sha256.short());
        let log = Log::create(&host.dir().join("ledger"), &origin, &log_signer)?;
        let created = LabCreated {
            lab: "deploy".into(),
            founder: "deploy".into(),
            key: signer.public().to_bytes(),
            log_key: log_signer.public().to_bytes(),
            engine_version: environment().engine_version,
        };
        let mut writer = Writer::new(log, signer, log_signer)?;
        writer.record_one(created)?;
        writer.publish().map(|_| ())
    }

    /// Opens the host's log for writing.
    pub fn writer(host: &Host) -> Result<Writer, CliError> {
        let keys = host.dir().join("keys");
        let read = |name: &str| Signer::read(&keys.join(name), &|_: &Path| None);
        Writer::new(Log::open(&host.dir().join("ledger"))?, read("deploy")?, read("log")?)
    }
}

/// The repository of a gate's folder.
pub fn repo_of(host: &Host) -> Result<Repo, CliError> {
    let parent = host.dir().parent().unwrap_or(Path::new("."));
    Ok(Repo::open(parent)?)
}

/// Reconciles once and records what was done in the host's log.
pub fn once(host: &Host, write: bool) -> Result<Outcome, CliError> {
    let repo = repo_of(host)?;
    let identity = host.settings.genesis_policy_sha256.to_string();
    let mut table = open(&host.settings.live, &identity)?;
    let now = assay_ledger::log::system_clock();
    let (outcome, events) = reconcile(&repo, host, table.as_mut(), now, write)?;
    if !events.is_empty() {
        let mut writer = DeployHost::writer(host)?;
        writer.record(&events)?;
        writer.publish()?;
    }
    Ok(outcome)
}

pub fn run(cx: &Context, args: Args) -> Result<(), CliError> {
    let gate = match args.gate {
        Some(dir) => dir,
        None => cx.lab()?.gate_dir(),
    };
    let mut host = Host::open(&gate)?;
    host.full = args.full;
    let outcome = once(&host, !args.check)?;
    let drift = outcome.changes.iter().any(|c| c.is_drift());
    if cx.json {
        let rows: Vec<_> = outcome
            .deployments
            .iter()
            .map(|d| json!({"strategy": d.config.promotion.strategy, "version": d.config.promotion.version, "status": outcome.status(&d.config.promotion.strategy)}))
            .collect();
        print_json(
            &json!({"commit": outcome.commit, "strategies": rows, "changes": outcome.changes, "written": !args.check}),
        );
    } else {
        let row = |d: &assay_production::gate::Deployment| {
            let p = &d.config.promotion;
            vec![
                p.strategy.clone(),
                p.version.to_string(),
                format!("{:?}", outcome.status(&p.strategy)),
                d.approvers.join(","),
            ]
        };
        print(&table(
            &["strategy", "version", "status", "approved by"],
            &outcome.deployments.iter().map(row).collect::<Vec<_>>(),
        ));
        for change in &outcome.changes {
            say(&json!(change).to_string());
        }
    }
    if args.check && drift {
        return Err(CliError::Verification(
            "the live table was changed behind git's back; `assay reconcile` heals it".into(),
        ));
    }
    Ok(())
}
