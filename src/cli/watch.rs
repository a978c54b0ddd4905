//! `assay reconcile --watch`: the reconciler as a service, with its health and its figures over HTTP.

use super::Context;
use super::notify::of_changes;
use super::output::{harmless, say};
use super::serve::{Page, pages};
use assay_lab::LabError;
use assay_lab::halted::{self, Odd};
use assay_lab::host::{deployed, reconcile_once};
use assay_production::gate::Host;
use assay_production::reconcile::Reconciled;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How often it is asked whether to stop.
const TICK: Duration = Duration::from_millis(100);
/// Rounds without a success after which the service is not well.
const PATIENCE: u32 = 3;

/// What has happened so far.
#[derive(Debug, Default)]
struct Seen {
    rounds: u64,
    failures: u64,
    deployed: u64,
    drift: u64,
    live: usize,
    dependents: usize,
    halts: usize,
    odd_halts: usize,
    unsigned_halts: usize,
    /// When the last round succeeded.
    well: Option<(Instant, f64)>,
    /// Why the last one did not.
    trouble: Option<String>,
}

#[derive(Debug, Default)]
struct Board(Mutex<Seen>);

impl Board {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Well while the last success is not longer ago than a few rounds.
    fn health(&self, every: Duration) -> (u16, String) {
        let seen = self.seen();
        let fresh = seen.well.is_some_and(|(at, _)| at.elapsed() <= every * PATIENCE + Duration::from_secs(30));
        match (&seen.trouble, fresh) {
            (None, true) => (200, "ok\n".into()),
            (Some(why), true) => (200, format!("ok, but the last round failed: {why}\n")),
            (Some(why), false) => (503, format!("{why}\n")),
            (None, false) => (503, "no round has succeeded yet\n".into()),
        }
    }

    /// Figures in Prometheus' text format.
    fn metrics(&self) -> (u16, String) {
        let s = self.seen();
        let rows = [
            ("assay_reconcile_rounds_total", "counter", "Rounds so far.", s.rounds as f64),
            ("assay_reconcile_failures_total", "counter", "Rounds that failed.", s.failures as f64),
            (
                "assay_deployed_total",
                "counter",
                "Versions that this host has brought into force or out of it.",
                s.deployed as f64,
            ),
            ("assay_drift_total", "counter", "Changes behind git's back that were found.", s.drift as f64),
            ("assay_live_strategies", "gauge", "Strategies in force.", s.live as f64),
            (
                "assay_dependents",
                "gauge",
                "What is live and rests on what does not count any more.",
                s.dependents as f64,
            ),
            ("assay_halted_strategies", "gauge", "Strategies that are halted.", s.halts as f64),
            ("assay_odd_halts", "gauge", "Rows of halts that nobody may have written.", s.odd_halts as f64),
            ("assay_unsigned_halts", "gauge", "Halts in force that nobody signed.", s.unsigned_halts as f64),
            (
                "assay_last_success_timestamp_seconds",
                "gauge",
                "When a round last succeeded, seconds since 1970.",
                s.well.map_or(0.0, |(_, at)| at),
            ),
        ];
        let row = |(name, kind, help, value): (&str, &str, &str, f64)| {
            format!("# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n")
        };
        (200, rows.map(row).concat())
    }

    fn note(&self, outcome: &Result<Round, LabError>, halts: Option<usize>) {
        let mut s = self.seen();
        s.rounds += 1;
        // What is halted the table says, also where git says nothing.
        s.halts = halts.unwrap_or(s.halts);
        match outcome {
            Ok(Round { done, odd, deployed }) => {
                s.drift += done.changes.iter().filter(|c| c.is_drift()).count() as u64;
                s.deployed = *deployed as u64;
                s.live = done.live.iter().filter(|c| !c.retired).count();
                (s.dependents, s.odd_halts, s.unsigned_halts) =
                    (done.dependents.len(), odd.wrong.len(), odd.unsigned.len());
                s.trouble = None;
                let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64());
                s.well = Some((Instant::now(), now));
            }
            Err(e) => {
                s.failures += 1;
                s.trouble = Some(e.to_string());
            }
        }
    }
}

/// One round.
#[derive(Debug)]
struct Round {
    done: Reconciled,
    odd: Odd,
    /// Versions that the host's own log says were deployed.
    deployed: usize,
}

impl Round {
    fn run(host: &Host, cx: &Context) -> Result<Round, LabError> {
        let done = reconcile_once(host, true, &cx.session)?;
        Ok(Round { done, odd: halted::odd(host)?, deployed: deployed(host)?.len() })
    }

    /// What stands until somebody decides, in words.
    fn standing(&self) -> Vec<String> {
        let dependents = self.done.dependents.iter().map(ToString::to_string);
        self.odd.wrong.iter().chain(&self.odd.unsigned).cloned().chain(dependents).collect()
    }
}

/// Reconciles again and again until somebody asks to stop. A round that fails is said, once for each reason, and tried
/// again; nothing is changed by it.
///
/// # Errors
/// An address that cannot be listened on.
pub fn watch(cx: &Context, host: &Host, every: Duration, listen: Option<&str>) -> Result<(), LabError> {
    if let Some(listen) = listen {
        // Said before the first round, not after it.
        std::net::TcpListener::bind(listen)
            .map_err(|e| LabError::usage(format!("cannot listen on {listen}: {e}"), "name another --listen"))?;
    }
    let board = Arc::new(Board::default());
    let server = listen.map(|listen| {
        let (listen, stop) = (listen.to_string(), cx.session.stop.clone());
        let (health, metrics) = (board.clone(), board.clone());
        let shown: [(&str, Page); 2] =
            [("/healthz", Arc::new(move || health.health(every))), ("/metrics", Arc::new(move || metrics.metrics()))];
        std::thread::spawn(move || pages(&listen, &shown, &stop))
    });
    let _watched = cx.session.stop.watch();
    let (mut said, mut standing): (Option<String>, Vec<String>) = (None, Vec::new());
    while !cx.session.stop.requested() {
        if server.as_ref().is_some_and(std::thread::JoinHandle::is_finished) {
            break;
        }
        let round = Round::run(host, cx);
        board.note(&round, halted::stopped(host).ok().map(|halts| halts.len()));
        match round {
            Ok(round) => {
                if said.is_some() {
                    say("rounds succeed again");
                }
                round.done.changes.iter().for_each(|change| say(&harmless(&change.to_string())));
                of_changes(host.dir(), &round.done.changes);
                let now = round.standing();
                now.iter().filter(|words| !standing.contains(words)).for_each(|words| say(words));
                (said, standing) = (None, now);
            }
            Err(e) if said != Some(e.to_string()) => {
                say(&format!("a round failed: {e}"));
                said = Some(e.to_string());
            }
            Err(_) => {}
        }
        let round = Instant::now();
        while round.elapsed() < every && !cx.session.stop.requested() {
            std::thread::sleep(TICK.min(every));
        }
    }
    match server.map(std::thread::JoinHandle::join) {
        Some(Ok(done)) => done,
        Some(Err(_)) => Err(LabError::could_not("the service of health and figures broke off")),
        None => Ok(()),
    }
}
