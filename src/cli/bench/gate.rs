//! The gate's figures: what a push costs beyond git, what a study costs to compute again, what reconciling costs.
//!
//! A lab and a deploy repository with the real hooks, which run this very program; the same commits go to a
//! repository without hooks, and the difference is the gate's.

use super::figure::{Figure, Goal};
use super::ledger::verifying_alone;
use super::status_mb;
use assay_lab::create::{NewLab, create};
use assay_lab::data::generated;
use assay_lab::host::reconcile_once;
use assay_lab::obtain::From;
use assay_lab::reproduce::{How, reproduce};
use assay_lab::study::{Opened, Seed, open, parse_strategy, parse_study, run as work, with_symbols};
use assay_lab::{Lab, LabError, Session, parity, promote, review};
use assay_ledger::Signer;
use assay_production::gate::{self, Host};
use assay_production::repository::Repo;
use assay_production::repository::evidence::{commit_tiles, ledger_branch};
use assay_shared::event::Event;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const STRATEGY: &str = include_str!("../../../configs/strategies/trend.toml");
const STUDY: &str = r#"
name = "bench"
trials = 4
seed = 3
batch = 4
[sampler]
name = "random"
[splits]
mode = "tile"
in_sample_days = 40
out_of_sample_days = 20
warmup_bars = 240
[objective]
figure = "sharpe"
degradation_weight = 0.2
[guardrails]
min_trades = 30
max_liquidations = 1000
[assumptions]
initial_cash_usdt = 10000.0
slippage_bps = 1.0
"#;
const SYMBOLS: [&str; 2] = ["BTCUSDT", "ETHUSDT"];
/// Trials of a study that only fills a log.
const FILLING: u32 = 5_000;
/// Filling studies after which the log is pushed.
const PIECE: u32 = 40;
/// Pushes of which the median is taken.
const PUSHES: usize = 5;
/// Steps of one push.
const STEPS: usize = 100;

/// What is measured.
pub struct Size {
    /// Strategies on the branch, each with a version in force.
    pub strategies: u32,
    /// Entries of the log.
    pub events: u64,
    /// Trials of the study that is computed again.
    pub trials: u32,
}

struct Bench {
    lab: Lab,
    /// The reviewer's private key.
    key: PathBuf,
    /// The same repository without hooks.
    plain: PathBuf,
}

fn founded(dir: &Path) -> Result<Bench, LabError> {
    let (signer, key) = (Signer::generate()?, dir.join("ben"));
    signer.write(&key, "ben", None)?;
    let new = NewLab {
        dir: dir.join("lab"),
        person: "ana".into(),
        origin: "bench.invalid/ana".into(),
        reviewers: vec![("ben".into(), signer.public())],
        witnesses: Vec::new(),
        deploy: None,
        genesis: None,
        live: None,
        encrypt: false,
        follows: None,
        allow_generated: true,
    };
    let lab = create(&new, &Session::silent())?.lab;
    generated(&lab, &SYMBOLS.map(String::from), 24 * 400, 9)?.register(&lab)?;
    Ok(Bench { lab, key, plain: dir.join("plain.git") })
}

impl Bench {
    fn studied(&self, name: &str, trials: u32) -> Result<Opened, LabError> {
        let text = STRATEGY.replacen("\"trend\"", &format!("\"{name}\""), 1);
        let strategy = with_symbols(&parse_strategy(&text, name)?, &SYMBOLS.map(String::from))?;
        let mut settings = parse_study(STUDY, "bench")?;
        (settings.name, settings.trials) = (name.into(), trials);
        open(&self.lab, strategy, settings, Seed::Named, None, None, &[])
    }

    /// A proposal of a new strategy, reproduced and approved. Gives its branch.
    fn proposed(&self, name: &str, trials: u32) -> Result<String, LabError> {
        let opened = self.studied(name, trials)?;
        work(&self.lab, &opened, assay_lab::study::jobs(None))?;
        parity::prove(&self.lab, Some(name), None)?;
        let branch = promote::propose(&self.lab, Some(name), None)?.branch;
        let threads = assay_lab::study::jobs(None);
        reproduce(
            &self.lab,
            &How {
                branch: &branch,
                key: Some(&self.key),
                sample: Some(32),
                budget: None,
                from: From::default(),
                threads,
            },
        )?;
        let config = review::read(&self.lab.repo()?, &branch)?.sha256.to_string();
        review::approve(&self.lab, &branch, &self.key, &config)?;
        Ok(branch)
    }

    /// Merges a proposal on top of the deploy branch. Gives the commit.
    fn merged(&self, branch: &str) -> Result<String, LabError> {
        let repo = self.lab.repo()?;
        let commit = repo.merge(branch, "main", "ana")?;
        repo.move_to("main", &commit)?;
        Ok(commit)
    }

    fn push(&self, to: &Path, references: &[String]) -> Result<f64, LabError> {
        let (repo, start) = (self.lab.repo()?, Instant::now());
        repo.push(to, references)?;
        Ok(start.elapsed().as_secs_f64())
    }

