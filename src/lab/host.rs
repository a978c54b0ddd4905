//! The deploy host: its hooks, its own log with its own keys, and the reconciler's turn.

use crate::environment::environment;
use crate::error::LabError;
use crate::folder::absolute;
use crate::history;
use crate::hooks;
use crate::lawful;
use crate::lost;
use crate::place::private_dir;
use crate::recover::from_branch;
use crate::session::{Notice, Session};
use crate::standing::follow;
use crate::writer::Writer;
use assay_ledger::keys::note::Verifier;
use assay_ledger::{Hash, Log, Signer};
use assay_production::deploy;
use assay_production::deploy::halts::Halt;
use assay_production::gate::{self, GateError, GateSettings, Host, Update, Verdict};
use assay_production::reconcile::{Found, Reconciled, reconcile};
use assay_production::repository::Repo;
use assay_production::repository::evidence::{commit_tiles, ledger_branch};
use assay_production::repository::git::is_zero;
use assay_shared::event::{Event, HaltSaid, LabCreated, PromotionDeployed};
use assay_shared::format::config::LiveConfig;
use std::cell::RefCell;
use std::collections::BTreeSet;
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

/// Opens the host's log for writing.
fn writer(host: &Host, session: &Session) -> Result<Writer, LabError> {
    let keys = host.dir().join("keys");
    let read = |name: &str| Signer::read(&keys.join(name), &|_: &Path| None);
    Writer::new(Log::open(&host.dir().join("ledger"))?, read("deploy")?, read("log")?, session)
}

/// Makes a gate's live table as the owner of its database, and gives roles their rights. Gives the place.
///
/// # Errors
/// A database that cannot be reached, is another deployment's, or whose owner that is not.
pub fn create_table(host: &Host, owner: Option<&str>, roles: &deploy::Roles) -> Result<String, LabError> {
    let setting = owner.unwrap_or(&host.settings.live);
    Ok(deploy::init(setting, &host.settings.genesis_policy_sha256.to_string(), roles)?)
}

/// The repository of a gate's folder.
///
/// # Errors
/// When there is none.
pub fn repo_of(host: &Host) -> Result<Repo, LabError> {
    let parent = host.dir().parent().unwrap_or(Path::new("."));
    Ok(Repo::open(parent)?)
}

/// What goes into the host's log, which is opened once for it.
struct Record<'a> {
    host: &'a Host,
    session: &'a Session,
    writer: Option<Writer>,
    unpublished: bool,
}

impl Record<'_> {
    fn add(&mut self, events: &[Event]) -> Result<(), LabError> {
        if events.is_empty() && !self.unpublished {
            return Ok(());
        }
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => none.insert(writer(self.host, self.session)?),
        };
        writer.record(events)?;
        writer.publish()?;
        self.unpublished = false;
        Ok(())
    }
}

/// Reconciles once and records what was done in the host's log. Without `write` it only compares,
/// and writes nothing anywhere.
///
/// # Errors
/// A deploy branch that does not verify, or a live table that cannot be reached.
pub fn reconcile_once(host: &Host, write: bool, session: &Session) -> Result<Reconciled, LabError> {
    let _held = session.stop.hold();
    let repo = owning(repo_of(host)?)?;
    let mut host = host.clone();
    host.looks = !write;
    let host = &host;
    let identity = host.settings.genesis_policy_sha256.to_string();
    let open = if write { deploy::open } else { deploy::look };
    let mut table = open(&host.settings.live, &identity)?;
    let now = assay_ledger::log::system_clock();
    let own = own_log(host)?;
    // What a run that was killed recorded is published by the next one.
    let unpublished = own.checkpoint()?.size < own.len();
    let record = RefCell::new(Record { host, session, writer: None, unpublished });
    let recorded = deployments(&own)?;
    let (missing, unreadable) = lost::versions(&recorded, &own, &repo, table.as_mut())?;
    unreadable.into_iter().for_each(|what| session.notice(&Notice::Ledger(what)));
    if write && !missing.is_empty() {
        // Before the table is brought in line: a version that goes live again keeps its first time.
        record
            .borrow_mut()
            .add(&missing.iter().map(|row| lost::drift(&lost::version(row), now)).collect::<Vec<_>>())?;
        table.put_past(&missing)?;
    }
    let mut found = |events: &[Event]| record.borrow_mut().add(events).map_err(|e| e.to_string());
    let found: Option<Found<'_>> = if write { Some(&mut found) } else { None };
    let recorded: Vec<PromotionDeployed> = recorded.into_iter().map(|(_, e)| e).collect();
    let (mut outcome, mut events) = reconcile(&repo, host, table.as_mut(), &recorded, now, found)?;
    // What was said stays said, whatever becomes of the table.
    let gone = lost::gone(&table.halts()?, &said_in(&own)?);
    outcome.changes.extend(missing.iter().map(lost::version));
    outcome.changes.extend(gone.iter().map(lost::change));
    let ended = lawful::ended(&repo, &outcome.commit, table.as_mut(), &said_in(&own)?)?;
    outcome.changes.extend(ended.iter().map(lawful::change));
    if write {
        if !gone.is_empty() {
            record
                .borrow_mut()
                .add(&gone.iter().map(|row| lost::drift(&lost::change(row), now)).collect::<Vec<_>>())?;
        }
        gone.iter().try_for_each(|row| table.put_halt(row))?;
        record.borrow_mut().add(&ended.iter().map(|e| lost::drift(&lawful::change(e), now)).collect::<Vec<_>>())?;
        // It is said anew: whoever is for going on is so after this.
        ended.iter().try_for_each(|(halt, _)| table.put_halt(&Halt { at_us: now as i64, ..halt.clone() }))?;
        events.extend(
            gone.iter()
                .map(lost::change)
                .chain(ended.iter().map(lawful::change))
                .chain(missing.iter().map(lost::version))
                .map(|c| lost::healed(&c, now)),
        );
        events.extend(table.halts()?.into_iter().map(said));
        let mut record = record.into_inner();
        record.add(&events)?;
        // Whoever has a clone has the host's log too, and would see it rewritten.
        commit_tiles(&repo, record.writer.as_ref().map_or(&own, |w| &w.log), "deploy")?;
    }
    Ok(outcome)
}

