//! A study that is extended: what is allowed, and what it changes.

use super::case::{Case, Wrong, finding};
use crate::event::StudyExtended;
use crate::event::study::params_of;
use crate::strategy::Params;

impl Case {
    /// Takes an extension that stands at `seq`, which opens a closed study again.
    pub(super) fn extend(&mut self, seq: u64, e: &StudyExtended) {
        let points: Vec<Params> = e.points.iter().map(|p| params_of(p)).collect();
        if let Some(what) = self.forbids(e, &points) {
            let what = format!("an extension that this study cannot have: {what}");
            return self.findings.push(finding(seq, Wrong::Order, what));
        }
        if self.closed.is_some() {
            // The close that is not the last is judged now: later it would be beside other trials.
            let mut found = Vec::new();
            self.order(&mut found);
            self.closing(&mut found);
            self.findings.extend(found);
            self.closed = None;
            self.rounds += 1;
        }
        self.extended += 1;
        self.study.trials = self.study.trials.saturating_add(e.trials);
        self.study.queued.extend((self.trials.len() as u32..).zip(points));
    }

    fn forbids(&self, e: &StudyExtended, points: &[Params]) -> Option<String> {
        let ranges = &self.strategy.file.parameters;
        let fits = |p: &Params| {
            let inside = ranges.iter().all(|(name, range)| p.get(name).is_some_and(|v| range.contains(v)));
            inside && p.len() == ranges.len() && self.strategy.allows(p) && self.strategy.is_settled(p)
        };
        let at_its_opening = self.trials.is_empty() && self.extended == 0 && e.round == 0 && self.closed.is_none();
        let after_a_close = self.closed.is_some() && e.round == self.rounds + 1;
        // A log may hold more trials than its study has.
        let room = (u64::from(self.study.trials) + u64::from(e.trials)).saturating_sub(self.trials.len() as u64);
        if !at_its_opening && !after_a_close {
            Some("it comes neither right after the opening nor after a close".into())
        } else if e.trials == 0 && points.is_empty() {
            Some("it adds nothing".into())
        } else if room < points.len() as u64 {
            Some(format!("it has {} points for {room} trials", points.len()))
        } else {
            points.iter().position(|p| !fits(p)).map(|at| format!("its point {} is not in the space", at + 1))
        }
    }
}