    fn log_reference(&self) -> String {
        format!("refs/heads/{}", ledger_branch(&self.lab.config.origin))
    }

    /// Adds trials of studies that nobody promotes, until the log has so many entries.
    fn fill(&self, events: u64) -> Result<(), LabError> {
        let log = self.lab.log()?;
        let seq = log.newest_of("TrialCompleted", 0..log.len(), 1)?;
        let missing = || LabError::could_not("no trial of the bench was completed");
        let Event::TrialCompletedV2(pattern) = Event::of(&log.entry(*seq.first().ok_or_else(missing)?)?)? else {
            return Err(missing());
        };
        let mut round = 0u32;
        while self.lab.log()?.len() < events {
            let opened = self.studied(&format!("fill{round}"), FILLING)?;
            let left = (events - self.lab.log()?.len()).min(u64::from(FILLING)) as u32;
            let trial = |number| {
                let mut trial = pattern.clone();
                (trial.study_id, trial.number) = (opened.id, number);
                Event::from(trial)
            };
            let mut writer = self.lab.writer()?;
            writer.record(&(0..left).map(trial).collect::<Vec<_>>())?;
            writer.publish()?;
            drop(writer);
            // As a study does: the next command finds the mirror where the log is.
            self.lab.refresh_mirror()?;
            round += 1;
            // As a lab does that is synced from time to time: a push is limited in size.
            if round.is_multiple_of(PIECE) {
                commit_tiles(&self.lab.repo()?, &self.lab.log()?, "ana")?;
                self.push(&self.lab.deploy_path(), &[self.log_reference()])?;
            }
        }
        commit_tiles(&self.lab.repo()?, &self.lab.log()?, "ana")?;
        Ok(())
    }
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of.get(of.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The most memory this process has of its own until `done`, MB: not the pages of git's packs, which are files that it
/// maps and the system may take back.
fn own_memory_until(done: &AtomicBool) -> f64 {
    let mut peak = f64::NAN;
    while !done.load(Ordering::Relaxed) {
        peak = peak.max(status_mb("RssAnon:"));
        std::thread::sleep(Duration::from_millis(10));
    }
    peak
}

/// What one process takes that replays every log of a gate from its first entry.
pub fn replay(gate: &Path) -> Result<Value, LabError> {
    let mut host = Host::open(gate)?;
    host.full = true;
    let (start, done) = (Instant::now(), AtomicBool::new(false));
    let (outcome, peak) = std::thread::scope(|scope| {
        let watching = scope.spawn(|| own_memory_until(&done));
        let outcome = reconcile_once(&host, false, &Session::silent());
        done.store(true, Ordering::Relaxed);
        (outcome, watching.join().unwrap_or(f64::NAN))
    });
    std::hint::black_box(outcome?.live.len());
    Ok(json!({"seconds": start.elapsed().as_secs_f64(), "memory_mb": peak}))
}

fn program() -> Result<PathBuf, LabError> {
    std::env::current_exe().map_err(LabError::io("find", Path::new("this program")))
}

fn run(args: &[&str]) -> Result<(f64, Vec<u8>), LabError> {
    let (program, start) = (program()?, Instant::now());
    let done = Command::new(&program).args(args).output().map_err(LabError::io("run", &program))?;
    if !done.status.success() {
        return Err(LabError::could_not(String::from_utf8_lossy(&done.stderr).into_owned()));
    }
    Ok((start.elapsed().as_secs_f64(), done.stdout))
}

/// Measures a gate in a folder of its own. Another process does, whose hooks remember nothing outside that folder.
pub fn measure(dir: &Path, size: &Size, out: &mut Vec<Figure>) -> Result<(), LabError> {
    std::fs::create_dir_all(dir).map_err(LabError::io("create", dir))?;
    let number = |n: u64| n.to_string();
    let (strategies, events, checked) =
        (number(size.strategies.into()), number(size.events), number(size.trials.into()));
    let program = program()?;
    let mut command = Command::new(&program);
    command.args(["bench", "inside", "--strategies", &strategies, "--events", &events, "--checked", &checked]);
    let done = command.arg("--dir").arg(dir).env("XDG_STATE_HOME", dir.join("state")).output();
    let done = done.map_err(LabError::io("run", &program))?;
    let said: Vec<Value> = serde_json::from_slice(&done.stdout)
        .map_err(|_| LabError::could_not(String::from_utf8_lossy(&done.stderr).into_owned()))?;
    out.extend(said.iter().filter_map(Figure::parse));
    Ok(())
}

/// What that process measures.
pub fn inside(dir: &Path, size: &Size) -> Result<Value, LabError> {
    let mut out = Vec::new();
    figures(dir, size, &mut out)?;
    Ok(Value::Array(out.iter().map(Figure::json).collect()))
}

fn figures(dir: &Path, size: &Size, out: &mut Vec<Figure>) -> Result<(), LabError> {
    let bench = founded(dir)?;
    let (deploy, gate) = (bench.lab.deploy_path(), bench.lab.gate_dir());
    let all = |bench: &Bench| vec!["refs/heads/main".to_string(), bench.log_reference()];
    for i in 0..size.strategies {
        bench.merged(&bench.proposed(&format!("s{i}"), 4)?)?;
        if (i as usize + 1).is_multiple_of(STEPS) || i + 1 == size.strategies {
            bench.push(&deploy, &all(&bench))?;
        }
    }
    let last: Vec<String> =
        (0..PUSHES).map(|i| bench.proposed(&format!("last{i}"), 4)).collect::<Result<_, LabError>>()?;
    cold(&bench, size.trials, out)?;
    bench.fill(size.events)?;
    let entries = bench.lab.log()?.len();
    Repo::init(&bench.plain, true)?;
    let plain = bench.push(&bench.plain, &all(&bench))?;
    let taken = bench.push(&deploy, &[bench.log_reference()])?;
    let name =
        format!("a log of {entries} entries pushed, its studies computed again: beyond a plain push of {plain:.1} s");
    out.push(Figure::new(name, taken - plain, "s"));
    pushes(&bench, &last, size, out)?;
    reconciles(&gate, size, out)?;
    full(&gate, entries, out)
}

/// A study that was never looked at before.
fn cold(bench: &Bench, trials: u32, out: &mut Vec<Figure>) -> Result<(), LabError> {
    let opened = bench.studied("large", trials)?;
    work(&bench.lab, &opened, assay_lab::study::jobs(None))?;
    bench.lab.writer()?.publish()?;
    commit_tiles(&bench.lab.repo()?, &bench.lab.log()?, "ana")?;
    let repo = bench.lab.repo()?;
    let logs = gate::logs(&repo, &gate::policy_at(&repo, &repo.tip("refs/heads/main").unwrap_or_default())?.1)?;
    let start = Instant::now();
    for log in logs.values() {
        std::hint::black_box(gate::case(log, log.len(), opened.id)?.trials.len());
    }
    let goal = 10.0 * f64::from(trials.max(5_000)) / 5_000.0;
    let name = format!("a study of {trials} trials computed again");
    out.push(Figure::new(name, start.elapsed().as_secs_f64(), "s").goal(Goal::AtMost(goal)));
    Ok(())
}

/// Each version goes to the gate, and the same commit to a repository without hooks.
fn pushes(bench: &Bench, branches: &[String], size: &Size, out: &mut Vec<Figure>) -> Result<(), LabError> {
    let (mut gated, mut plain) = (Vec::new(), Vec::new());
    for branch in branches {
        bench.merged(branch)?;
        plain.push(bench.push(&bench.plain, &["refs/heads/main".into()])?);
        gated.push(bench.push(&bench.lab.deploy_path(), &["refs/heads/main".into()])?);
    }
    let (gated, plain) = (median(gated), median(plain));
    let name =
        format!("a version deployed, {} on the branch: beyond a plain push of {:.0} ms", size.strategies, plain * 1e3);
    out.push(Figure::new(name, (gated - plain) * 1e3, "ms").goal(Goal::AtMost(100.0)));
    Ok(())
}

fn reconciles(gate: &Path, size: &Size, out: &mut Vec<Figure>) -> Result<(), LabError> {
    let gate = gate.display().to_string();
    let once = || run(&["reconcile", "--gate", &gate]).map(|(seconds, _)| seconds);
    let taken = (0..PUSHES).map(|_| once()).collect::<Result<Vec<_>, _>>()?;
    let goal = f64::from(size.strategies.max(1_000)) / 1_000.0;
    let name = format!("reconciling {} unchanged strategies", size.strategies as usize + PUSHES);
    out.push(Figure::new(name, median(taken), "s").goal(Goal::AtMost(goal)));
    Ok(())
}

/// Everything from the first entry on, beside what verifying signatures alone allows.
fn full(gate: &Path, entries: u64, out: &mut Vec<Figure>) -> Result<(), LabError> {
    let path = gate.display().to_string();
    let (mut limits, mut taken, mut memory) = (vec![verifying_alone()?], Vec::new(), 0.0f64);
    for _ in 0..3 {
        let said: Value = serde_json::from_slice(&run(&["bench", "replay", "--dir", &path])?.1)
            .map_err(|e| LabError::could_not(e.to_string()))?;
        taken.push(said["seconds"].as_f64().unwrap_or(f64::NAN));
        memory = memory.max(said["memory_mb"].as_f64().unwrap_or(f64::NAN));
        limits.push(verifying_alone()?);
    }
    let name = "full replay of every log from git";
    let figure = Figure::new(name, entries as f64 / median(taken), "events/s");
    out.push(figure.of(median(limits), "verifying signatures alone").goal(Goal::Share(0.85)));
    out.push(Figure::new("peak memory of the replay, mapped files apart", memory, "MB").goal(Goal::AtMost(150.0)));
    Ok(())
}
