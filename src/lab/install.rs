//! A bare repository made a gate: hooks, settings, root of trust, keys and log of its host.

use crate::environment::environment;
use crate::error::LabError;
use crate::folder::absolute;
use crate::hooks;
use crate::host::record_halts;
use crate::place::private_dir;
use crate::recover::from_branch;
use crate::session::{Notice, Session};
use crate::table;
use crate::writer::Writer;
use assay_ledger::keys::note::Verifier;
use assay_ledger::{Hash, Log, Signer};
use assay_production::deploy;
use assay_production::gate::{GateSettings, Host};
use assay_production::repository::Repo;
use assay_production::repository::evidence::ledger_branch;
use assay_shared::event::LabCreated;
use assay_shared::policy::PATH;
use std::path::Path;

/// Makes a bare repository a gate, creating it if there is none: hooks, settings, root of trust.
/// What is not given stays as it was set up before.
///
/// # Errors
/// Settings that are neither given nor there, a live table's address that is none, or a place that
/// cannot be written.
pub fn install(
    path: &Path,
    genesis: Option<Hash>,
    live: Option<&str>,
    force: bool,
    session: &Session,
) -> Result<GateSettings, LabError> {
    // The hooks run elsewhere than whoever names the file stands now.
    let live = live.map(|live| match live.strip_prefix("sqlite:").filter(|file| !file.is_empty()) {
        Some(file) => format!("sqlite:{}", absolute(Path::new(file))),
        None => live.to_string(),
    });
    let live = live.as_deref();
    let settings = settings(&path.join("assay"), genesis, live, force)?;
    deploy::check_setting(&settings.live)?;
    if live.is_none() {
        still_ours(path, &settings.live)?;
    }
    let _held = session.stop.hold();
    let empty = std::fs::read_dir(path).map_or(true, |mut items| items.next().is_none());
    if !empty && !path.join("HEAD").exists() {
        return Err(LabError::usage(
            format!("{} is neither empty nor a bare repository", path.display()),
            "name a bare repository (`git clone --bare`), or a new folder",
        ));
    }
    let repo = if empty { Repo::init(path, true)? } else { Repo::open(path)? };
    let base = absolute(path);
    let gate = Path::new(&base).join("assay");
    let deploy = format!("refs/heads/{}", settings.deploy_branch);
    began_with(&repo, &deploy, settings.genesis_policy_sha256)?;
    halts_stay(&gate, &settings, force, session)?;
    let hooks = hooks::write(path, &gate, &deploy, force)?;
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
    let host = Host::create(&gate, &settings)?;
    create_log(&host, &repo, session)?;
    Ok(settings)
}

/// Before another table takes a table's place: what was halted there is recorded, so that it is halted in the new one.
fn halts_stay(gate: &Path, settings: &GateSettings, force: bool, session: &Session) -> Result<(), LabError> {
    let old = match Host::open(gate) {
        Ok(old) if old.settings.live != settings.live && gate.join("ledger/log.vkey").exists() => old,
        _ => return Ok(()),
    };
    match record_halts(&old, session) {
        Ok(0) => Ok(()),
        Ok(n) => {
            let halts = if n == 1 { "1 halt is".to_string() } else { format!("{n} halts are") };
            let what = format!(
                "{halts} in force: the next `assay reconcile` says so in the new table, before anything is live there"
            );
            session.notice(&Notice::Pending(what));
            Ok(())
        }
        Err(_) if force || is_the_same(&old, settings) => Ok(()),
        Err(e) => Err(LabError::CouldNot {
            message: format!("what is halted in the table that was here cannot be read, and would be lost: {e}"),
            hint: Some(
                "make that table readable first; or, where it is lost, --force, and halt again what was halted".into(),
            ),
        }),
    }
}

/// Whether the new place is the old table, moved: it has versions of this deployment.
fn is_the_same(old: &Host, settings: &GateSettings) -> bool {
    let mut moved = old.clone();
    moved.settings = settings.clone();
    table::look(&moved).and_then(|mut table| Ok(table.versions()?)).is_ok_and(|versions| versions > 0)
}

