//! What a study came to when it was computed again, remembered by the host: a log only grows, and a config names what
//! of it and of the others it was judged by, so that the same question has the same answer for ever.

use super::checked::Checked;
use super::pins::Host;
use super::recount::Judged;
use assay_ledger::Hash;
use assay_ledger::storage::disk::{RealDisk, replace};
use assay_shared::RESULTS;
use assay_shared::event::study::TrialFact;
use assay_shared::recount::{Finished, Lineage, figures};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The figures of a promoted trial that the policy's gates look at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// Trials of its study.
    pub trials: u32,
    /// The witness that gave its study's seed, by its verifier key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seeded: Option<String>,
    /// Bars out of sample.
    pub bars: f64,
    /// Its deflated Sharpe ratio, unless undefined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dsr: Option<f64>,
    /// Its study's probability of overfitting, unless undefined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pbo: Option<f64>,
    /// Its minimum track record, bars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub track_record: Option<f64>,
}

impl Verdict {
    /// Of a trial of a study that was computed again.
    pub(super) fn of(judged: &Judged, number: u32) -> Verdict {
        let (case, bars) = (&judged.case, judged.case.bars());
        let trial = case.finished.iter().find(|t| t.number == number);
        let s = trial.and_then(|t| figures::of(t, bars as f64, &judged.lineage));
        Verdict {
            trials: case.study.trials,
            seeded: case.seeded.clone(),
            bars: bars as f64,
            dsr: s.and_then(|s| s.dsr),
            pbo: figures::pbo(&case.finished, bars),
            track_record: s.and_then(|s| s.min_track_record),
        }
    }

    /// Of a trial of a study that was computed again before.
    pub(super) fn of_checked(checked: &Checked, trial: TrialFact, lineage: &Lineage) -> Verdict {
        let bars = checked.bars as f64;
        let s = figures::of(&Finished::of_fact(trial), bars, lineage);
        Verdict {
            trials: checked.trials,
            seeded: checked.seeded.clone(),
            bars,
            dsr: s.and_then(|s| s.dsr),
            pbo: checked.pbo(),
            track_record: s.and_then(|s| s.min_track_record),
        }
    }
}

/// What a study is worth to the gates.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Judgement {
    /// Computed again, now or before.
    Computed(Verdict),
    /// As release 0.1.0 recorded it, under its own policy.
    Recorded,
    /// Results of another version: it was judged by a gate of that version when it went live.
    Before,
}

fn path(host: &Host, config: &Hash) -> PathBuf {
    // Another version of this program may check more.
    let key = [b"assay/verdict/v2\0", &config.0[..], &RESULTS.to_be_bytes(), env!("CARGO_PKG_VERSION").as_bytes()];
    host.dir().join("judged").join(format!("{}.toml", Hash::of(&key.concat())))
}

/// The verdict on a config that a host remembers. One that cannot be read is none: the study is computed again.
pub(super) fn remembered(host: &Host, config: &Hash) -> Option<Verdict> {
    let text = std::fs::read_to_string(path(host, config)).ok().filter(|_| !host.full)?;
    toml::from_str(&text).ok()
}

/// Remembers a verdict, unless the host is only looked at. A host whose folder cannot be written computes it again.
pub(super) fn remember(host: &Host, config: &Hash, verdict: &Verdict) {
    if host.looks {
        return;
    }
    let (path, text) = (path(host, config), toml::to_string(verdict));
    let made = path.parent().is_some_and(|dir| std::fs::create_dir_all(dir).is_ok());
    if let (true, Ok(text)) = (made, text) {
        let _ = replace(&RealDisk, &path, text.as_bytes());
    }
}
