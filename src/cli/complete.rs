//! What a lab holds, for a shell that completes: studies, snapshots, proposals, what is live.
//!
//! Whatever cannot be read completes to nothing: a shell is no place for errors.

use assay_lab::live::{When, rows};
use assay_lab::review;
use assay_lab::{Lab, Session, folder};
use assay_shared::time::format_date;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::PathBuf;

/// The lab that the words on the line name, or the one around here.
fn lab() -> Option<Lab> {
    let words: Vec<String> = std::env::args().collect();
    let said = words.iter().position(|w| w == "--lab").and_then(|at| words.get(at + 1)).map(PathBuf::from);
    let joined = words.iter().find_map(|w| w.strip_prefix("--lab=")).map(PathBuf::from);
    Lab::open(&folder::find(said.or(joined).as_deref()).ok()?, &Session::silent()).ok()
}

fn of(begun: &OsStr, all: impl IntoIterator<Item = (String, String)>) -> Vec<CompletionCandidate> {
    let begun = begun.to_string_lossy();
    let fits = all.into_iter().filter(|(name, _)| name.starts_with(&*begun));
    // Shells take candidates as they are: what one of them could split, open or run is no word to complete to.
    let safe = |c: char| c.is_alphanumeric() || "-_./:@+,=%".contains(c);
    let plain = fits.filter(|(name, _)| !name.starts_with('-') && name.chars().all(safe));
    plain.map(|(name, help)| CompletionCandidate::new(name).help(Some(help.into()))).collect()
}

/// Studies, the newest first.
fn studies_from(begun: &OsStr) -> Vec<CompletionCandidate> {
    let rows = lab().and_then(|lab| lab.mirror().ok()?.studies().ok()).unwrap_or_default();
    of(begun, rows.into_iter().map(|s| (s.name, format!("{} trials of {}", s.trials, s.strategy))))
}

/// Snapshots, by the beginning of their hashes.
fn snapshots_from(begun: &OsStr) -> Vec<CompletionCandidate> {
    let rows = lab().and_then(|lab| lab.mirror().ok()?.snapshots().ok()).unwrap_or_default();
    let word = |s: assay_research::mirror::query::SnapshotRow| {
        let help = format!("{} from {} to {}", s.symbols, format_date(s.first_ms), format_date(s.last_ms));
        (s.data_hash.chars().take(12).collect(), help)
    };
    of(begun, rows.into_iter().map(word))
}

/// Proposals that are not in force.
fn branches_from(begun: &OsStr) -> Vec<CompletionCandidate> {
    let found = lab().and_then(|lab| review::proposals(&lab.repo().ok()?, true).ok()).unwrap_or_default();
    of(begun, found.into_iter().map(|branch| (branch, "proposal".into())))
}

/// Trials as `compare` takes them: the best of a study, and what is live.
fn trials_from(begun: &OsStr) -> Vec<CompletionCandidate> {
    let Some(lab) = lab() else { return Vec::new() };
    let live = lab.gate().ok().and_then(|host| rows(&host, When::Now).ok()).unwrap_or_default();
    let live = live.into_iter().map(|row| (format!("{}@live", row.strategy), format!("version {}", row.version)));
    let studies = lab.mirror().ok().and_then(|m| m.studies().ok()).unwrap_or_default();
    of(begun, live.chain(studies.into_iter().map(|s| (s.name, format!("the best of {} trials", s.trials)))))
}

/// Points as `study run --try` takes them.
fn points_from(begun: &OsStr) -> Vec<CompletionCandidate> {
    let studies = lab().and_then(|lab| lab.mirror().ok()?.studies().ok()).unwrap_or_default();
    let best = studies.into_iter().map(|s| (format!("best:{}", s.name), format!("the best of {} trials", s.trials)));
    of(begun, std::iter::once(("live".into(), "what is live".into())).chain(best))
}

/// Kinds of events.
fn kinds_from(begun: &OsStr) -> Vec<CompletionCandidate> {
    let kinds: BTreeSet<&str> = assay_shared::event::Event::KINDS.iter().copied().collect();
    of(begun, kinds.into_iter().map(|kind| (kind.to_string(), "event".into())))
}

/// Strategies: what is live where that can be read, and what was searched.
fn strategies_from(begun: &OsStr) -> Vec<CompletionCandidate> {
    let Some(lab) = lab() else { return Vec::new() };
    let live = lab.gate().ok().and_then(|host| rows(&host, When::Now).ok()).unwrap_or_default();
    let searched = lab.mirror().ok().and_then(|m| m.studies().ok()).unwrap_or_default();
    let names = live.into_iter().map(|row| row.strategy).chain(searched.into_iter().map(|s| s.strategy));
    of(begun, names.collect::<BTreeSet<_>>().into_iter().map(|name| (name, "strategy".into())))
}

/// Completes to studies.
pub fn studies() -> ArgValueCompleter {
    ArgValueCompleter::new(studies_from)
}

/// Completes to snapshots.
pub fn snapshots() -> ArgValueCompleter {
    ArgValueCompleter::new(snapshots_from)
}

/// Completes to proposals.
pub fn branches() -> ArgValueCompleter {
    ArgValueCompleter::new(branches_from)
}

/// Completes to strategies.
pub fn strategies() -> ArgValueCompleter {
    ArgValueCompleter::new(strategies_from)
}

/// Completes to what can be compared.
pub fn trials() -> ArgValueCompleter {
    ArgValueCompleter::new(trials_from)
}

/// Completes to points to try.
pub fn points() -> ArgValueCompleter {
    ArgValueCompleter::new(points_from)
}

/// Completes to kinds of events.
pub fn kinds() -> ArgValueCompleter {
    ArgValueCompleter::new(kinds_from)
}

/// Completes to these words, each with what it stands for.
pub fn words(all: Vec<(&'static str, &'static str)>) -> ArgValueCompleter {
    ArgValueCompleter::new(move |begun: &OsStr| {
        of(begun, all.iter().map(|(word, help)| (word.to_string(), help.to_string())))
    })
}
