//! A study against itself.

use super::blocks;
use super::case::{Case, Finding, Wrong, finding};
use super::closing::close;
use super::finished::best;
use super::lineage::Lineage;
use super::pruning::{bounds, reason as words_of, stops};
use super::returns::disagree;
use crate::event::SeedGrade;
use crate::event::study::{Ended, FoldFact, TrialFact};
use crate::metric::Metric;
use crate::search::{self, Search};
use crate::strategy::Params;
use crate::study::objective::Objective;
use std::ops::Range;

impl Case {
    /// Everything but the suggestions: order, scores, constraints, figures, pruning, closing. The first findings come
    /// first.
    pub fn check(&self) -> Vec<Finding> {
        let mut out = self.findings.clone();
        self.order(&mut out);
        let batch = self.study.batch as usize;
        let folds = self.finished.iter().find(|f| f.seen.score.is_some()).map_or(0, |f| f.folds.len());
        let most = self.study.splits.fold_count(self.snapshot.bars as usize, self.strategy.interval_ms);
        if folds > most {
            let what = format!("its trials have {folds} folds, and its data hold {most}");
            out.push(finding(self.seq, Wrong::Figure, what));
        }
        let (mut medians, mut known) = (Vec::new(), None);
        for (i, (seq, trial)) in self.trials.iter().enumerate() {
            let first = i / batch * batch;
            if let Some(rule) = self.study.guardrails.stops().filter(|_| known != Some(first)) {
                (medians, known) = (bounds(rule, &self.finished[..first.min(self.finished.len())]), Some(first));
            }
            let wrong = self.trial(trial, folds, &medians);
            out.extend(wrong.map(|(wrong, what)| finding(*seq, wrong, format!("trial {}: {what}", trial.number))));
        }
        self.closing(&mut out);
        out.sort_by_key(|f| f.seq);
        out
    }

    pub(super) fn order(&self, out: &mut Vec<Finding>) {
        if self.fact.seed == SeedGrade::Witnessed && self.seeded.is_none() {
            let what = "a witness's seed is claimed, and no witness's signature is recorded";
            out.push(finding(self.seq, Wrong::Opening, what));
        }
        for (i, (seq, trial)) in self.trials.iter().enumerate() {
            if trial.number as usize != i {
                let what = format!("trial {} stands where trial {i} belongs", trial.number);
                out.push(finding(*seq, Wrong::Order, what));
                return;
            }
        }
        let (budget, trials) = (self.study.trials as usize, self.trials.len());
        if let Some((seq, _, _)) = self.closed.as_ref().filter(|_| trials != budget) {
            let what = format!("the study was opened for {budget} trials, and {trials} are recorded");
            out.push(finding(*seq, Wrong::Order, what));
        }
    }

    fn trial(&self, t: &TrialFact, folds: usize, medians: &[f64]) -> Option<(Wrong, String)> {
        let allowed = self.strategy.allows(&t.params);
        match &t.ended {
            Ended::Completed { .. } if !allowed => {
                Some((Wrong::Figure, "it has a score, and its parameters break a constraint of the strategy".into()))
            }
            Ended::Completed { .. } if t.folds.len() != folds => {
                Some((Wrong::Figure, format!("it has {} folds, and others have {folds}", t.folds.len())))
            }
            Ended::Completed { .. } => {
                self.not_pruned(t, folds, medians).or_else(|| self.completed(t)).or_else(|| self.figures(t))
            }
            Ended::Pruned { reason } => self.pruned(t, reason, folds, medians),
            Ended::Failed { reason } => {
                let says = reason.starts_with("infeasible: ") && reason.ends_with(" does not hold");
                (says && allowed).then(|| (Wrong::Figure, format!("it failed ({reason}), and that does hold")))
            }
        }
    }

    fn not_pruned(&self, t: &TrialFact, folds: usize, medians: &[f64]) -> Option<(Wrong, String)> {
        let at = (1..folds).find(|k| stops(&t.folds[..*k], folds, medians).is_some())?;
        self.study
            .guardrails
            .stops()
            .map(|_| (Wrong::Pruning, format!("it goes on, although those before it were better after fold {at}")))
    }

