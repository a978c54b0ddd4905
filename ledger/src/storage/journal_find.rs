//! What is looked for in a journal: ids, kinds, times.

use crate::error::LedgerError;
use crate::format::entry::{Entry, EventId};
use crate::storage::catalog::kind_bit;
use crate::storage::ids::Probe;
use crate::storage::journal::Journal;
use crate::storage::kinds::{Kinds, Said};
use crate::tree::merkle::Nodes as _;
use rayon::prelude::*;
use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::PoisonError;

/// Ids that one core looks for at a time.
const MANY: usize = 128;

impl Journal {
    /// The position of an event id.
    ///
    /// # Errors
    /// [`LedgerError::Index`], and a damaged segment.
    pub fn find(&self, id: &EventId) -> Result<Option<u64>, LedgerError> {
        match self.tail.ids.get(id) {
            Some(place) => Ok(Some(self.tail.first + u64::from(*place))),
            None => self.find_full(id),
        }
    }

    /// The first position of an event id, if it is before `seq`.
    ///
    /// # Errors
    /// As [`Journal::find`].
    pub fn find_before(&self, id: &EventId, seq: u64) -> Result<Option<u64>, LedgerError> {
        let found = match self.find_full(id)? {
            None => self.tail.ids.get(id).map(|place| self.tail.first + u64::from(*place)),
            found => found,
        };
        Ok(found.filter(|at| *at < seq))
    }

    /// Among the full segments; those that no run covers are read.
    fn find_full(&self, id: &EventId) -> Result<Option<u64>, LedgerError> {
        // What runs say is compared with what the log's key signed of them. One that was changed since says
        // nothing: then the segments are read.
        let covered = match self.ids.find(id) {
            Ok(Some(at)) => return Ok(Some(at)),
            Ok(None) => self.ids.covered(),
            Err(_) => 0,
        };
        let beside = self.rolled.as_ref().map_or(0, |_| 1);
        if let Some(at) = self.find_loose(id, covered..self.full.count() - beside)? {
            return Ok(Some(at));
        }
        Ok(self.rolled.as_ref().and_then(|rolled| rolled.find(id)))
    }

    /// Among segments that no run covers: read once, and kept.
    fn find_loose(&self, id: &EventId, segments: Range<u64>) -> Result<Option<u64>, LedgerError> {
        if segments.is_empty() {
            return Ok(None);
        }
        let mut loose = self.loose.lock().unwrap_or_else(PoisonError::into_inner);
        // What was read already is gone on with: a segment is read once.
        if loose.0.start != segments.start || loose.0.end > segments.end {
            *loose = (segments.start..segments.start, HashMap::new());
        }
        while loose.0.end < segments.end {
            let index = loose.0.end;
            for (id, place) in self.full.scan(index)?.ids {
                loose.1.entry(id).or_insert(index * self.per_segment + u64::from(place));
            }
            loose.0.end = index + 1;
        }
        Ok(loose.1.get(id).copied())
    }

    /// The positions of many event ids.
    ///
    /// # Errors
    /// As [`Journal::find`].
    pub fn find_all(&self, ids: &[EventId]) -> Result<Vec<Option<u64>>, LedgerError> {
        let inside = |id| self.tail.ids.get(id).map(|place| self.tail.first + u64::from(*place));
        let mut out: Vec<Option<u64>> = ids.iter().map(inside).collect();
        if let Some(rolled) = &self.rolled {
            for (id, out) in ids.iter().zip(&mut out).filter(|(_, out)| out.is_none()) {
                *out = rolled.find(id);
            }
        }
        if self.ids.covered() + self.rolled.as_ref().map_or(0, |_| 1) < self.full.count() {
            for (id, out) in ids.iter().zip(&mut out).filter(|(_, out)| out.is_none()) {
                *out = self.find_full(id)?;
            }
            return Ok(out);
        }
        // Most ids are new: filters say so, which waits for memory, and so on all cores.
        let pieces = ids.par_chunks(MANY).zip(out.par_chunks_mut(MANY));
        pieces.try_for_each(|(ids, out)| {
            let probes: Vec<Probe> = ids.iter().map(Probe::of).collect();
            for n in self.ids.possible(&probes) {
                if out[n].is_none() {
                    out[n] = self.find_full(&ids[n])?;
                }
            }
            Ok::<_, LedgerError>(())
        })?;
        Ok(out)
    }

    fn kinds(&self, first: u64) -> Result<Cow<'_, Kinds>, LedgerError> {
        let index = first / self.per_segment;
        if index < self.full.count() {
            self.full.kinds(index).map(Cow::Owned)
        } else {
            Ok(Cow::Borrowed(&self.tail.kinds))
        }
    }

    /// The newest positions of a kind in a range, at most `limit` of them, newest first.
    ///
    /// # Errors
    /// A damaged segment.
    pub fn newest_of(&self, kind: &str, range: Range<u64>, limit: usize) -> Result<Vec<u64>, LedgerError> {
        let (mut out, bit) = (Vec::new(), kind_bit(kind));
        let mut end = range.end.min(self.len());
        while end > range.start && out.len() < limit {
            let first = (end - 1) / self.per_segment * self.per_segment;
            let begin = first.max(range.start);
            let sealed = self.full.all.get((first / self.per_segment) as usize);
            if sealed.is_none_or(|s| s.kinds & bit != 0) {
                let kinds = self.kinds(first)?;
                let (skip, take) = ((begin - first) as usize, (end - begin) as usize);
                for (n, said) in kinds.are(kind).enumerate().skip(skip).take(take).rev() {
                    let seq = first + n as u64;
                    let mine = match said {
                        Said::Yes => true,
                        Said::No => false,
                        Said::Perhaps => {
                            self.get(seq)?.is_some_and(|b| Entry::decode(b).is_ok_and(|e| e.kind() == kind))
                        }
                    };
                    if mine && out.len() < limit {
                        out.push(seq);
                    }
                }
            }
            end = begin;
        }
        Ok(out)
    }

    /// The first position whose time is not before `time_us`; the length when there is none.
    ///
    /// # Errors
    /// A damaged segment.
    pub fn since(&self, time_us: u64) -> Result<u64, LedgerError> {
        let segment = self.full.all.partition_point(|s| s.time_us < time_us) as u64;
        let (mut low, mut high) = (segment * self.per_segment, ((segment + 1) * self.per_segment).min(self.len()));
        while low < high {
            let middle = low.midpoint(high);
            let bytes = self.get(middle)?;
            let before = bytes.map(Entry::decode).transpose()?.is_some_and(|e| e.time_us < time_us);
            if before { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }
}
