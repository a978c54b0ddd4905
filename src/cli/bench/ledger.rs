//! The ledger's figures, each beside what signing, verifying or syncing alone allow on this machine.
//!
//! A shared machine changes its speed from second to second: a figure and its limit are measured in
//! turns, a slice of each, and compared as means over the same time.

use super::super::output::grouped;
use super::figure::{Figure, Goal};
use super::{peak_memory_mb, per_second};
use assay_lab::create::{NewLab, create};
use assay_lab::{Lab, LabError, Session};
use assay_ledger::audit::FixedKeys;
use assay_ledger::audit::export::{Export, export};
use assay_ledger::format::entry::{Place, content, seal, signed_message};
use assay_ledger::keys::bulk::{PreparedKey, verify_all};
use assay_ledger::log::Home;
use assay_ledger::storage::disk::RealDisk;
use assay_ledger::tree::merkle::Nodes as _;
use assay_ledger::{Draft, Entry, EventId, Hash, Log, Signer, audit::scrub};
use serde_json::{Value, json};
use std::hint::black_box;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// The name of the log that is measured.
const ORIGIN: &str = "bench.invalid/log";
/// Bytes of a measured payload: about those of a completed trial.
const PAYLOAD: usize = 400;
/// How long a slice of an alone-standing limit is measured.
const WHILE: Duration = Duration::from_millis(250);
/// Slices of a figure, between which its limit is measured.
const SLICES: u64 = 12;
/// How often everything is verified.
const VERIFICATIONS: usize = 3;
/// Proofs, lookups and reads that are averaged.
const ROUNDS: u64 = 2000;

/// A payload that does not compress.
fn payload(n: u64) -> Vec<u8> {
    (0..).flat_map(|i: u64| Hash::of(&(n << 8 | i).to_be_bytes()).0).take(PAYLOAD).collect()
}

pub fn draft(n: u64) -> Draft {
    Draft { id: EventId::derived(&[b"bench", &n.to_be_bytes()]), kind: "Bench".into(), version: 1, payload: payload(n) }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// How often per second all cores together do `work`, which gives how much it did.
fn alone(work: impl Fn() -> u64 + Sync) -> f64 {
    let start = Instant::now();
    let done: u64 = std::thread::scope(|s| {
        let run = || {
            let mut n = 0;
            while start.elapsed() < WHILE {
                n += work();
            }
            n
        };
        let threads: Vec<_> = (0..cores()).map(|_| s.spawn(run)).collect();
        threads.into_iter().filter_map(|t| t.join().ok()).sum()
    });
    per_second(done, start)
}

/// The mean of some measurements.
fn mean(of: &[f64]) -> f64 {
    of.iter().sum::<f64>() / of.len().max(1) as f64
}

fn signing_alone(signer: &Signer) -> f64 {
    let message = signed_message(&Hash::of(b"bench"));
    alone(|| {
        for _ in 0..64 {
            black_box(signer.sign(&message).is_ok());
        }
        64
    })
}

/// A key, what it signed, and the signature.
type Signed<'a> = (&'a PreparedKey, [u8; 47], [u8; 64]);