/// Refuses a first policy that is not the one which the branch began with.
fn began_with(repo: &Repo, deploy: &str, root: Hash) -> Result<(), LabError> {
    let Some(mut first) = repo.tip(deploy) else { return Ok(()) };
    while let Some(before) = repo.parent(&first)? {
        first = before;
    }
    let began = repo.file(&first, PATH)?.map(|text| Hash::of(&text));
    match began {
        Some(began) if began != root => {
            let what = format!("the first policy of {deploy} is {began}, and {root} was given");
            let hint = format!("give the first one, not the newest: `git show {first}:{PATH}`");
            Err(LabError::usage(what, hint))
        }
        _ => Ok(()),
    }
}

/// Refuses a live table that was named where this repository stood before: a copy of a lab would deploy into
/// the original's.
fn still_ours(repo: &Path, live: &str) -> Result<(), LabError> {
    let Some(file) = live.strip_prefix("sqlite:").map(Path::new).filter(|f| f.is_absolute()) else { return Ok(()) };
    let hint = "name the one that is meant with --live sqlite:FILE or postgres://…";
    let folder = |p: &Path| p.parent().and_then(|dir| dir.canonicalize().ok());
    let Some(theirs) = folder(file) else {
        let message = format!("the folder of this gate's live table {} is gone", file.display());
        return Err(LabError::usage(message, hint));
    };
    let here = std::path::absolute(repo).ok().and_then(|p| folder(&p));
    if theirs.join("assay.toml").exists() && here.is_some_and(|here| here != theirs) {
        let message = format!("this gate's live table {} belongs to the lab in {}", file.display(), theirs.display());
        return Err(LabError::usage(message, hint));
    }
    Ok(())
}

/// A gate's settings: those given, else those that stand.
fn settings(gate: &Path, genesis: Option<Hash>, live: Option<&str>, force: bool) -> Result<GateSettings, LabError> {
    let mut settings = match (genesis, live) {
        _ if gate.join("gate.toml").exists() => Host::open(gate)?.settings,
        (Some(root), Some(live)) => {
            return Ok(GateSettings { deploy_branch: "main".into(), genesis_policy_sha256: root, live: live.into() });
        }
        (None, _) => return Err(LabError::usage("a new gate needs its first policy", "name it with --policy")),
        (_, None) => return Err(LabError::usage("a new gate needs a live table", "name it with --live")),
    };
    let root = genesis.unwrap_or(settings.genesis_policy_sha256);
    if root != settings.genesis_policy_sha256 && !force {
        let what = format!("this gate's root of trust is the policy {}, not {root}", settings.genesis_policy_sha256);
        return Err(LabError::usage(what, "replace it with --force, if you mean to found it anew"));
    }
    settings.genesis_policy_sha256 = root;
    settings.live = live.map_or(settings.live, str::to_string);
    Ok(settings)
}

/// Makes the host's keys and log. Where the keys of a host that is gone were put, its log goes on, from its branch in the
/// repository.
fn create_log(host: &Host, repo: &Repo, session: &Session) -> Result<(), LabError> {
    let (keys, ledger) = (host.dir().join("keys"), host.dir().join("ledger"));
    private_dir(&keys)?;
    let branch = ledger_branch(&host.origin());
    let before = repo.tip(&format!("refs/heads/{branch}")).is_some();
    if keys.join("deploy").exists() {
        if before && !ledger.join("log.vkey").exists() {
            let signer = Signer::read(&keys.join("log"), &|_: &Path| None)?;
            from_branch(&ledger, &repo.dir(), Verifier::new(&host.origin(), signer.public())?)?;
        }
        return Ok(());
    }
    if before {
        let what = "the repository has the log of a host whose keys are not here: where this is to take its place, put that \
                    host's assay/keys into the gate's folder first";
        session.notice(&Notice::Ledger(what.into()));
    }
    let (signer, log_signer) = (Signer::generate()?, Signer::generate()?);
    signer.write(&keys.join("deploy"), "deploy", None)?;
    log_signer.write(&keys.join("log"), "deploy log", None)?;
    let log = Log::create(&host.dir().join("ledger"), &host.origin(), &log_signer)?;
    let created = LabCreated {
        lab: "deploy".into(),
        founder: "deploy".into(),
        key: signer.public().to_bytes(),
        log_key: log_signer.public().to_bytes(),
        engine_version: environment().engine_version,
    };
    let mut writer = Writer::new(log, signer, log_signer, session)?;
    writer.record_one(created)?;
    writer.publish().map(|_| ())
}
