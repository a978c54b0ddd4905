//! A proposal reproduced by somebody else: the promoted trial on both engines, and its study, run again and compared.

use crate::error::LabError;
use crate::folder::Lab;
use crate::proposal::policy;
use crate::review::{Proposal, read};
use crate::session::Progress;
use crate::study::{Opened, Seed};
use assay_ledger::format::hash::unhex;
use assay_ledger::keys::sshsig;
use assay_ledger::{Hash, Signer};
use assay_production::engine::replay;
use assay_production::feed::Recorded;
use assay_production::gate;
use assay_production::repository::Repo;
use assay_research::study::{StudyProgress, again, run};
use assay_shared::RESULTS;
use assay_shared::account::record::Recorder;
use assay_shared::event::Event;
use assay_shared::event::study::TrialFact;
use assay_shared::format::config::{LiveConfig, REPRODUCTION_NAMESPACE, REPRODUCTIONS, Versions};
use assay_shared::format::reproduction::{Origin, Reproduction};
use assay_shared::policy::Role;
use assay_shared::recount::Case;
use assay_shared::strategy::Strategy;
use std::collections::BTreeSet;
use std::path::Path;

/// How a proposal is to be reproduced.
#[derive(Debug, Clone, Copy)]
pub struct How<'a> {
    /// Its branch.
    pub branch: &'a str,
    /// The reproducer's private key.
    pub key: &'a Path,
    /// Run so many trials of the study again, drawn at random, instead of all.
    pub sample: Option<u32>,
    /// Threads.
    pub threads: usize,
}

/// What was reproduced.
#[derive(Debug, Clone)]
pub struct Reproduced {
    /// By whom.
    pub person: String,
    /// What was signed.
    pub statement: Reproduction,
}

