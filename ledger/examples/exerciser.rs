//! Appends to a ledger and says what was acknowledged, for tests that kill it, trace it, or make
//! its system calls fail.
//!
//! Usage: exerciser DIR SEED BATCHES
//! Prints `ack LEN` after each batch and `checkpoint SIZE ROOT` after each checkpoint.

#[path = "../tests/faults/draft.rs"]
mod draft;

use assay_ledger::audit::{FixedKeys, export};
use assay_ledger::log::Home;
use assay_ledger::{Draft, LedgerError, Log, Signer};
use draft::draft;
use std::io::Write as _;
use std::path::Path;

/// One write for each line, so that a trace shows when it was said.
fn say(line: &str) {
    let _ = std::io::stdout().write_all(format!("{line}\n").as_bytes());
}

fn run(dir: &Path, seed: u64, batches: u64) -> Result<(), LedgerError> {
    let (signer, log_signer) = (Signer::from_seed([1; 32]), Signer::from_seed([2; 32]));
    // Short segments, so that a run fills some.
    let home = Home { per_segment: 256, ..Home::of(dir) };
    let mut log = match Log::open_at(&home) {
        Err(LedgerError::Missing { .. }) => Log::create_at(&home, "exercise.example/log", &log_signer)?,
        other => other?,
    };
    log.follow(0, &mut FixedKeys(vec![signer.public()]), |_| ())?;
    let mut dice = seed;
    for i in 0..batches {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Now and then so many that they are written while they are being signed.
        let n = if i % 7 == 5 { 300 } else { 1 + (dice >> 33) % 40 };
        let drafts: Vec<Draft> = (log.len()..log.len() + n).map(draft).collect();
        log.append(&drafts, &signer)?;
        say(&format!("ack {}", log.len()));
        if i % 4 == 3 {
            let c = log.publish(&log_signer)?;
            say(&format!("checkpoint {} {}", c.size, c.root));
        }
        if i % 8 == 7 {
            export::export(&log, &dir.join("export"))?;
        }
    }
    Ok(())
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let [_, dir, seed, batches] = &args[..] else {
        eprintln!("usage: exerciser DIR SEED BATCHES");
        std::process::exit(2);
    };
    let (seed, batches) = (seed.parse().unwrap_or(1), batches.parse().unwrap_or(10));
    if let Err(e) = run(Path::new(dir), seed, batches) {
        eprintln!("{e}");
        std::process::exit(3);
    }
}
