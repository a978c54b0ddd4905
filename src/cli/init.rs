//! `assay init`

use super::error::CliError;
use super::key::new_key;
use super::lab::{Config, Lab, Writer, environment};
use super::output::say;
use super::{Context, hook};
use assay_ledger::keys::cosign::Witness;
use assay_ledger::{Log, PublicKey};
use assay_production::promotion::Repo;
use assay_research::mirror::Mirror;
use assay_shared::event::{KeyAdded, LabCreated};
use assay_shared::policy::{Gates, Origin, PATH, Person, Policy, Thresholds, WitnessKey};
use std::path::{Path, PathBuf};

/// Create a lab: keys, ledger, mirror, git repositories and hooks
///
/// A lab belongs to one person; reviewers are named with their public keys. With at least one
/// reviewer the deploy repository is set up too, with a first policy that you should read and
/// tighten.
///
/// Example: assay init lab --person ana --reviewer ben=ben.pub
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder to create
    #[arg(default_value = "lab")]
    pub dir: PathBuf,
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
    /// Encrypt the new keys (asks for a passphrase, or reads ASSAY_PASSPHRASE)
    #[arg(long)]
    pub encrypt: bool,
    /// Allow results on generated data to be promoted (demonstrations only)
    #[arg(long, hide = true)]
    pub allow_generated: bool,
}

fn reviewer(text: &str) -> Result<(String, PublicKey), CliError> {
    let usage = |m: String| CliError::usage(m, "write --reviewer NAME=FILE with an OpenSSH public key file");
    let (name, file) = text.split_once('=').ok_or_else(|| usage(format!("'{text}' is not NAME=FILE")))?;
    let key = std::fs::read_to_string(file).map_err(CliError::io("read", Path::new(file)))?;
    Ok((name.into(), key.parse().map_err(|e| usage(format!("{file}: {e}")))?))
}

pub fn run(_: &Context, args: Args) -> Result<(), CliError> {
    let reviewers = args.reviewers.iter().map(|r| reviewer(r)).collect::<Result<Vec<_>, _>>()?;
    // Before anything is created: a lab that is half made would be in the way of the next try.
    for vkey in &args.witnesses {
        vkey.parse::<Witness>()
            .map_err(|e| CliError::usage(e.to_string(), "give the key that `assay witness` prints"))?;
    }
    let origin = args.origin.clone().unwrap_or_else(|| format!("assay.invalid/{}", args.person));
    if args.dir.join("assay.toml").exists() {
        return Err(CliError::usage(format!("{} is a lab already", args.dir.display()), "choose another folder"));
    }
    let lab = create(&args, &origin)?;
    say(&format!("lab {} created: ledger {origin}, keys, mirror, repositories", lab.dir.display()));
    if reviewers.is_empty() {
        say("no reviewer was named: set the gate up later with `assay hook install`");
        return Ok(());
    }
    let policy = first_policy(&lab, &args, &reviewers)?;
    let text = policy.to_toml();
    let repo = Repo::open(&lab.repo_path())?;
    let files = [
        (PATH.to_string(), text.clone().into_bytes()),
        ("configs/allowed_signers".into(), policy.allowed_signers().into_bytes()),
    ];
    repo.commit("main", &files.into_iter().collect(), &args.person, "policy: version 1")?;
    let live = args.live.clone().unwrap_or_else(|| format!("sqlite:{}", absolute(&lab.dir.join("live.sqlite"))));
    hook::install(&lab.deploy_path(), assay_ledger::Hash::of(text.as_bytes()), &live)?;
    repo.push(absolute(&lab.deploy_path()).as_ref(), &["refs/heads/main".into()])?;
    say(&format!("deploy repository with hooks; live table {live}"));
    Ok(())
}

/// An absolute path as text.
pub fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()).to_string_lossy().into_owned()
}

fn create(args: &Args, origin: &str) -> Result<Lab, CliError> {
    let dir = &args.dir;
    let keys = dir.join("keys");
    std::fs::create_dir_all(&keys).map_err(CliError::io("create", &keys))?;
    let signer = new_key(&keys.join(&args.person), &args.person, args.encrypt)?;
    let log_signer = new_key(&keys.join("log"), origin, args.encrypt)?;
    let config = Config {
        name: dir.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default(),
        origin: origin.into(),
        person: args.person.clone(),
        key: Path::new("keys").join(&args.person),
        log_key: "keys/log".into(),
    };
    let lab = Lab { dir: dir.clone(), config };
    let log = Log::create(&lab.ledger_dir(), origin, &log_signer)?;
    let mut writer = Writer::new(log, signer.clone(), log_signer.clone())?;
    writer.record_one(LabCreated {
        lab: lab.config.name.clone(),
        founder: args.person.clone(),
        key: signer.public().to_bytes(),
        log_key: log_signer.public().to_bytes(),
        engine_version: environment().engine_version,
    })?;
    writer.publish()?;
    Mirror::open(&lab.mirror_path())?.catch_up(&writer.log)?;
    Repo::init(&lab.repo_path(), true)?;
    lab.save()?;
    Ok(lab)
}

fn first_policy(lab: &Lab, args: &Args, reviewers: &[(String, PublicKey)]) -> Result<Policy, CliError> {
    let me = lab.signer()?.public();
    let mut people =
        vec![Person { name: args.person.clone(), roles: vec!["researcher".into(), "root".into()], keys: vec![me] }];
    people.extend(reviewers.iter().map(|(name, key)| Person {
        name: name.clone(),
        roles: vec!["reviewer".into()],
        keys: vec![*key],
    }));
    let policy = Policy {
        version: 1,
        name: format!("{} first policy", lab.config.name),
        thresholds: Thresholds { approvals: 1, policy: 1, witnesses: args.witnesses.len() as u32 },
        gates: Gates {
            min_trades: 30,
            max_leverage: 5.0,
            max_drawdown: 0.6,
            min_dsr: None,
            max_pbo: None,
            engine_versions: vec![environment().engine_version],
            max_evidence_age_days: 30,
            allow_generated: args.allow_generated,
        },
        people,
        origins: vec![Origin { vkey: lab.log()?.verifier().to_string() }],
        witnesses: args.witnesses.iter().map(|vkey| WitnessKey { vkey: vkey.clone() }).collect(),
    };
    Policy::parse(&policy.to_toml())
        .map_err(|e| CliError::usage(format!("the policy would be wrong: {e}"), "check names and keys"))
}

/// Adds a person's key to the ledger's roster.
pub fn add_member(writer: &mut Writer, person: &str, roles: &[String], key: &PublicKey) -> Result<(), CliError> {
    let event = KeyAdded { person: person.into(), roles: roles.to_vec(), key: key.to_bytes() };
    writer.record_one(event).map(|_| ())
}
