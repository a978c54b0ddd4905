//! A new lab: keys, ledger, mirror, repositories, and with reviewers a gate under a first policy.

use crate::environment::environment;
use crate::error::LabError;
use crate::folder::{Config, Lab, absolute};
use crate::install;
use crate::keys::{self, check_name, write_new};
use crate::place::private_dir;
use crate::session::Session;
use crate::writer::Writer;
use assay_ledger::audit::export::Export;
use assay_ledger::keys::cosign::Witness;
use assay_ledger::log::check_origin;
use assay_ledger::storage::disk::RealDisk;
use assay_ledger::{Hash, Log, PublicKey};
use assay_production::repository::Repo;
use assay_shared::event::{LabCreated, LogFollowed};
use assay_shared::policy::{Gates, Origin, PATH, Person, Policy, Role, SIGNERS_PATH, Thresholds, WitnessKey};
use std::path::{Path, PathBuf};

/// What a new lab is to be.
#[derive(Debug, Clone)]
pub struct NewLab {
    /// Folder to create.
    pub dir: PathBuf,
    /// Its owner, as the policy names them.
    pub person: String,
    /// The ledger's name.
    pub origin: String,
    /// Reviewers and their keys. Without any, no gate is set up.
    pub reviewers: Vec<(String, PublicKey)>,
    /// Verifier keys of the witnesses that promotions need.
    pub witnesses: Vec<String>,
    /// A deploy repository elsewhere, as git names it; none is made then.
    pub deploy: Option<String>,
    /// SHA-256 of its first policy, where it stands already.
    pub genesis: Option<Hash>,
    /// Where the live table is; a file in the lab when none is named.
    pub live: Option<String>,
    /// Encrypt the new keys.
    pub encrypt: bool,
    /// A log that this one goes on after: its folder or an export of it. Its last checkpoint is pinned.
    pub follows: Option<PathBuf>,
    /// Let results on generated data be promoted: for demonstrations.
    pub allow_generated: bool,
}

/// A lab that was created, and where its live table is if a gate was set up.
#[derive(Debug)]
pub struct Created {
    /// The lab.
    pub lab: Lab,
    /// Its live table.
    pub live: Option<String>,
}

/// Creates a lab.
///
/// # Errors
/// Names, keys or a place that will not do, before anything is created; a folder that cannot be
/// written.
pub fn create(new: &NewLab, session: &Session) -> Result<Created, LabError> {
    check(new)?;
    let follows = new.follows.as_deref().map(followed).transpose()?;
    // Asked before anything is held or made.
    let keys = new.dir.join("keys");
    let (own, log) = (keys.join(&new.person), keys.join("log"));
    let ask = |path: &Path| if new.encrypt { keys::ask(path, session).map(Some) } else { Ok(None) };
    let passphrases = [ask(&own)?, ask(&log)?];
    let _held = session.stop.hold();
    let lab = found(new, &passphrases, follows, session)?;
    set_up(new, lab, session)
}

/// Gives a lab that was made without reviewers what it lacks: a first policy, and a deploy repository here or elsewhere.
/// Its person, keys and ledger stay what they are.
///
/// # Errors
/// A lab that has a policy, or names that will not do, before anything is made; a folder that cannot be written.
pub fn add_gate(new: &NewLab, session: &Session) -> Result<Created, LabError> {
    let mut lab = Lab::open(&new.dir, session)?;
    // One that only names a repository elsewhere has no policy yet.
    let here = lab.deploy_path().symlink_metadata().is_ok();
    if here || lab.config.genesis.is_some() || lab.repo()?.tip("refs/heads/main").is_some() {
        let what = format!("{} is a lab already, with a policy", new.dir.display());
        return Err(LabError::usage(what, "people are changed in that policy: `assay guide promote`"));
    }
    let deploy = new.deploy.clone().or_else(|| lab.config.deploy.clone());
    let new = NewLab { person: lab.config.person.clone(), origin: lab.config.origin.clone(), deploy, ..new.clone() };
    gate_will_do(&new)?;
    let _held = session.stop.hold();
    if new.deploy.is_some() {
        lab.config.deploy.clone_from(&new.deploy);
        lab.save()?;
    }
    set_up(&new, lab, session)
}

/// The first policy, and the deploy repository.
fn set_up(new: &NewLab, lab: Lab, session: &Session) -> Result<Created, LabError> {
    if new.reviewers.is_empty() {
        return Ok(Created { lab, live: None });
    }
    let signer = lab.signer()?;
    let me = signer.public();
    let vkey = lab.log()?.verifier().to_string();
    let policy = first_policy(new, me, vec![Origin { vkey }])?;
    let text = policy.text();
    let repo = lab.signed_repo(Some(signer))?;
    let files =
        [(PATH.to_string(), text.clone().into_bytes()), (SIGNERS_PATH.into(), policy.allowed_signers().into_bytes())];
    repo.commit("main", &files.into_iter().collect(), &new.person, "policy: version 1")?;
    if new.deploy.is_some() {
        let mut lab = lab;
        lab.config.genesis = Some(Hash::of(text.as_bytes()));
        lab.save()?;
        let path = lab.dir.join("policy.toml");
        std::fs::write(&path, &text).map_err(LabError::io("write", &path))?;
        return Ok(Created { lab, live: None });
    }
    let live = new.live.clone().unwrap_or_else(|| format!("sqlite:{}", absolute(&lab.dir.join("live.sqlite"))));
    install::install(&lab.deploy_path(), Some(Hash::of(text.as_bytes())), Some(&live), false, session)?;
    repo.push(absolute(&lab.deploy_path()).as_ref(), &["refs/heads/main".into()])?;
    Ok(Created { lab, live: Some(live) })
}

