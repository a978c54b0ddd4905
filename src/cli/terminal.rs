//! The terminal as observer of the lab's work: notices, progress, passphrases.

use super::output::{ProgressBar, counted, say};
use assay_lab::{Notice, Observer, Progress};
use assay_research::study::StudyProgress;
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Tells a person.
#[derive(Default)]
pub struct Terminal {
    bar: Mutex<Option<ProgressBar>>,
    /// What was said last.
    last: Mutex<String>,
}

impl Observer for Terminal {
    fn notice(&self, notice: &Notice) {
        let (words, mut last) = (words(notice), self.last.lock().unwrap_or_else(PoisonError::into_inner));
        // What looks several times finds the same several times.
        if *last != words {
            say(&words);
            *last = words;
        }
    }

    fn progress(&self, progress: &Progress<'_>) {
        let mut bar = self.bar.lock().unwrap_or_else(PoisonError::into_inner);
        let at = |bar: &mut Option<ProgressBar>, what: &str, done: u64, total: u64, message: &str| {
            bar.get_or_insert_with(|| ProgressBar::new(what, total)).at(done, message);
        };
        match progress {
            Progress::Files { what, done, total, name } => at(&mut bar, what, *done, *total, name),
            Progress::Trials(p) => at(&mut bar, "trials", u64::from(p.done), u64::from(p.total), &describe(p)),
            Progress::Ended => {
                if let Some(bar) = bar.take() {
                    bar.done();
                }
            }
        }
    }

    /// `ASSAY_PASSPHRASE`, else the terminal, else nobody.
    fn passphrase(&self, path: &Path) -> Option<String> {
        if let Ok(given) = std::env::var("ASSAY_PASSPHRASE") {
            return Some(given);
        }
        if !std::io::stdin().is_terminal() {
            return None;
        }
        let given = rpassword::prompt_password(format!("passphrase of {}: ", path.display()));
        if given.is_err() {
            // A signal ends the prompt before it is heard elsewhere.
            std::thread::sleep(Duration::from_millis(100));
        }
        given.ok()
    }
}

/// Asks whoever sits at the terminal; nobody does when it is none.
pub fn asked(question: impl FnOnce() -> String) -> Option<String> {
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        return None;
    }
    let words = question();
    let mut out = std::io::stdout();
    out.write_all(words.as_bytes()).and_then(|()| out.flush()).ok()?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).ok()?;
    Some(line.trim().to_lowercase())
}

fn words(notice: &Notice) -> String {
    match notice {
        Notice::Waiting { holder } => format!("waiting: the ledger is in use by {holder}"),
        Notice::Ledger(words) => format!("ledger: {words}"),
        Notice::MirrorBehind { entries } => {
            let entries = counted(*entries as usize, "entry");
            format!("note: the mirror lacks {entries}, read from the ledger here; `assay mirror update` brings it up")
        }
        Notice::MirrorUnreadable { why } => {
            format!(
                "note: the mirror cannot be read ({why}); this comes from the ledger. `assay mirror rebuild` makes it anew"
            )
        }
        Notice::MirrorNotWritten { why } => {
            format!("note: recorded, but the mirror could not follow ({why}); `assay mirror update` brings it up")
        }
        Notice::NotRemembered(why) => {
            format!(
                "the checkpoint cannot be remembered outside the lab, so a restored backup would not be noticed: {why}"
            )
        }
        Notice::FirstRemembered(path) => {
            format!("this ledger was not known here: from now on {} remembers how far it was published", path.display())
        }
        Notice::OwnKey => "the key was the folder's own: compare it with one that you have from elsewhere".into(),
        Notice::FewPoints { points, asked } => {
            let of = if *points == 1 { "there is one point".into() } else { format!("there are {points} points") };
            format!("{of} to try, and no more trials than that are made (of {asked}): each counts for good")
        }
        Notice::PartOfGrid { points, trials } => {
            format!("the grid has {points} points: these are {trials} of them, spread over all of it")
        }
        Notice::Pending(why) => format!("assay: pending: {why}"),
    }
}

fn describe(p: &StudyProgress) -> String {
    let (since, first) = p.started;
    let done = f64::from(p.done - first);
    let rate = done / since.elapsed().as_secs_f64().max(1e-9);
    let left = if rate > 0.0 { f64::from(p.total - p.done) / rate } else { 0.0 };
    let best = p.best.map_or("none yet".into(), |(n, s)| format!("{s:.4} (trial {n})"));
    let rate = if rate < 10.0 { format!("{rate:.1}") } else { format!("{rate:.0}") };
    format!("best {best} {rate}/s {} left", time(left))
}

/// A time in its two largest units.
fn time(seconds: f64) -> String {
    let s = seconds.round() as u64;
    match (s / 3600, s / 60 % 60, s % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} m {s} s"),
        (h, m, _) => format!("{h} h {m} m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    /// With its bar the line of a large study stays within 80 columns: rate, best and time left are there.
    #[test]
    fn a_line_of_progress_fits() {
        let begun = Instant::now().checked_sub(Duration::from_secs(60)).unwrap();
        let p = StudyProgress { done: 12_345, total: 20_000, best: Some((12_345, -1.234_567)), started: (begun, 0) };
        let line = format!("trials [{}] 12345/20000 {}", "=".repeat(16), describe(&p));
        assert!(line.len() <= 80, "{line}");
        assert!(line.contains("best -1.2346 (trial 12345)") && line.contains("/s ") && line.ends_with("left"));
        let times = [0.4, 59.6, 125.0, 3_725.0, 90_000.0].map(time);
        assert_eq!(times, ["0 s", "1 m 0 s", "2 m 5 s", "1 h 2 m", "25 h 0 m"]);
    }
}