    fn pruned(&self, t: &TrialFact, reason: &str, folds: usize, medians: &[f64]) -> Option<(Wrong, String)> {
        let k = t.folds.len();
        let (all, blocks) = (if folds == 0 { k + 1 } else { folds }, blocks::bars(&t.blocks));
        let early = (1..k).find(|k| stops(&t.folds[..*k], all, medians).is_some());
        let rule = self.study.guardrails.stops();
        let found = rule.and_then(|rule| Some(words_of(rule, k, stops(&t.folds, all, medians)?)));
        match (early, found) {
            (Some(at), _) => Some((Wrong::Pruning, format!("it should have been pruned after fold {at}"))),
            (None, None) => Some((Wrong::Pruning, "it was pruned, and is not worse than those before it".into())),
            (None, Some(found)) if found != reason => {
                Some((Wrong::Pruning, format!("it was pruned because {reason}; computed: {found}")))
            }
            _ if blocks != 0 && blocks != self.out_of_sample_bars(k) as u64 => {
                Some((Wrong::Figure, format!("it has returns of {blocks} bars in {k} folds")))
            }
            _ => None,
        }
    }

    /// Score and constraints from what they are made of.
    fn completed(&self, t: &TrialFact) -> Option<(Wrong, String)> {
        let Ended::Completed { score, also, constraints, metrics, .. } = &t.ended else { return None };
        let counted = |f: &FoldFact| {
            (Objective::counted(f.in_sample, f.is_trades), Objective::counted(f.out_of_sample, f.oos_trades))
        };
        let pairs: Vec<_> = t.folds.iter().map(counted).collect();
        let computed = self.study.objective.score(&pairs);
        if computed != Some(*score) {
            let computed = computed.map_or("none".into(), |c| c.to_string());
            return Some((Wrong::Figure, format!("the score {score} is recorded, and its folds give {computed}")));
        }
        let get = |metric: Metric| metrics.get(metric.name()).copied().unwrap_or(0.0);
        let trades: u32 = t.folds.iter().map(|f| f.oos_trades).sum();
        let (g, said) = (&self.study.guardrails, get(Metric::Trades));
        // A trade may begin in one fold and end in the next: at most one for each symbol.
        let across = (t.folds.len().saturating_sub(1) * self.strategy.file.symbols.len()) as f64;
        let undecided = get(Metric::UndecidedBars) - f64::from(g.max_undecided_bars);
        // The most of any window is at least the mean of those out of sample.
        let least = (get(Metric::Liquidations) / t.folds.len() as f64).ceil() - f64::from(g.max_liquidations);
        let what = match constraints[..] {
            _ if !(f64::from(trades)..=f64::from(trades) + across).contains(&said) => {
                format!("{said} trades are recorded, and its folds have {trades}")
            }
            [few, liquidated, unknown, ref required @ ..] => {
                let wanted = f64::from(g.min_trades) - said;
                if few != wanted {
                    format!("the constraint on trades is {few}, and {said} trades give {wanted}")
                } else if liquidated < least {
                    format!("the constraint on liquidations is {liquidated}, and they give at least {least}")
                } else if unknown != undecided {
                    format!("the constraint on undecided bars is {unknown}, and they give {undecided}")
                } else {
                    return self.over_figures(t, also, required).map(|what| (Wrong::Figure, what));
                }
            }
            _ => format!("it has {} constraints", constraints.len()),
        };
        Some((Wrong::Figure, what))
    }

    /// Further objectives and what is required, which are made of the recorded figures.
    fn over_figures(&self, t: &TrialFact, also: &[f64], required: &[f64]) -> Option<String> {
        let Ended::Completed { metrics, .. } = &t.ended else { return None };
        let (objective, wanted) = (&self.study.objective, &self.study.guardrails.require);
        if objective.also.is_empty() && wanted.is_empty() {
            let none = also.is_empty() && required.is_empty();
            return (!none).then(|| "it has objectives or constraints that its study has not".into());
        }
        let leverage = self.strategy.bind(&t.params).map_or(f64::NAN, |bound| bound.terms().highest_leverage());
        let get = |name: &str| match name {
            "leverage" => Some(leverage),
            name => metrics.get(name).copied(),
        };
        let (others, broken): (_, Vec<f64>) =
            (objective.others(&get), wanted.iter().map(|r| r.broken_by(&get)).collect());
        if others.as_deref() != Some(also) {
            Some(format!("its further objectives are {also:?}, and its figures give {:?}", others.unwrap_or_default()))
        } else if broken != required {
            Some(format!("what is required of it is broken by {required:?}, and its figures give {broken:?}"))
        } else {
            None
        }
    }