/// Signatures verified per second, in groups of 64.
fn verifying(items: &[Signed<'_>]) -> f64 {
    let once = || alone(|| items.chunks(64).take(8).map(|c| black_box(verify_all(c)).len() as u64).sum());
    mean(&[once(), once(), once(), once()])
}

/// The same of signatures that are made for it.
pub fn verifying_alone() -> Result<f64, LabError> {
    let signer = Signer::generate()?;
    let prepared = PreparedKey::new(&signer.public()).ok_or_else(|| LabError::Verification("a weak key".into()))?;
    let item = |n: u64| {
        let message = signed_message(&Hash::of(&n.to_be_bytes()));
        signer.sign(&message).map(|signature| (&prepared, message, signature))
    };
    Ok(verifying(&(0..512).map(item).collect::<Result<Vec<_>, _>>()?))
}

/// Groups of `bytes` written and synced per second, by nothing but `pwrite` and `fdatasync`.
fn syncing_alone(dir: &Path, bytes: usize) -> Result<f64, LabError> {
    let path = dir.join("sync");
    let file = std::fs::File::create(&path).map_err(LabError::io("create", &path))?;
    let (group, start) = (vec![7u8; bytes], Instant::now());
    let mut n = 0;
    while start.elapsed() < WHILE {
        let done = file.write_all_at(&group, n * bytes as u64).and_then(|()| file.sync_data());
        done.map_err(LabError::io("sync", &path))?;
        n += 1;
    }
    let rate = per_second(n, start);
    std::fs::remove_file(&path).map_err(LabError::io("remove", &path))?;
    Ok(rate)
}

fn disk_bytes(path: &Path) -> u64 {
    let Ok(meta) = std::fs::metadata(path) else { return 0 };
    let inside = std::fs::read_dir(path).into_iter().flatten().flatten();
    if meta.is_dir() { inside.map(|e| disk_bytes(&e.path())).sum() } else { meta.blocks() * 512 }
}

/// Lets the disk finish what was written before, which would be measured too.
fn settle() {
    let _ = Command::new("sync").status();
}

/// Measures what a figure cannot exceed.
type Limit<'a> = &'a dyn Fn() -> Result<f64, LabError>;

/// Bytes that an entry of the bench takes in the journal.
fn log_size(signer: &Signer) -> Result<usize, LabError> {
    let place = Place { origin: ORIGIN, seq: 0, prev: Hash::ZERO, time_us: 0 };
    let content = content(&draft(0), &place, &signer.id());
    Ok(seal(content, &Hash::ZERO, signer)?.len() + assay_ledger::format::frame::HEAD)
}

/// A ledger that is measured.
pub struct Bench<'a> {
    dir: &'a Path,
    pub signer: Signer,
    pub log_signer: Signer,
    events: u64,
    /// Entries that all cores hash per second: content and leaf.
    hashing: f64,
    pub out: &'a mut Vec<Figure>,
}

