//! A proposal reproduced by somebody else: the promoted trial on both engines, and its study, run again and compared.

use crate::differs::same;
use crate::error::LabError;
use crate::folder::Lab;
use crate::obtain::{From, obtain};
use crate::proposal::policy;
use crate::review::{Proposal, deployed, read};
use crate::session::Progress;
use crate::study::{Opened, Seed, ends_again, later_again};
use crate::vendor;
use assay_ledger::format::hash::unhex;
use assay_ledger::keys::sshsig;
use assay_ledger::{Hash, Signer};
use assay_production::engine::{Anchors, replay};
use assay_production::feed::Recorded;
use assay_production::gate;
use assay_production::repository::Repo;
use assay_research::study::{StudyProgress, again, run};
use assay_shared::RESULTS;
use assay_shared::account::Run;
use assay_shared::account::record::Recorder;
use assay_shared::event::Event;
use assay_shared::event::study::Ended::Completed;
use assay_shared::format::config::{LiveConfig, REPRODUCTION_NAMESPACE, REPRODUCTIONS, Versions};
use assay_shared::format::reproduction::{Origin, Reproduction};
use assay_shared::policy::Role;
use assay_shared::recount::Case;
use assay_shared::strategy::{Params, Strategy};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

/// Trials that a thread runs before the time is looked at.
const AT_A_TIME: usize = 4;

/// How a proposal is to be reproduced.
#[derive(Debug, Clone, Copy)]
pub struct How<'a> {
    /// Its branch; or, where nothing is to be signed, a strategy that is live.
    pub branch: &'a str,
    /// The reproducer's private key; none where nothing is to be signed.
    pub key: Option<&'a Path>,
    /// Run so many trials of the study again, drawn at random, instead of all.
    pub sample: Option<u32>,
    /// Run as many as this time allows, drawn at random.
    pub budget: Option<Duration>,
    /// Where the data come from, when they are not in the lab.
    pub from: From<'a>,
    /// Threads.
    pub threads: usize,
}

/// What was reproduced.
#[derive(Debug, Clone)]
pub struct Reproduced {
    /// By whom; none where nothing was signed.
    pub person: Option<String>,
    /// What was signed, or would have been.
    pub statement: Reproduction,
}

/// Runs a proposal's trial and its study again, compares every figure and stream with what was recorded, signs what
/// was found, and commits it to the branch.
///
/// # Errors
/// A key of nobody who may, data that are not here, and the first difference.
pub fn reproduce(lab: &Lab, how: &How<'_>) -> Result<Reproduced, LabError> {
    let repo = lab.repo()?;
    let proposal = match how.key {
        None if repo.tip(&format!("refs/heads/{}", how.branch)).is_none() => deployed(&repo, how.branch)?,
        _ => read(&repo, how.branch)?,
    };
    let signed = how.key.map(|key| who(lab, &repo, &proposal, key)).transpose()?;
    let (case, now) = recorded(&repo, &proposal)?;
    obtain(lab, &case, &how.from)?;
    let opened = opened(lab, &case)?;
    as_proposed(&case, &proposal.config, &opened.anchors())?;
    as_registered(lab, &case)?;
    let (evaluator, threads) = (opened.evaluator()?, how.threads);
    let no_threads = |e| LabError::could_not(format!("cannot start threads: {e}"));
    let pool = assay_research::thread_pool(threads).map_err(no_threads)?;
    let all = opened.study.trials;
    let most = how.sample.unwrap_or(all).min(all);
    let (ran, chosen) = if most == all && how.budget.is_none() {
        (whole(lab, &pool, &evaluator, &case, opened.id)?, None)
    } else {
        let mut chosen = sample(&case, most, proposal.config.promotion.trial_id)?;
        let ran = drawn(lab, (&pool, threads), &evaluator, (&case, opened.id), &chosen, how.budget)?;
        chosen.truncate(ran as usize);
        (ran, Some(chosen))
    };
    ends_again(lab, &pool, &evaluator, &now, chosen.as_deref())?;
    let nobody = Signer::generate()?;
    let signer = signed.as_ref().map_or(&nobody, |(_, signer)| signer);
    let (stream, keyed) = both_engines(&opened, &proposal, signer)?;
    later_again(lab, &opened, &now, proposal.config.promotion.trial_id)?;
    let p = &proposal.config.promotion;
    let environment = crate::environment::environment();
    let statement = Reproduction {
        strategy: p.strategy.clone(),
        version: p.version,
        config: proposal.sha256,
        data: p.data_hash,
        origin: origin(lab, (&p.data_hash, &p.rulebook_hash), &p.author)?,
        study: p.study_id.clone(),
        trial: p.trial_id,
        ran,
        trials: opened.study.trials,
        results: RESULTS,
        stream,
        keyed,
        engine: format!("{} {} {}", environment.engine_version, environment.source_commit, environment.target),
    };
    let Some((person, signer)) = signed else { return Ok(Reproduced { person: None, statement }) };
    let text = statement.text();
    let signature = sshsig::sign(&signer, REPRODUCTION_NAMESPACE, text.as_bytes())?;
    let base = format!("{}/{REPRODUCTIONS}/{person}", proposal.dir);
    larger(&repo, how.branch, &format!("{base}.txt"), &statement)?;
    let files = [(format!("{base}.txt"), text.into_bytes()), (format!("{base}.sig"), signature.into_bytes())];
    let _held = lab.session.stop.hold();
    let repo = lab.signed_repo(Some(signer))?;
    repo.commit(how.branch, &files.into_iter().collect(), &person, &format!("reproduce {}", how.branch))?;
    Ok(Reproduced { person: Some(person), statement })
}