/// Everything that can be wrong is found before anything is created: a lab that is half made would
/// be in the way of the next try.
fn check(new: &NewLab) -> Result<(), LabError> {
    check_name(&new.person)?;
    check_origin(&new.origin)
        .map_err(|e| LabError::usage(e.to_string(), "write it like a URL without https://, such as example.org/ana"))?;
    for vkey in &new.witnesses {
        vkey.parse::<Witness>()
            .map_err(|e| LabError::usage(e.to_string(), "give the key that `assay witness` prints"))?;
    }
    if new.dir.join("assay.toml").exists() {
        let hint = "choose another folder; with --reviewer, a lab that has no deploy repository gets one";
        return Err(LabError::usage(format!("{} is a lab already", new.dir.display()), hint));
    }
    // A link counts, wherever it leads.
    let stands = |name: &str| new.dir.join(name).symlink_metadata().is_ok();
    let made = ["assay.toml", "ledger", "keys", "mirror.sqlite", "live.sqlite", "repo.git", "deploy.git"];
    if let Some(clash) = made.into_iter().find(|name| stands(name)) {
        let what = format!("{} holds '{clash}' already, but no lab", new.dir.display());
        let hint = if stands("ledger") {
            "a ledger stands there: bring its assay.toml back from a backup, or choose another folder"
        } else {
            "choose another folder, or remove what an earlier attempt left there"
        };
        return Err(LabError::usage(what, hint));
    }
    gate_will_do(new)
}

/// The same of the policy and the live table.
fn gate_will_do(new: &NewLab) -> Result<(), LabError> {
    if let Some(live) = &new.live {
        assay_production::deploy::check_setting(live)?;
    }
    if new.reviewers.is_empty() {
        return Ok(());
    }
    assay_production::repository::can_push()?;
    // The policy as it will be, with a stand-in for the key that is not made yet.
    let stand_in = assay_ledger::Signer::generate()?.public();
    first_policy(new, stand_in, Vec::new()).map(|_| ())
}

fn found(
    new: &NewLab,
    passphrases: &[Option<String>; 2],
    follows: Option<LogFollowed>,
    session: &Session,
) -> Result<Lab, LabError> {
    let dir = &new.dir;
    let keys = dir.join("keys");
    private_dir(&keys)?;
    let signer = write_new(&keys.join(&new.person), &new.person, passphrases[0].as_deref())?;
    let log_signer = write_new(&keys.join("log"), &new.origin, passphrases[1].as_deref())?;
    let config = Config {
        name: dir.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default(),
        origin: new.origin.clone(),
        person: new.person.clone(),
        key: Path::new("keys").join(&new.person),
        log_key: "keys/log".into(),
        deploy: new.deploy.clone(),
        review: None,
        genesis: new.genesis,
        witness: None,
        witnesses: Vec::new(),
        snapshots: None,
    };
    let lab = Lab { dir: dir.clone(), config, session: session.clone() };
    let log = Log::create(&lab.ledger_dir(), &new.origin, &log_signer)?;
    let mut writer = Writer::new(log, signer.clone(), log_signer.clone(), session)?;
    writer.record_one(LabCreated {
        lab: lab.config.name.clone(),
        founder: new.person.clone(),
        key: signer.public().to_bytes(),
        log_key: log_signer.public().to_bytes(),
        engine_version: environment().engine_version,
    })?;
    if let Some(followed) = follows {
        writer.record_one(followed)?;
    }
    writer.publish()?;
    lab.refresh_mirror()?;
    Repo::init(&lab.repo_path(), true)?;
    lab.save()?;
    Ok(lab)
}

/// The last checkpoint of the log in a folder, which must verify by the key beside it.
fn followed(dir: &Path) -> Result<LogFollowed, LabError> {
    let export = Export::open(&RealDisk, dir, None)?;
    let c = export.checkpoint;
    Ok(LogFollowed { origin: c.origin, log_key: export.verifier.key.to_bytes(), size: c.size, root: c.root.0 })
}

fn first_policy(new: &NewLab, me: PublicKey, origins: Vec<Origin>) -> Result<Policy, LabError> {
    let founder = Person { name: new.person.clone(), roles: vec![Role::Researcher, Role::Root], keys: vec![me] };
    // Nobody goes live alone: the first reviewer is the second root person.
    let reviewer = |(at, (name, key)): (usize, &(String, PublicKey))| Person {
        name: name.clone(),
        roles: if at == 0 { vec![Role::Reviewer, Role::Root] } else { vec![Role::Reviewer] },
        keys: vec![*key],
    };
    let lab = new.dir.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let policy = Policy {
        format: assay_shared::format::policy::CURRENT,
        version: 1,
        name: format!("{lab} first policy"),
        single_person: false,
        thresholds: Thresholds {
            approvals: 1,
            policy: 2,
            witnesses: new.witnesses.len() as u32,
            reproductions: 1,
            reproductions_from_vendor: 0,
        },
        gates: Gates::usual(environment().engine_version, new.allow_generated),
        people: std::iter::once(founder).chain(new.reviewers.iter().enumerate().map(reviewer)).collect(),
        origins,
        witnesses: new.witnesses.iter().map(|vkey| WitnessKey { vkey: vkey.clone() }).collect(),
    };
    Policy::parse(&policy.text())
        .map_err(|e| LabError::usage(format!("the policy would be wrong: {e}"), "check names and keys"))
}