impl Bench<'_> {
    /// Seconds since `start`; the goal is for a million events, and in proportion for more.
    fn timed(&self, name: &str, start: Instant, goal: f64) -> Figure {
        let scale = (self.events as f64 / 1e6).max(1.0);
        Figure::new(name, start.elapsed().as_secs_f64(), "s").goal(Goal::AtMost(goal * scale))
    }

    /// Appends per second, and the mean of their `limit`, which is measured between the slices.
    fn append(&self, log: &mut Log, batch: u64, count: u64, limit: Limit<'_>) -> Result<(f64, f64), LabError> {
        let first = log.len();
        let (mut spent, mut limits) = (Duration::ZERO, vec![limit()?]);
        let slice = count.div_ceil(SLICES).max(1);
        for turn in 1..=SLICES {
            while log.len() < first + count.min(turn * slice) {
                let n = log.len();
                let drafts: Vec<Draft> = (n..n + batch).map(draft).collect();
                let start = Instant::now();
                log.append(&drafts, &self.signer)?;
                spent += start.elapsed();
            }
            limits.push(limit()?);
        }
        Ok(((log.len() - first) as f64 / spent.as_secs_f64().max(1e-9), mean(&limits)))
    }

    /// What single events and small batches cost.
    fn appends(&mut self, log: &mut Log) -> Result<(), LabError> {
        let (signer, dir, size) = (self.signer.clone(), self.dir, log_size(&self.signer)?);
        log.hold()?;
        let syncing = || syncing_alone(dir, size);
        let (one, limit) = self.append(log, 1, 2000, &syncing)?;
        self.out.push(Figure::new("durable appends, batch 1", one, "events/s").of(limit, "syncing alone"));
        // What is acknowledged must be signed, and then synced.
        let both = || Ok(1.0 / (1.0 / signing_alone(&signer) + 1.0 / (64.0 * syncing_alone(dir, 64 * size)?)));
        let (some, limit) = self.append(log, 64, 30_000, &both)?;
        let some = Figure::new("durable appends, batch 64", some, "events/s").of(limit, "signing, then syncing alone");
        self.out.push(some);
        log.publish(&self.log_signer)?;
        log.release();
        Ok(())
    }

    /// Appends and full verification beside their limits, at the length that the log has. Beyond a
    /// million events a tenth of the share may go.
    pub fn shares(&mut self, log: &mut Log) -> Result<(), LabError> {
        let (signer, length) = (self.signer.clone(), grouped(log.len()));
        let goal = |share: f64| Goal::Share(if log.len() > 1_000_000 { share * 0.9 } else { share });
        let (appending, verified) = (goal(0.75), goal(0.88));
        settle();
        log.hold()?;
        let signing = || Ok(signing_alone(&signer));
        let (many, limit) = self.append(log, 1024, SLICES * 20 * 1024, &signing)?;
        let name = format!("durable appends, batch 1024, {length} events");
        self.out.push(Figure::new(name, many, "events/s").of(limit, "signing one by one").goal(appending));
        log.publish(&self.log_signer)?;
        log.release();
        settle();
        let key = self.signer.public();
        let mut entries = Vec::new();
        log.read(1..log.len().min(4097), |e| {
            entries.push(e);
            Ok::<_, LabError>(())
        })?;
        let prepared = PreparedKey::new(&key).ok_or_else(|| LabError::Verification("a weak key".into()))?;
        let item = |e: &Entry| {
            let signature = e.signature().try_into().unwrap_or([0; 64]);
            (&prepared, signed_message(&e.content_hash()), signature)
        };
        let items: Vec<_> = entries.iter().map(item).collect();
        let entry = &entries[0];
        self.hashing = alone(|| {
            for _ in 0..64 {
                black_box((entry.content_hash(), entry.leaf_hash()));
            }
            64
        });
        let verifying = || verifying(&items);
        let (mut spent, mut memory, mut limits) = (0.0, 0.0, vec![verifying()]);
        for _ in 0..VERIFICATIONS {
            let (seconds, peak) = child_verifies(log.dir())?;
            (spent, memory) = (spent + seconds, f64::max(memory, peak));
            limits.push(verifying());
        }
        let rate = VERIFICATIONS as f64 * log.len() as f64 / spent;
        let full = Figure::new(format!("full verification, from the files, {length} events"), rate, "events/s");
        self.out.push(full.of(mean(&limits), "verifying alone").goal(verified));
        let name = format!("memory of verifying, {length} events");
        self.out.push(Figure::new(name, memory, "MB").goal(Goal::AtMost(150.0)));
        Ok(())
    }

    fn incremental(&mut self, home: &Home, log: &mut Log) -> Result<(), LabError> {
        let verified = log.checkpoint()?;
        let drafts: Vec<Draft> = (log.len()..log.len() + 1024).map(draft).collect();
        log.append(&drafts, &self.signer)?;
        log.publish(&self.log_signer)?;
        let mut keys = FixedKeys(vec![self.signer.public()]);
        let start = Instant::now();
        scrub::folder(home, &mut keys, std::slice::from_ref(&verified), verified.size)?;
        let incremental = self.timed("verification of 1,024 new events", start, 5.0);
        // The old entries are hashed again; their signatures are not verified again.
        let least = Figure::new("hashing the old ones alone", verified.size as f64 / self.hashing, "s");
        self.out.extend([incremental, least]);
        Ok(())
    }

    /// Exporting everything, and verifying what was exported.
    fn exporting(&mut self, log: &Log) -> Result<(), LabError> {
        let (out, start) = (self.dir.join("export"), Instant::now());
        export(log, &out)?;
        self.out.push(self.timed("exporting everything", start, 60.0));
        let start = Instant::now();
        let found = Export::open(&RealDisk, &out, None)?.verify(&mut FixedKeys(vec![self.signer.public()]))?;
        if let Some(f) = found.first() {
            return Err(LabError::Verification(f.detail.clone()));
        }
        self.out.push(self.timed("verifying the export", start, 60.0));
        Ok(())
    }

    fn lookups(&mut self, log: &Log) -> Result<(), LabError> {
        let n = log.checkpoint()?.size;
        let at = |i: u64| i.wrapping_mul(0x9e37_79b9_7f4a_7c15) % n;
        let micros = |start: Instant| start.elapsed().as_secs_f64() * 1e6 / ROUNDS as f64;
        let start = Instant::now();
        for i in 0..ROUNDS {
            black_box(log.tree().inclusion(at(i), n)?);
        }
        self.out.push(Figure::new("inclusion proof", micros(start), "us").goal(Goal::AtMost(500.0)));
        let start = Instant::now();
        for i in 0..ROUNDS {
            black_box(log.tree().consistency(at(i) + 1, n)?);
        }
        self.out.push(Figure::new("consistency proof", micros(start), "us").goal(Goal::AtMost(500.0)));
        let start = Instant::now();
        for i in 0..ROUNDS {
            black_box(log.entry(at(i))?);
        }
        self.out.push(Figure::new("reading an entry", micros(start), "us").goal(Goal::AtMost(100.0)));
        Ok(())
    }

    fn disk(&mut self, home: &Home, log: &Log) -> Result<(), LabError> {
        let mut bytes = 0;
        log.scan(0, |entry| {
            bytes += entry.bytes().len();
            Ok::<_, LabError>(())
        })?;
        let share = |part: &str| disk_bytes(&home.dir.join(part)) as f64 / bytes as f64;
        let (journal, index) = (share("journal"), share("index.sled"));
        self.out.push(Figure::new("journal on disk, per byte of event", journal, "bytes"));
        self.out.push(Figure::new("index on disk, per byte of event", index, "bytes"));
        self.out.push(Figure::new("both on disk, per byte of event", journal + index, "bytes").goal(Goal::AtMost(2.2)));
        Ok(())
    }
}

