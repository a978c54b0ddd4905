//! How a ledger's figures change while it grows: whole processes that open it, at several lengths.

use super::super::output::{grouped, say};
use super::figure::{Figure, Goal};
use super::ledger::{Bench, draft};
use super::per_second;
use assay_lab::LabError;
use assay_ledger::{EventId, Log};
use serde_json::{Value, json};
use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// Lengths at which a log is looked at while it grows.
const LENGTHS: [u64; 4] = [10_000, 300_000, 1_000_000, 5_000_000];
/// Events of a batch while a log is only to become long.
const FAST: u64 = 1024;
/// Times that a whole process is measured: the least counts, since the machine is shared.
const TIMES: usize = 7;
/// Lookups that are averaged.
const ROUNDS: u64 = 4000;

/// What one process that opened a log saw.
pub fn probe(dir: &Path) -> Result<Value, LabError> {
    let start = Instant::now();
    let log = Log::open(dir)?;
    let open_ms = start.elapsed().as_secs_f64() * 1e3;
    let n = log.len().max(1);
    let start = Instant::now();
    for i in 0..ROUNDS {
        let at = i.wrapping_mul(0x9e37_79b9_7f4a_7c15) % n;
        black_box(log.find(&draft(at).id)?);
    }
    let find_us = start.elapsed().as_secs_f64() * 1e6 / ROUNDS as f64;
    let start = Instant::now();
    for i in 0..ROUNDS {
        black_box(log.find(&EventId::derived(&[b"none", &i.to_be_bytes()]))?);
    }
    let miss_us = start.elapsed().as_secs_f64() * 1e6 / ROUNDS as f64;
    let files = std::fs::read_dir("/proc/self/fd").map_or(0, |d| d.count());
    Ok(json!({"events": log.len(), "open_ms": open_ms, "find_us": find_us, "miss_us": miss_us,
        "files": files, "memory_mb": super::peak_memory_mb()}))
}

/// The least seconds that a run of this program takes, and what it printed.
fn least(args: &[&str]) -> Result<(f64, String), LabError> {
    let program = std::env::current_exe().map_err(LabError::io("find", Path::new("this program")))?;
    let (mut best, mut out) = (f64::INFINITY, String::new());
    for _ in 0..TIMES {
        let start = Instant::now();
        let done = Command::new(&program).args(args).output().map_err(LabError::io("run", &program))?;
        best = best.min(start.elapsed().as_secs_f64());
        if !done.status.success() {
            return Err(LabError::could_not(String::from_utf8_lossy(&done.stderr).into_owned()));
        }
        out = String::from_utf8_lossy(&done.stdout).into_owned();
    }
    Ok((best, out))
}

impl Bench<'_> {
    /// Whole processes over the log as it is now.
    fn look(&mut self, lab: &Path, log: &Log) -> Result<(), LabError> {
        let n = log.len();
        let at = |name: &str| format!("{name}, {} events", grouped(n));
        let (dir, lab) = (log.dir().to_string_lossy().into_owned(), lab.to_string_lossy().into_owned());
        let (_, seen) = least(&["bench", "probe", "--dir", &dir])?;
        let seen: Value = serde_json::from_str(&seen).map_err(|e| LabError::could_not(e.to_string()))?;
        let figure = |key: &str| seen[key].as_f64().unwrap_or(f64::NAN);
        let id = draft(n / 3).id.to_string();
        let (prove, _) = least(&["--lab", &lab, "prove", &id])?;
        let (newest, _) = least(&["--lab", &lab, "log", "--limit", "20"])?;
        let (kind, _) = least(&["--lab", &lab, "log", "--kind", "LabCreated"])?;
        let rows = [
            ("open to read", figure("open_ms"), "ms", Some(50.0)),
            ("memory of a reader", figure("memory_mb"), "MB", Some(60.0)),
            ("open files of a reader", figure("files"), "", Some(64.0)),
            ("finding an id", figure("find_us"), "us", Some(20.0)),
            ("finding that an id is not there", figure("miss_us"), "us", Some(20.0)),
            ("`prove ID`, a whole process", prove * 1e3, "ms", Some(50.0)),
            ("`log --limit 20`, a whole process", newest * 1e3, "ms", None),
            ("`log --kind`, a whole process", kind * 1e3, "ms", None),
        ];
        for (name, value, unit, goal) in rows {
            let figure = Figure::new(at(name), value, unit);
            self.out.push(match goal {
                Some(most) => figure.goal(Goal::AtMost(most)),
                None => figure,
            });
        }
        Ok(())
    }

    /// Lets the log grow to its length, and looks at it on the way.
    pub fn grow(&mut self, lab: &Path, log: &mut Log, events: u64) -> Result<(), LabError> {
        for length in LENGTHS.into_iter().filter(|l| *l < events).chain([events]) {
            let (before, start) = (log.len(), Instant::now());
            log.hold()?;
            while log.len() < length {
                let (n, size) = (log.len(), FAST.min(length - log.len()));
                let drafts: Vec<_> = (n..n + size).map(draft).collect();
                log.append(&drafts, &self.signer)?;
            }
            log.publish(&self.log_signer)?;
            let files = std::fs::read_dir("/proc/self/fd").map_or(0, |d| d.count());
            log.release();
            let rate = per_second(log.len().saturating_sub(before), start);
            say(&format!("grown to {} events, {} a second", grouped(log.len()), grouped(rate as u64)));
            self.look(lab, log)?;
            let name = format!("open files of a writer, {} events", grouped(log.len()));
            self.out.push(Figure::new(name, files as f64, "").goal(Goal::AtMost(64.0)));
            if length >= LENGTHS[2] || length == events {
                self.shares(log)?;
            }
            let memory = super::peak_memory_mb();
            let name = format!("peak memory so far, {} events", grouped(log.len()));
            self.out.push(Figure::new(name, memory, "MB").goal(Goal::AtMost(150.0)));
        }
        Ok(())
    }
}