/// Runs a proposal's trial and its study again, compares every figure and stream with what was recorded, signs what
/// was found, and commits it to the branch.
///
/// # Errors
/// A key of nobody who may, data that are not here, and the first difference.
pub fn reproduce(lab: &Lab, how: &How<'_>) -> Result<Reproduced, LabError> {
    let repo = lab.repo()?;
    let proposal = read(&repo, how.branch)?;
    let (person, signer) = who(lab, &repo, &proposal, how.key)?;
    let case = recorded(&repo, &proposal)?;
    let opened = opened(lab, &case)?;
    as_proposed(&case, &proposal.config)?;
    as_registered(lab, &case)?;
    let (evaluator, threads) = (opened.evaluator()?, how.threads);
    let no_threads = |e| LabError::could_not(format!("cannot start threads: {e}"));
    let pool = assay_research::thread_pool(threads).map_err(no_threads)?;
    let ran = match how.sample {
        Some(n) if n < opened.study.trials => {
            let chosen = sample(&case, n, proposal.config.promotion.trial_id)?;
            let stop = || lab.session.stop.requested();
            let events = again(&pool, &evaluator, opened.id, &case.finished, &chosen, stop).ok_or_else(stopped)?;
            events.iter().try_for_each(|event| same(&case, event))?;
            chosen.len() as u32
        }
        _ => whole(lab, &pool, &evaluator, &case, opened.id)?,
    };
    let (stream, keyed) = both_engines(&opened, &proposal, &signer)?;
    let p = &proposal.config.promotion;
    let environment = crate::environment::environment();
    let statement = Reproduction {
        strategy: p.strategy.clone(),
        version: p.version,
        config: proposal.sha256,
        data: p.data_hash,
        origin: origin(lab, &p.data_hash, &p.author)?,
        study: p.study_id.clone(),
        trial: p.trial_id,
        ran,
        trials: opened.study.trials,
        results: RESULTS,
        stream,
        keyed,
        engine: format!("{} {} {}", environment.engine_version, environment.source_commit, environment.target),
    };
    let text = statement.text();
    let signature = sshsig::sign(&signer, REPRODUCTION_NAMESPACE, text.as_bytes())?;
    let base = format!("{}/{REPRODUCTIONS}/{person}", proposal.dir);
    let files = [(format!("{base}.txt"), text.into_bytes()), (format!("{base}.sig"), signature.into_bytes())];
    let _held = lab.session.stop.hold();
    repo.commit(how.branch, &files.into_iter().collect(), &person, &format!("reproduce {}", how.branch))?;
    Ok(Reproduced { person, statement })
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

/// The study as it stands in the log that the proposal names, computed again.
fn recorded(repo: &Repo, proposal: &Proposal) -> Result<Case, LabError> {
    let p = &proposal.config.promotion;
    let none = || LabError::Verification("the proposal names no log that the repository has".into());
    let reference = proposal.config.ledger.as_ref().ok_or_else(none)?;
    let logs = gate::logs(repo, &policy(repo)?.0)?;
    let log = logs.get(&reference.origin).ok_or_else(none)?;
    if log.root_at(reference.size) != Some(reference.root) {
        return Err(LabError::Verification("the proposal's checkpoint is not of its log".into()));
    }
    let id = unhex(&p.study_id).and_then(|raw| raw.try_into().ok());
    let case = gate::case(log, reference.size, id.ok_or_else(none)?)?;
    if case.fact.environment.results != Some(RESULTS) {
        let what = format!("the study has results of another version than {RESULTS}, which this build computes");
        return Err(LabError::usage(what, "reproduce it with a build of its version"));
    }
    Ok(case)
}

/// The study with this lab's own data and rule book, which are found by their hashes.
fn opened(lab: &Lab, case: &Case) -> Result<Opened, LabError> {
    let data = Hash(case.fact.data_hash).to_string();
    let missing = |what: &str, hash: &str, e: &LabError| {
        LabError::usage(
            format!("the {what} {} of the proposal cannot be read here: {e}", &hash[..12]),
            "import the same market data into this lab with `assay data import`: the same files give the same hash",
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
fn as_proposed(case: &Case, config: &LiveConfig) -> Result<(), LabError> {
    let p = &config.promotion;
    let trial = case.trials.iter().find(|(_, t)| t.number == p.trial_id);
    let ledger = config.ledger.as_ref();
    let strategy = Strategy::recorded(&config.strategy_text).map(|s| s.hash());
    let checks = [
        ("the opening", ledger.is_some_and(|l| l.study.seq == case.seq)),
        ("the trial", ledger.zip(trial).is_some_and(|(l, (seq, _))| l.trial.seq == *seq)),
        ("the parameters", trial.is_some_and(|(_, t)| t.params == config.parameters)),
        ("the strategy", strategy.is_ok_and(|hash| hash.0 == case.fact.strategy_hash && hash == p.strategy_hash)),
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

/// The promoted trial, and others that nobody can know before.
fn sample(case: &Case, n: u32, promoted: u32) -> Result<Vec<u32>, LabError> {
    let all = case.trials.len() as u32;
    let mut chosen = BTreeSet::from([promoted]);
    while (chosen.len() as u32) < n.clamp(1, all) {
        // What nobody chose: the hash of a new key.
        let seed = Signer::generate()?.public().to_bytes();
        let number = u64::from_be_bytes(seed[..8].try_into().unwrap_or_default()) % u64::from(all);
        chosen.insert(number as u32);
    }
    Ok(chosen.into_iter().collect())
}

/// That a trial is the recorded one, to the last bit; names the first figure that is not.
fn same(case: &Case, event: &Event) -> Result<(), LabError> {
    let Some(now) = event.trial() else { return Ok(()) };
    let number = now.number;
    let no = |what: String| LabError::Verification(format!("not reproduced: trial {number}: {what}"));
    let Some((seq, was)) = case.trials.iter().find(|(_, t)| t.number == number) else {
        return Err(no("it is not recorded".into()));
    };
    if now == *was {
        return Ok(());
    }
    Err(no(format!("{} (ledger entry {seq})", difference(was, &now))))
}

fn difference(was: &TrialFact, now: &TrialFact) -> String {
    use assay_shared::event::study::Ended::Completed;
    let differ = |name: String, was: String, now: String| format!("{name} is {was} as recorded, and {now} here");
    if let Some((name, value)) = was.params.iter().find(|(name, value)| now.params.get(*name) != Some(value)) {
        let here = now.params.get(name).map_or("absent".into(), ToString::to_string);
        return differ(name.clone(), value.to_string(), here);
    }
    for (at, (a, b)) in was.folds.iter().zip(&now.folds).enumerate() {
        if a != b {
            return differ(format!("fold {}", at + 1), format!("{a:?}"), format!("{b:?}"));
        }
    }
    if let (Completed { score, metrics, .. }, Completed { score: here, metrics: there, .. }) = (&was.ended, &now.ended)
    {
        if score != here {
            return differ("the score".into(), score.to_string(), here.to_string());
        }
        if let Some((name, value)) = metrics.iter().find(|(name, value)| there.get(*name) != Some(value)) {
            let here = there.get(name).map_or("absent".into(), ToString::to_string);
            return differ(name.clone(), value.to_string(), here);
        }
    }
    if was.identity != now.identity {
        return differ("its identity".into(), Hash(was.identity).short(), Hash(now.identity).short());
    }
    differ("its end".into(), format!("{:?}", was.ended), format!("{:?}", now.ended))
}

/// The promoted trial's stream by both engines, and the hash of it that is the reproducer's alone.
fn both_engines(opened: &Opened, proposal: &Proposal, signer: &Signer) -> Result<(Hash, Hash), LabError> {
    let config = &proposal.config;
    let no = |what: String| LabError::Verification(format!("not reproduced: {what}"));
    let research = opened.evaluator()?.recorded_run(&config.parameters)?;
    let bound = opened.strategy.bind(&config.parameters).map_err(|d| no(d.to_string()))?;
    let mut feed = Recorded::new(&opened.market);
    let live = replay(&bound, &mut feed, &opened.book, &opened.study.assumptions, &research.bars)?;
    let (stated, found) = (config.promotion.stream_hash, research.run.stream_hash);
    for (engine, hash) in [("research", found), ("production", live.stream_hash)] {
        if hash != stated {
            let what =
                format!("the {engine} engine gives the stream {}, the config says {}", hash.short(), stated.short());
            return Err(no(what));
        }
    }
    Ok((found, Recorder::hash_with(&signer.public().to_bytes(), &research.run.records)))
}

/// Where this lab's data came from.
fn origin(lab: &Lab, data: &Hash, author: &str) -> Result<Origin, LabError> {
    if lab.config.person == author {
        return Ok(Origin::Proposer);
    }
    let rows = lab.mirror()?.snapshots()?;
    let row = rows.iter().find(|row| row.data_hash == data.to_string());
    let confirmed =
        row.and_then(|row| row.files.zip(row.vendor_checked)).is_some_and(|(all, checked)| all > 0 && all == checked);
    Ok(if confirmed { Origin::Vendor } else { Origin::Import })
}