/// What a process says that verifies a log: seconds, and its peak memory.
pub fn verify(dir: &Path) -> Result<Value, LabError> {
    let lab_dir = dir.parent().unwrap_or(dir);
    let key = Lab::open(lab_dir, &Session::silent())?.signer()?.public();
    let start = Instant::now();
    let verdict = scrub::folder(&Home::of(dir), &mut FixedKeys(vec![key]), &[], 0)?;
    match verdict.findings.first() {
        Some(f) => Err(LabError::Verification(f.detail.clone())),
        None => Ok(json!({"seconds": start.elapsed().as_secs_f64(), "memory_mb": peak_memory_mb()})),
    }
}

fn child_verifies(dir: &Path) -> Result<(f64, f64), LabError> {
    let program = std::env::current_exe().map_err(LabError::io("find", Path::new("this program")))?;
    let args = ["bench", "verify", "--dir"];
    let done = Command::new(&program).args(args).arg(dir).output().map_err(LabError::io("run", &program))?;
    let said: Value = serde_json::from_slice(&done.stdout)
        .map_err(|_| LabError::could_not(String::from_utf8_lossy(&done.stderr).into_owned()))?;
    let figure = |key: &str| said[key].as_f64().unwrap_or(f64::NAN);
    Ok((figure("seconds"), figure("memory_mb")))
}

/// Measures a lab's ledger of `events` events in a folder of its own.
pub fn measure(dir: &Path, events: u64, out: &mut Vec<Figure>) -> Result<(), LabError> {
    let place = dir.join("lab");
    let new = NewLab {
        dir: place.clone(),
        person: "bench".into(),
        origin: ORIGIN.into(),
        reviewers: Vec::new(),
        witnesses: Vec::new(),
        deploy: None,
        genesis: None,
        live: None,
        encrypt: false,
        follows: None,
        allow_generated: true,
    };
    let lab = create(&new, &Session::silent())?.lab;
    let (signer, log_signer) = (lab.signer()?, lab.log_signer()?);
    let mut log = lab.log()?;
    let home = Home::of(log.dir());
    let mut bench = Bench { dir, signer, log_signer, events, hashing: 0.0, out };
    bench.grow(&place, &mut log, events)?;
    bench.appends(&mut log)?;
    drop(log);
    let start = Instant::now();
    let mut log = Log::open_at(&home)?;
    log.hold()?;
    bench.out.push(Figure::new("reopening to write", start.elapsed().as_secs_f64(), "s").goal(Goal::AtMost(1.0)));
    log.release();
    bench.incremental(&home, &mut log)?;
    bench.lookups(&log)?;
    bench.exporting(&log)?;
    bench.disk(&home, &log)
}