/// A smaller reproduction never takes the place of a larger one of the same config by the same person.
fn larger(repo: &Repo, branch: &str, path: &str, new: &Reproduction) -> Result<(), LabError> {
    let tip = repo.tip(&format!("refs/heads/{branch}"));
    let stands = tip.map(|tip| repo.file(&tip, path)).transpose()?.flatten();
    let stands = stands.and_then(|text| Reproduction::parse(&text).ok()).filter(|old| old.config == new.config);
    match stands.filter(|old| old.ran > new.ran) {
        None => Ok(()),
        Some(old) => Err(LabError::usage(
            format!("a reproduction of {} trials by you stands there, and this one ran {}", old.ran, new.ran),
            "nothing was changed: the larger one stays",
        )),
    }
}

fn stopped() -> LabError {
    LabError::Stopped("nothing was signed".into())
}

/// Whose key it is: anybody of the policy but the author.
fn who(lab: &Lab, repo: &Repo, proposal: &Proposal, key: &Path) -> Result<(String, Signer), LabError> {
    let signer = Signer::read(key, &|path| lab.session.observer.passphrase(path))?;
    let (policy, _) = policy(repo)?;
    let public = signer.public();
    let person = policy.person(&public, Role::Reviewer).or_else(|| policy.person(&public, Role::Researcher));
    let stranger =
        || LabError::Refused(format!("the key {} belongs to no reviewer or researcher of the policy", public.id()));
    let person = person.ok_or_else(stranger)?;
    if person.name == proposal.config.promotion.author {
        return Err(LabError::Refused("an author's own reproduction does not count".into()));
    }
    Ok((person.name.clone(), signer))
}

/// The study as it stands in the log that the proposal names, computed again: as it was proposed, and as it is now.
fn recorded(repo: &Repo, proposal: &Proposal) -> Result<(Case, Case), LabError> {
    let p = &proposal.config.promotion;
    let none = || LabError::Verification("the proposal names no log that the repository has".into());
    let reference = proposal.config.ledger.as_ref().ok_or_else(none)?;
    let logs = gate::logs(repo, &policy(repo)?.0)?;
    let log = logs.get(&reference.origin).ok_or_else(none)?;
    if log.root_at(reference.size) != Some(reference.root) {
        return Err(LabError::Verification("the proposal's checkpoint is not of its log".into()));
    }
    let id = unhex(&p.study_id).and_then(|raw| raw.try_into().ok());
    let id = id.ok_or_else(none)?;
    let case = gate::case(log, reference.size, id)?;
    if case.fact.environment.results != Some(RESULTS) {
        let what = format!("the study has results of another version than {RESULTS}, which this build computes");
        return Err(LabError::usage(what, "reproduce it with a build of its version"));
    }
    let now = if log.len() == reference.size { case.clone() } else { gate::case(log, log.len(), id)? };
    Ok((case, now))
}

/// The study with this lab's own data and rule book, which are found by their hashes.
fn opened(lab: &Lab, case: &Case) -> Result<Opened, LabError> {
    let data = Hash(case.fact.data_hash).to_string();
    let missing = |what: &str, hash: &str, e: &LabError| {
        LabError::usage(
            format!("the {what} {} of the proposal cannot be read here: {e}", &hash[..12]),
            "import the same files (--data DIR), name the proposer's snapshot (--snapshot FILE), or their store: `snapshots` in assay.toml",
        )
    };
    let (data_hash, market) =
        crate::study::prices(lab, &data, &case.strategy).map_err(|e| missing("data", &data, &e))?;
    let hash = Hash(case.fact.rulebook_hash).to_string();
    let book = lab.rulebook(&hash).map_err(|e| missing("rule book", &hash, &e))?;
    let (strategy, study) = (case.strategy.clone(), case.study.clone());
    let environment = case.fact.environment.clone();
    let seed = case.seeded.clone().map_or(Seed::Named, Seed::Witnessed);
    Ok(Opened { id: case.fact.study_id, strategy, study, market, data_hash, book, environment, seed })
}

