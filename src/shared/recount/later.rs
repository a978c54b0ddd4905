//! What was seen of a study's trials after it: its vault opened, and forward runs.

use super::case::{Case, Wrong, finding};
use super::later_run::LaterRun;
use super::returns::disagree;
use super::tally::Tally;
use crate::event::later::LaterFact;
use crate::event::study::Ended;
use crate::time::format_ms;

impl Case {
    /// Takes a later run that stands at `seq`, with what contradicts it.
    pub(super) fn saw(&mut self, seq: u64, fact: LaterFact, tally: &Tally) {
        if let Some(what) = self.contradicts(&fact, tally) {
            let name = if fact.forward.is_some() { "a forward run" } else { "an opening of the vault" };
            self.findings.push(finding(seq, Wrong::Later, format!("{name} of trial {}: {what}", fact.number)));
        }
        let data = match &fact.forward {
            None => Some(self.snapshot.clone()),
            Some(elsewhere) => tally.cover(&elsewhere.data_hash).cloned(),
        };
        self.later.push(LaterRun { seq, fact, data });
    }

    fn contradicts(&self, fact: &LaterFact, tally: &Tally) -> Option<String> {
        let trial = self.trials.iter().find(|(_, t)| t.number == fact.number);
        if self.closed.is_none() {
            return Some("its study is not complete".into());
        }
        if !trial.is_some_and(|(_, t)| matches!(t.ended, Ended::Completed { .. })) {
            return Some("that trial has no score".into());
        }
        let cover = match &fact.forward {
            None => Some(&self.snapshot),
            Some(elsewhere) => tally.cover(&elsewhere.data_hash),
        };
        let Some(cover) = cover else { return Some("its data are not registered before it".into()) };
        let interval = self.strategy.interval_ms;
        // What a log says of times may be anything.
        let span = fact.last_ms.saturating_sub(fact.first_ms).checked_div(interval).and_then(|s| u64::try_from(s).ok());
        let lacks = |s: &String| !cover.symbols.contains(s);
        match &fact.forward {
            None if fact.bars != self.study.splits.vault_bars(interval) as u64 => {
                return Some(format!("it is of {} bars, and the vault has others", fact.bars));
            }
            Some(e) if tally.rulebook(&e.rulebook_hash).is_none() => {
                return Some("its rule book is not registered before it".into());
            }
            Some(_) if cover.interval_ms != interval || self.strategy.file.symbols.iter().any(lacks) => {
                return Some("its data are not of this strategy".into());
            }
            Some(_) if cover.generated != self.fact.generated => {
                return Some("its data are generated, and the study's are not, or the other way round".into());
            }
            Some(_) if fact.first_ms <= self.snapshot.last_ms => {
                return Some("its bars are among those that the study was made on".into());
            }
            Some(_) if self.opened_us.is_some_and(|us| fact.first_ms < (us / 1000) as i64) => {
                return Some(format!("bars from {} on were there when the study was opened", format_ms(fact.first_ms)));
            }
            Some(_)
                if !cover.generated
                    && self.now_us.is_some_and(|us| fact.last_ms.saturating_add(interval) > (us / 1000) as i64) =>
            {
                return Some("its last bar had not ended when it was recorded".into());
            }
            _ => {}
        }
        // Bars may be missing, and never be more than their time holds.
        if fact.last_ms > cover.last_ms
            || fact.first_ms < cover.first_ms
            || span.is_none_or(|s| fact.bars > s.saturating_add(1))
        {
            return Some("it is of bars that its data do not have".into());
        }
        disagree(&fact.metrics, &fact.blocks, fact.bars, interval)
    }
}
