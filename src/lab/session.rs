//! Who stands around a piece of work: an observer that hears of it, and a token that says stop.
//!
//! The lab prints nothing and asks nothing. A command line, a page or a worker gives its own
//! observer; tests give [`Silent`].

use assay_research::study::StudyProgress;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Something that happened beside the work and is worth a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Another process holds the ledger.
    Waiting {
        /// Which.
        holder: String,
    },
    /// What the ledger's recovery did, or a clock that is behind.
    Ledger(String),
    /// The mirror is behind the ledger: the answer was computed in memory.
    MirrorBehind {
        /// Entries that it lacks.
        entries: u64,
    },
    /// The mirror cannot be read: the answer was computed from the ledger.
    MirrorUnreadable {
        /// Why.
        why: String,
    },
    /// The mirror cannot be written; what was recorded stands.
    MirrorNotWritten {
        /// Why.
        why: String,
    },
    /// The highest checkpoint could not be remembered outside the lab, and why.
    NotRemembered(String),
    /// Nothing outside the lab remembered a log that was published before; from now on this file does.
    FirstRemembered(PathBuf),
    /// A key that was taken from the very place that it should vouch for.
    OwnKey,
    /// A study has fewer different points than it was given trials.
    FewPoints {
        /// Points.
        points: u32,
        /// Trials that were asked for.
        asked: u32,
    },
    /// A study takes a part of its grid.
    PartOfGrid {
        /// Points of the grid.
        points: u32,
        /// Trials.
        trials: u32,
    },
    /// The live table could not be brought in line yet; the push stands.
    Pending(String),
}

/// How far a piece of long work is.
#[derive(Debug, Clone, Copy)]
pub enum Progress<'a> {
    /// Files of an import or a download: done, of how many, and the one at hand.
    Files {
        /// What is done with them.
        what: &'static str,
        /// Files done.
        done: u64,
        /// Files in all.
        total: u64,
        /// The one at hand.
        name: &'a str,
    },
    /// Trials of a study.
    Trials(&'a StudyProgress),
    /// The work that was reported before has ended.
    Ended,
}

/// Hears of the work. Called from the thread that works; never while the ledger is held.
pub trait Observer: Send + Sync {
    /// Something worth a line.
    fn notice(&self, _: &Notice) {}

    /// How far it is.
    fn progress(&self, _: &Progress<'_>) {}

    /// The passphrase of an encrypted key file; none when there is nobody to ask.
    fn passphrase(&self, _: &Path) -> Option<String> {
        None
    }
}

/// Nobody listens, nobody answers.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {}

#[derive(Debug, Default)]
struct Gates {
    /// Steps that are finished before anything stops.
    holds: usize,
    /// Pieces of work that look at the token themselves and end in good order.
    watched: usize,
}

#[derive(Debug, Default)]
struct Shared {
    requested: AtomicBool,
    gates: Mutex<Gates>,
    changed: Condvar,
}

/// Says that somebody asked to stop. Clones are one token.
///
/// Long work that has something to put in order [watches](Stop::watch) it and returns; a step of
/// several writes that belong together [holds](Stop::hold) it until they are done. Anything else may
/// be ended at any moment: the stores survive that.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<Shared>);

/// A step that is finished before the process ends.
#[derive(Debug)]
pub struct Held(Stop, fn(&mut Gates) -> &mut usize);

impl Drop for Held {
    fn drop(&mut self) {
        *(self.1)(&mut self.0.gates()) -= 1;
        self.0.0.changed.notify_all();
    }
}

impl Stop {
    fn gates(&self) -> std::sync::MutexGuard<'_, Gates> {
        self.0.gates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, which: fn(&mut Gates) -> &mut usize) -> Held {
        *which(&mut self.gates()) += 1;
        Held(self.clone(), which)
    }

    /// Asks to stop.
    pub fn request(&self) {
        self.0.requested.store(true, Ordering::SeqCst);
        self.0.changed.notify_all();
    }

    /// Whether somebody asked to stop.
    pub fn requested(&self) -> bool {
        self.0.requested.load(Ordering::SeqCst)
    }

    /// Until the guard goes, the process is not ended between two steps that belong together.
    #[must_use]
    pub fn hold(&self) -> Held {
        self.enter(|g| &mut g.holds)
    }

    /// Until the guard goes, the work looks at [`Stop::requested`] itself and ends in good order.
    #[must_use]
    pub fn watch(&self) -> Held {
        self.enter(|g| &mut g.watched)
    }

    /// Waits for the next moment at which the process may end: true when it may now, false when
    /// work that watches the token will end by itself, or when `patience` ran out.
    pub fn wait_until_free(&self, patience: Duration) -> bool {
        let busy = |g: &mut Gates| g.holds > 0 && g.watched == 0;
        let waited = self.0.changed.wait_timeout_while(self.gates(), patience, busy);
        let (gates, _) = waited.unwrap_or_else(PoisonError::into_inner);
        gates.holds == 0 && gates.watched == 0
    }
}

/// An observer and a token, as every piece of work gets them.
#[derive(Clone)]
pub struct Session {
    /// Hears of the work.
    pub observer: Arc<dyn Observer>,
    /// Says stop.
    pub stop: Stop,
    /// Where it is remembered what the lab's own folder must not be the only one to know; none when there
    /// is no such place.
    pub memory: Option<PathBuf>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("stop", &self.stop).finish_non_exhaustive()
    }
}

impl Session {
    /// Nobody around.
    pub fn silent() -> Session {
        Session { observer: Arc::new(Silent), stop: Stop::default(), memory: None }
    }

    /// Tells the observer.
    pub fn notice(&self, notice: &Notice) {
        self.observer.notice(notice);
    }

    /// Tells the observer how far the work is.
    pub fn progress(&self, progress: &Progress<'_>) {
        self.observer.progress(progress);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(1);
    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_process_ends_between_steps_and_never_inside_one() {
        let stop = Stop::default();
        assert!(stop.wait_until_free(SOON), "nothing is held");
        let held = stop.hold();
        stop.request();
        assert!(stop.requested() && !stop.wait_until_free(SOON));
        let other = stop.clone();
        let waiter = std::thread::spawn(move || other.wait_until_free(LONG));
        drop(held);
        assert!(waiter.join().unwrap(), "the step is done");
        let (_watched, _held) = (stop.watch(), stop.hold());
        assert!(!stop.wait_until_free(LONG), "the work ends by itself: nobody waits for it");
    }
}