/// That the config is of the very study and trial that are run again.
fn as_proposed(case: &Case, config: &LiveConfig, anchors: &BTreeMap<String, String>) -> Result<(), LabError> {
    let p = &config.promotion;
    let trial = case.trials.iter().find(|(_, t)| t.number == p.trial_id);
    let ledger = config.ledger.as_ref();
    let strategy = Strategy::recorded(&config.strategy_text).map(|s| s.hash());
    let checks = [
        ("the opening", ledger.is_some_and(|l| l.study.seq == case.seq)),
        ("the trial", ledger.zip(trial).is_some_and(|(l, (seq, _))| l.trial.seq == *seq)),
        ("the parameters", trial.is_some_and(|(_, t)| t.params == config.parameters)),
        ("the strategy", strategy.is_ok_and(|hash| hash.0 == case.fact.strategy_hash && hash == p.strategy_hash)),
        ("the first bars", config.anchors == *anchors),
        ("the assumptions", case.study.assumptions == config.assumptions),
        ("the data", p.data_hash.0 == case.fact.data_hash && p.generated_data == case.fact.generated),
        ("the rule book", p.rulebook_hash.0 == case.fact.rulebook_hash),
        ("the versions", config.environment == Versions::from(&case.fact.environment)),
    ];
    match checks.iter().find(|(_, same)| !same) {
        None => Ok(()),
        Some((what, _)) => {
            Err(LabError::Verification(format!("not reproduced: {what} of the config are not the study's")))
        }
    }
}

/// That the data are what their registration says: it decides beside which trials a study counts.
fn as_registered(lab: &Lab, case: &Case) -> Result<(), LabError> {
    let said = &case.snapshot;
    let (_, market) = lab.snapshot(&Hash(case.fact.data_hash).to_string(), None)?;
    let sorted = |symbols: &[String]| symbols.iter().cloned().collect::<BTreeSet<_>>();
    let (first, last) = (market.times.first().copied(), market.times.last().copied());
    let checks = [
        ("symbols", sorted(&said.symbols) == sorted(&market.symbols)),
        ("interval", said.interval_ms == market.interval_ms),
        ("first and last bar", Some(said.first_ms) == first && Some(said.last_ms) == last),
        ("number of bars", said.bars == market.len() as u64),
        ("being generated", said.generated == market.generated),
    ];
    match checks.iter().find(|(_, same)| !same) {
        None => Ok(()),
        Some((what, _)) => {
            let what = format!("not reproduced: the data's {what} are not what their registration says");
            Err(LabError::Verification(what))
        }
    }
}

/// The whole study, asked and evaluated as it was.
fn whole(
    lab: &Lab,
    pool: &assay_research::ThreadPool,
    evaluator: &assay_research::study::Evaluator<'_>,
    case: &Case,
    id: [u8; 16],
) -> Result<u32, LabError> {
    let session = &lab.session;
    let (mut finished, mut ran) = (Vec::new(), 0);
    let _watched = session.stop.watch();
    let tell = |events: Vec<Event>| -> Result<(), LabError> {
        ran += events.len() as u32;
        events.iter().try_for_each(|event| same(case, event))
    };
    let told = run(
        pool,
        evaluator,
        id,
        &mut finished,
        tell,
        |p: &StudyProgress| session.progress(&Progress::Trials(p)),
        || session.stop.requested(),
    );
    session.progress(&Progress::Ended);
    told?;
    if (ran as usize) < case.trials.len() {
        return Err(stopped());
    }
    Ok(ran)
}

/// The promoted trial, and others that nobody can know before, in an order that nobody can.
fn sample(case: &Case, n: u32, promoted: u32) -> Result<Vec<u32>, LabError> {
    let all = case.trials.len() as u32;
    // What nobody chose: a new key.
    let key = Hash::of(&Signer::generate()?.public().to_bytes());
    let place = |number: u32| Hash::of(&[&key.0[..], &number.to_be_bytes()].concat());
    let mut others: Vec<u32> = (0..all).filter(|number| *number != promoted).collect();
    others.sort_by_cached_key(|number| place(*number).0);
    others.truncate(n.clamp(1, all) as usize - 1);
    Ok([promoted].into_iter().chain(others).collect())
}

/// Trials one after another, as far as the time goes. Gives how many.
fn drawn(
    lab: &Lab,
    (pool, threads): (&assay_research::ThreadPool, usize),
    evaluator: &assay_research::study::Evaluator<'_>,
    (case, id): (&Case, [u8; 16]),
    chosen: &[u32],
    budget: Option<Duration>,
) -> Result<u32, LabError> {
    let (start, mut ran) = (Instant::now(), 0);
    let stop = || lab.session.stop.requested();
    let _watched = lab.session.stop.watch();
    for some in chosen.chunks(threads * AT_A_TIME) {
        let events = again(pool, evaluator, id, &case.finished, some, stop).ok_or_else(stopped)?;
        events.iter().try_for_each(|event| same(case, event))?;
        ran += some.len() as u32;
        if budget.is_some_and(|budget| start.elapsed() >= budget) {
            break;
        }
    }
    Ok(ran)
}

