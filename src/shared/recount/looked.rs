//! Who looked at bars: studies that searched on them, and trials that were run over them afterwards.

use super::counts::{Counted, Counts};
use super::later_run::Run;
use serde::Serialize;
use std::collections::BTreeSet;

/// Who looked at some bars, beside a run over them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Looked {
    /// Other trials that were run over some of them, in vaults or forward.
    pub runs: u64,
    /// Studies that searched on some of them.
    pub studies: u64,
    /// Trials of those.
    pub trials: u64,
}

impl Looked {
    /// With what another log has.
    pub fn add(&mut self, other: &Looked) {
        self.runs += other.runs;
        self.studies += other.studies;
        self.trials = self.trials.saturating_add(other.trials);
    }
}

fn meets(a: (i64, i64), b: (i64, i64)) -> bool {
    a.0.max(b.0) <= a.1.min(b.1)
}

impl Counts {
    /// Who looked at bars of these symbols, without the run of this study that is meant itself.
    pub fn looked(
        &self,
        symbols: &BTreeSet<String>,
        study_id: &[u8; 16],
        (number, first, last): (u32, i64, i64),
    ) -> Looked {
        let mut out = Looked::default();
        // One of data that are unknown may have looked at anything.
        let trades = |s: &Counted| s.scope.as_ref().is_none_or(|(_, scope)| !scope.symbols.is_disjoint(symbols));
        for study in self.0.iter().filter(|s| trades(s)) {
            if study.searched.is_none_or(|span| meets(span, (first, last))) {
                out.studies += 1;
                out.trials = out.trials.saturating_add(study.trials.max(study.budget));
            }
            let own = |run: &&Run| study.study_id == *study_id && **run == (number, first, last);
            let others = study.later.iter().filter(|run| meets((run.1, run.2), (first, last)) && !own(run));
            out.runs += others.count() as u64;
        }
        out
    }
}