fn said(row: Halt) -> Event {
    let word = row.word.name().to_string();
    let Halt { strategy, at_us, person, statement, signature, .. } = row.recordable();
    HaltSaid { strategy, word, at_us, person, statement, signature }.into()
}

/// What the host's own log says was said in the table of halts, oldest first, each with when it was recorded,
/// microseconds since 1970.
///
/// # Errors
/// A log that cannot be read.
pub fn halts_said(host: &Host) -> Result<Vec<(u64, Halt)>, LabError> {
    said_in(&own_log(host)?)
}

fn said_in(log: &Log) -> Result<Vec<(u64, Halt)>, LabError> {
    let mut out = Vec::new();
    for seq in log.newest_of("HaltSaid", 0..log.len(), usize::MAX)? {
        let entry = log.entry(seq)?;
        if let Event::HaltSaid(said) = Event::of(&entry)? {
            out.push((entry.time_us, lawful::halt_of(said)));
        }
    }
    out.reverse();
    Ok(out)
}

/// The host's log, of which everything is verified: a run that was killed left entries that nobody vouches for yet.
fn own_log(host: &Host) -> Result<Log, LabError> {
    let mut log = Log::open(&host.dir().join("ledger"))?;
    if log.vouched() < log.len() {
        follow(&mut log)?;
    }
    Ok(log)
}

/// What the host's own log says was deployed.
///
/// # Errors
/// A log that cannot be read.
pub fn deployed(host: &Host) -> Result<Vec<PromotionDeployed>, LabError> {
    Ok(deployments(&own_log(host)?)?.into_iter().map(|(_, e)| e).collect())
}

/// The same, newest first, with when it was recorded, microseconds since 1970.
fn deployments(log: &Log) -> Result<Vec<(u64, PromotionDeployed)>, LabError> {
    let mut out = Vec::new();
    for seq in log.newest_of("PromotionDeployed", 0..log.len(), usize::MAX)? {
        let entry = log.entry(seq)?;
        if let Event::PromotionDeployed(e) = Event::of(&entry)? {
            out.push((entry.time_us, e));
        }
    }
    Ok(out)
}

/// A repository that holds its own objects.
fn owning(repo: Repo) -> Result<Repo, LabError> {
    match repo.borrows() {
        None => Ok(repo),
        Some(path) => Err(GateError::Host {
            what: format!("{} lets the repository borrow objects that others hold: repack it without", path.display()),
        }
        .into()),
    }
}

/// What the hook answers to a push.
///
/// # Errors
/// The first refusal, or why the question could not be answered: then nothing is accepted.
pub fn pre_receive(gate_dir: &Path, updates: &[Update], session: &Session) -> Result<Verdict, LabError> {
    let host = Host::open(gate_dir)?;
    // Before the branch moves: what goes live must be recorded in the host's log as it stands.
    history::refuse_behind(&Log::open(&host.dir().join("ledger"))?, session)?;
    if std::env::var_os("GIT_DIR").is_none() {
        return Err(LabError::usage("GIT_DIR is not set", "this command is run by git"));
    }
    let repo = owning(Repo::open_in_hook()?)?;
    let verdict = gate::judge(&repo, updates, &host)?;
    verdict.relied.iter().try_for_each(|(head, logs)| host.rely(head, logs))?;
    Ok(verdict)
}

/// What the hook answers when references are about to move: git may have refused a part of what was verified.
///
/// # Errors
/// A log that the deploy branch was verified with and that does not stand.
pub fn reference_transaction(gate_dir: &Path, updates: &[Update]) -> Result<(), LabError> {
    let host = Host::open(gate_dir)?;
    Ok(gate::moving(&repo_of(&host)?, updates, &host)?)
}

/// The push has landed: brings the live table in line if the deploy branch moved, and gives what was done, of the
/// configs in force those that came with the push. A failure here is for the next run of the reconciler: it is said, and
/// is no error.
///
/// # Errors
/// A gate's folder that cannot be read.
pub fn post_receive(gate_dir: &Path, updates: &[Update], session: &Session) -> Result<Option<Reconciled>, LabError> {
    let host = Host::open(gate_dir)?;
    let deploy = host.deploy_reference();
    let Some(moved) = updates.iter().find(|u| u.reference == deploy) else { return Ok(None) };
    host.relied_done(&moved.new);
    match reconcile_once(&host, true, session) {
        Ok(mut outcome) => {
            let came = brought(&repo_of(&host)?, moved)?;
            outcome.live.retain(|c| came.contains(&LiveConfig::path(&c.strategy)));
            Ok(Some(outcome))
        }
        Err(e) => {
            session.notice(&Notice::Pending(e.to_string()));
            Ok(None)
        }
    }
}

/// The files that a push of the deploy branch brought or changed.
fn brought(repo: &Repo, moved: &Update) -> Result<BTreeSet<String>, LabError> {
    if is_zero(&moved.old) {
        return Ok(BTreeSet::new());
    }
    Ok(repo.changes(&moved.old, &moved.new)?.into_iter().map(|c| c.path).collect())
}