/// The promoted trial's stream by both engines, and the hash of it that is the reproducer's alone.
fn both_engines(opened: &Opened, proposal: &Proposal, signer: &Signer) -> Result<(Hash, Hash), LabError> {
    let config = &proposal.config;
    let research = streams(opened, &config.parameters, &config.anchors, (config.promotion.stream_hash, "config"))?;
    Ok((research.stream_hash, Recorder::hash_with(&signer.public().to_bytes(), &research.records)))
}

/// A trial run by both engines, which must give the stream that somebody says.
fn streams(
    opened: &Opened,
    params: &Params,
    said: &BTreeMap<String, String>,
    (stated, who): (Hash, &str),
) -> Result<Run, LabError> {
    let anchors = Anchors::new(&opened.market.symbols, said);
    let no = |what: String| LabError::Verification(format!("not reproduced: {what}"));
    let research = opened.evaluator()?.recorded_run(params)?;
    let bound = opened.strategy.bind(params).map_err(|d| no(d.to_string()))?;
    let mut feed = Recorded::new(&opened.market);
    let live = replay(&bound, (&mut feed, &anchors), &opened.book, &opened.study.assumptions, &research.bars)?;
    for (engine, hash) in [("research", research.run.stream_hash), ("production", live.stream_hash)] {
        if hash != stated {
            let (hash, stated) = (hash.short(), stated.short());
            return Err(no(format!("the {engine} engine gives the stream {hash}, the {who} says {stated}")));
        }
    }
    Ok(research.run)
}

/// One's own trial run again on both engines, and compared with what was recorded. Gives its number and its stream;
/// none of a trial that was not completed.
///
/// # Errors
/// No such trial, another build than the study's, and the first difference.
pub fn own(lab: &Lab, wanted: Option<&str>, number: Option<u32>) -> Result<(u32, Option<Hash>), LabError> {
    let (row, trial) = crate::trial::pick(lab, wanted, number)?;
    let opened = crate::study::reopen(lab, &row.study_id)?;
    let case = crate::study::recorded(&lab.log()?, opened.id)?.case;
    if opened.environment.results != Some(RESULTS) {
        let what = format!("the study has results of another version than {RESULTS}, which this build computes");
        return Err(LabError::usage(what, "run it again with a build of its version"));
    }
    let pool = assay_research::thread_pool(1).map_err(|e| LabError::could_not(format!("cannot start threads: {e}")))?;
    let stop = || lab.session.stop.requested();
    let events = again(&pool, &opened.evaluator()?, opened.id, &case.finished, &[trial.number], stop);
    events.ok_or_else(stopped)?.iter().try_for_each(|event| same(&case, event))?;
    let recorded = case.trials.iter().find(|(_, t)| t.number == trial.number).map(|(_, t)| t);
    let stream = match recorded.map(|t| &t.ended) {
        Some(Completed { stream_hash, .. }) => {
            let params = recorded.map(|t| t.params.clone()).unwrap_or_default();
            Some(streams(&opened, &params, &opened.anchors(), (Hash(*stream_hash), "ledger"))?.stream_hash)
        }
        _ => None,
    };
    Ok((trial.number, stream))
}

/// Where this lab's data came from.
fn origin(lab: &Lab, (data, book): (&Hash, &Hash), author: &str) -> Result<Origin, LabError> {
    if lab.config.person == author {
        return Ok(Origin::Proposer);
    }
    let rows = lab.mirror()?.snapshots()?;
    // What this lab did not import itself came from the proposer, or through others from nobody knows where.
    let Some(row) = rows.iter().find(|row| row.data_hash == data.to_string()) else { return Ok(Origin::Proposer) };
    // And so do the exchange's rules that no import of this lab has made.
    if !rows.iter().any(|row| row.rulebook_hash.as_deref() == Some(&book.to_string())) {
        return Ok(Origin::Proposer);
    }
    // A checksum that lies beside a file is whoever's who made it: the archive itself must have said it, to this person.
    let list = std::fs::read_to_string(lab.snapshot_dir().join(format!("{data}.sha256"))).unwrap_or_default();
    let whole = row.files.is_some_and(|all| list.lines().count() == all as usize);
    let confirmed = whole && vendor::confirms(&list, &vendor::confirmed(&lab.session));
    Ok(if confirmed { Origin::Vendor } else { Origin::Import })
}
