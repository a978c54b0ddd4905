//! Deployments that are killed at random moments, with everything that belongs to them: the command, git, the hooks and
//! the reconciler that they started; and PostgreSQL under a reconciler. `ASSAY_KILLS` says how often.

use crate::desk::{Desk, Postgres, Said};
use assay_ledger::Log;
use assay_shared::event::{Event, PromotionDeployed};
use std::process::Stdio;
use std::time::Duration;

/// Moments that look random, and are the same in every run.
struct Moments(u64);

impl Moments {
    fn next(&mut self, most_ms: u64) -> Duration {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Duration::from_micros((self.0 >> 33) % (most_ms * 1000))
    }
}

fn kills(unless_said: usize) -> usize {
    std::env::var("ASSAY_KILLS").map_or(unless_said, |n| n.parse().unwrap())
}

fn host_events(desk: &Desk) -> Vec<Event> {
    let log = Log::open(&desk.path("lab/deploy.git/assay/ledger")).unwrap();
    (0..log.len()).filter_map(|seq| Event::of(&log.entry(seq).unwrap()).ok()).collect()
}

fn deployed(desk: &Desk) -> Vec<PromotionDeployed> {
    let of = |e| if let Event::PromotionDeployed(e) = e { Some(e) } else { None };
    host_events(desk).into_iter().filter_map(of).collect()
}

/// The version that the deploy branch says.
fn on_the_branch(desk: &Desk) -> u64 {
    let text = desk.git(&["--git-dir", "lab/deploy.git", "show", "main:configs/live/trend.toml"]).ok().out;
    text.lines().find_map(|l| l.strip_prefix("version = ")).unwrap().parse().unwrap()
}

/// The processes that were started at a desk, by whomever: each has its home.
fn started(desk: &Desk) -> Vec<String> {
    let home = format!("HOME={}\0", desk.path("").display().to_string().trim_end_matches('/'));
    let of = |entry: std::fs::DirEntry| {
        let environment = std::fs::read(entry.path().join("environ")).ok()?;
        let own = String::from_utf8_lossy(&environment).contains(&home);
        own.then(|| entry.file_name().to_string_lossy().into_owned())
    };
    std::fs::read_dir("/proc").unwrap().flatten().filter_map(of).collect()
}

/// Starts a command, and kills whatever belongs to it after a while: git and its hooks have groups of their own.
fn killed(desk: &Desk, args: &[&str], after: Duration) {
    let mut command = desk.command(args);
    let mut run = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(after);
    // One may be born while the others are looked for.
    let mut quiet = 0;
    while quiet < 3 {
        let all = started(desk);
        quiet = if all.is_empty() { quiet + 1 } else { 0 };
        if !all.is_empty() {
            let _ = std::process::Command::new("kill").arg("-9").args(&all).stderr(Stdio::null()).status();
        }
        let _ = run.try_wait();
        std::thread::sleep(Duration::from_millis(3));
    }
    let _ = run.wait();
}

/// Runs a command; where a git that was killed left a lock, does what the error says.
fn ok(desk: &Desk, args: &[&str]) -> Said {
    for _ in 0..8 {
        let said = desk.assay(args);
        let words = format!("{}{}", said.out, said.err);
        let lock = words.split(['\'', ' ', ',', '\n']).find(|w| w.ends_with(".lock") && w.starts_with('/'));
        let Some(lock) = lock else { return said.ok() };
        assert!(words.contains("remove that file") || words.contains("pending"), "{words}");
        std::fs::remove_file(lock).unwrap();
    }
    panic!("{args:?} meets one lock after another");
}

/// Whatever was killed, and when: a version is live once, recorded once, and what the branch says is what is live after
/// the next run of the reconciler.
#[test]
fn killed_deployments_land_whole_or_not_at_all() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    let (mut moments, mut landed) = (Moments(11), 0);
    for n in 0..kills(12) {
        let before = on_the_branch(&desk);
        let branch = ok(&desk, &["rollback", "trend", "--to", "2", "--reason", &format!("kill {n}")]).out;
        let branch = branch.trim();
        let sha256 = ok(&desk, &["review", branch, "--json"]).json()["config_sha256"].as_str().unwrap().to_string();
        ok(&desk, &["approve", branch, "--key", "lab/people/ben", "--config", &sha256]);
        killed(&desk, &["deploy", branch], moments.next(260));
        let now = on_the_branch(&desk);
        assert!(now == before || now == before + 1, "{before} {now}");
        landed += now - before;
        // Somebody's next command, and the host's next round.
        if now == before {
            ok(&desk, &["deploy", branch]);
        }
        ok(&desk, &["reconcile"]);
        let live = desk.assay(&["active", "--json"]).ok().json();
        assert_eq!(live[0]["version"].as_u64(), Some(before + 1), "after kill {n}");
        let versions: Vec<u64> = deployed(&desk).iter().map(|e| e.version).collect();
        assert_eq!(versions, (1..=before + 1).collect::<Vec<_>>(), "one record for each version, after kill {n}");
        let history = desk.assay(&["active", "--history", "--json"]).ok().json();
        assert_eq!(history.as_array().unwrap().len() as u64, before + 1, "one row for each");
    }
    desk.assay(&["verify", "--ledger", "lab/deploy.git/assay/ledger"]).ok();
    desk.assay(&["verify", "--deep"]).ok();
    desk.assay(&["audit", "--full"]).ok();
    assert!(landed < kills(12) as u64, "no kill was early enough to matter");
}

/// PostgreSQL dies under a reconciler that heals what somebody changed: what it printed stands in the host's log.
#[test]
fn a_database_that_dies_loses_no_drift() {
    let mut pg = Postgres::start();
    let desk = Desk::new();
    desk.demo(16, &["--live", &pg.url()]).ok();
    let (mut moments, mut printed) = (Moments(5), 0);
    for n in 0..kills(6) {
        let (worked, words) = pg.psql(&format!("UPDATE assay.active_configs SET author = 'eve{n}'"));
        assert!(worked, "{words}");
        let mut command = desk.command(&["reconcile", "--json"]);
        let run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(moments.next(120));
        pg.kill();
        let said = run.wait_with_output().unwrap();
        printed += usize::from(String::from_utf8_lossy(&said.stdout).contains("\"heal\""));
        assert!(matches!(said.status.code(), Some(0 | 3)), "{}", String::from_utf8_lossy(&said.stderr));
        pg.resume();
    }
    desk.assay(&["reconcile"]).ok();
    let author = pg.psql("SELECT author FROM assay.active_configs").1;
    assert_eq!(author.trim(), "ana");
    let found = host_events(&desk).iter().filter(|e| matches!(e, Event::DriftDetected(_))).count();
    assert!(found >= printed, "{printed} printed, {found} recorded");
    assert_eq!(deployed(&desk).len(), 3);
    desk.assay(&["audit"]).ok();
}