    /// Figures from the sums over returns.
    fn figures(&self, t: &TrialFact) -> Option<(Wrong, String)> {
        let Ended::Completed { metrics, .. } = &t.ended else { return None };
        let bars = self.out_of_sample_bars(t.folds.len()) as u64;
        disagree(metrics, &t.blocks, bars, self.strategy.interval_ms).map(|what| (Wrong::Figure, what))
    }

    pub(super) fn closing(&self, out: &mut Vec<Finding>) {
        let Some((seq, closed, lineage)) = &self.closed else { return };
        if closed.best != best(&self.finished).map(|b| b.0) {
            let what = format!("the best trial of the study is not {:?}", closed.best);
            return out.push(finding(*seq, Wrong::Closing, what));
        }
        // Those that were finished later were not, then.
        let then: Vec<_> = self
            .finished
            .iter()
            .cloned()
            .map(|mut f| {
                f.blocks = f.blocks.filter(|_| !f.pruned);
                f
            })
            .collect();
        let close = |lineage: &Lineage| close(closed.study_id, &then, self.bars(), lineage);
        let computed = close(lineage);
        if closed.trials != computed.trials {
            let what = format!("{} trials are said, and {} are recorded", closed.trials, computed.trials);
            return out.push(finding(*seq, Wrong::Order, what));
        }
        let get = |of: &crate::event::StudyClosed, name: &str| {
            of.statistics.iter().find(|(k, _)| k == name).map(|(_, v)| v.0)
        };
        if closed.statistics == close(&lineage.as_it_was()).statistics {
            return;
        }
        let names = closed.statistics.iter().chain(&computed.statistics).map(|(name, _)| name);
        let mut differs = names.filter(|name| get(closed, name) != get(&computed, name));
        if let Some(name) = differs.next() {
            let show = |v: Option<f64>| v.map_or("nothing".into(), |v| v.to_string());
            let (said, found) = (show(get(closed, name)), show(get(&computed, name)));
            out.push(finding(*seq, Wrong::Closing, format!("{name} {said} is recorded, and the trials give {found}")));
        }
    }

    /// Whether the trials of a range are those that the sampler asks for. Each stands alone, so that several ranges
    /// can be looked at at once.
    pub fn suggestions(&self, range: Range<usize>) -> Option<Finding> {
        if self.study.sampler_version != search::VERSION {
            let what = format!(
                "the study is of version {} of the samplers, and version {} is known here",
                self.study.sampler_version,
                search::VERSION
            );
            return Some(finding(self.seq, Wrong::Suggestion, what));
        }
        let batch = self.study.batch as usize;
        let params: Vec<&Params> = self.trials.iter().map(|(_, t)| &t.params).collect();
        let space = &self.strategy.file.parameters;
        let mut search = Search::new(&self.study.sampler, space, self.study.seed, &self.strategy);
        let mut told = 0;
        range.into_iter().find_map(|i| {
            let first = i / batch * batch;
            self.finished[told..first].iter().for_each(|f| search.tell(&f.seen));
            told = first;
            let pending: Vec<Params> = params[first..i].iter().map(|p| (*p).clone()).collect();
            let asked = self.study.asked(&mut search, i as u32, &pending);
            if asked == *params[i] {
                return None;
            }
            let differs = asked.iter().find(|(name, value)| params[i].get(*name) != Some(value));
            let words = differs.map_or(String::new(), |(name, value)| {
                let said = params[i].get(name).map_or("nothing".into(), ToString::to_string);
                format!(": {name} {said} is recorded, and the sampler asks for {value}")
            });
            Some(finding(self.trials[i].0, Wrong::Suggestion, format!("trial {i} is not the sampler's{words}")))
        })
    }
}
