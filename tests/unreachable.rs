//! Deployments on hard days: a database that holds its rows, that cannot take all of it, that answers late or is cut
//! off at any byte; a repository that cannot be reached.

use crate::desk::{Desk, Postgres};
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A way to the server that is as late as it is told to be, and is cut when so many bytes went through.
struct Line {
    port: u16,
    left: Arc<AtomicU64>,
    late_ms: Arc<AtomicU64>,
}

fn pump(mut from: TcpStream, mut to: TcpStream, left: &AtomicU64, late_ms: &AtomicU64) {
    let mut bytes = [0; 4096];
    while let Ok(n @ 1..) = from.read(&mut bytes) {
        std::thread::sleep(Duration::from_millis(late_ms.load(Ordering::SeqCst)));
        let had = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |l| Some(l.saturating_sub(n as u64))).unwrap();
        let passes = (n as u64).min(had) as usize;
        if to.write_all(&bytes[..passes]).is_err() || passes < n {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

impl Line {
    fn to(server: u16) -> Line {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (left, late_ms) = (Arc::new(AtomicU64::new(u64::MAX)), Arc::new(AtomicU64::new(0)));
        let line = Line { port, left: left.clone(), late_ms: late_ms.clone() };
        std::thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let (left, late_ms) = (left.clone(), late_ms.clone());
                    std::thread::spawn(move || pump(from, to, &left, &late_ms));
                }
            }
        });
        line
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Proposes the second version again, approves it and deploys it; gives what the push said.
fn rolled_back(desk: &Desk, reason: &str) -> String {
    let branch = desk.assay(&["rollback", "trend", "--to", "2", "--reason", reason]).ok().out.trim().to_string();
    desk.approve(&branch, "lab/people/ben").ok();
    desk.assay(&["deploy", &branch]).ok().out
}

/// D-03: what cannot be written whole is not written at all. D-09: rows that somebody holds are waited for a bounded
/// time, and a push lands meanwhile.
#[test]
fn d03_d09_a_database_that_refuses_or_holds() {
    let pg = Postgres::start();
    let desk = Desk::new();
    desk.demo(16, &["--live", &pg.url()]).ok();
    let sql = |text: &str| {
        let (worked, words) = pg.psql(text);
        assert!(worked, "{words}");
        words.trim().to_string()
    };
    // Two rows to heal, of which the second cannot be: both stay as they are, and so does the history.
    sql("UPDATE assay.active_configs SET author = 'eve';
         CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no room''; END';
         INSERT INTO assay.active_configs SELECT 'zebra', version, config_sha256, config_toml, replaces_sha256, study_id, trial_id, data_hash,
           strategy_hash, rulebook_hash, stream_hash, engine_version, talib_version, environment, promotion_timestamp, author, approvers,
           ledger_origin, ledger_size, ledger_root, event_hashes, policy_sha256, commit_oid, generated_data, deployed_us FROM assay.active_configs;
         CREATE TRIGGER stop BEFORE DELETE ON assay.active_configs FOR EACH ROW EXECUTE FUNCTION stop()");
    desk.assay(&["reconcile"]).fails(3, "no room");
    assert_eq!(
        sql("SELECT string_agg(strategy || ' ' || author, ', ' ORDER BY strategy) FROM assay.active_configs"),
        "trend eve, zebra eve"
    );
    assert_eq!(sql("SELECT count(*) FROM assay.config_history"), "3");
    sql("DROP TRIGGER stop ON assay.active_configs");
    desk.assay(&["reconcile"]).ok();
    assert_eq!(sql("SELECT string_agg(strategy || ' ' || author, ', ') FROM assay.active_configs"), "trend ana");
    // Somebody's transaction holds the row.
    let mut holder = Command::new(pg.bin("psql"))
        .args(["-X", "-q", "-U", "assay", "-d", "postgres", "-h"])
        .arg(pg.dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut orders = holder.stdin.take().unwrap();
    writeln!(orders, "BEGIN; UPDATE assay.active_configs SET author = 'held'; SELECT 'holds';").unwrap();
    let mut said = [0; 5];
    holder.stdout.as_mut().unwrap().read_exact(&mut said).unwrap();
    let pushed = rolled_back(&desk, "while it is held");
    assert!(pushed.contains("pending"), "{pushed}");
    desk.assay(&["reconcile"]).fails(3, "lock timeout");
    writeln!(orders, "ROLLBACK;").unwrap();
    drop(orders);
    holder.wait().unwrap();
    // D-15: the very same commit, once what stood in its way is gone.
    desk.assay(&["reconcile"]).ok();
    assert_eq!(sql("SELECT version FROM active_configs"), "4");
    assert_eq!(sql("SELECT count(*) FROM assay.config_history"), "4");
}

/// D-14: a line that is late, a line that is cut at any byte, a repository that is gone: nothing half, and what is said
/// of it is true.
#[test]
fn d14_lines_that_are_late_or_cut() {
    let port = free_port();
    let pg = Postgres::start_with(|dir| {
        let hba = "local all all trust\nhost all all 127.0.0.1/32 trust\n";
        std::fs::write(dir.join("data/pg_hba.conf"), hba).unwrap();
        vec!["listen_addresses=127.0.0.1".into(), format!("port={port}")]
    });
    let line = Line::to(port);
    let desk = Desk::new();
    let url = format!("postgres://assay@127.0.0.1:{}/postgres?sslmode=disable", line.port);
    desk.demo(16, &["--live", &url]).ok();
    let row = || {
        let found = desk.assay(&["active", "--json"]).ok().json();
        (found[0]["version"].as_u64().unwrap(), found.as_array().unwrap().len())
    };
    line.late_ms.store(80, Ordering::SeqCst);
    rolled_back(&desk, "late");
    line.late_ms.store(0, Ordering::SeqCst);
    assert_eq!(row(), (4, 1));
    // From a line that takes nothing to one that takes all of it, in steps.
    let (mut version, mut allowed, mut cut) = (4, 0, 0);
    loop {
        line.left.store(allowed, Ordering::SeqCst);
        let pushed = rolled_back(&desk, &format!("cut after {allowed} bytes"));
        let whole = line.left.load(Ordering::SeqCst) > 0;
        line.left.store(u64::MAX, Ordering::SeqCst);
        version += 1;
        let before = desk.assay(&["active", "--json"]).ok().json()[0]["version"].as_u64().unwrap();
        assert!(
            before == version || before == version - 1 && pushed.contains("pending"),
            "{before} {version} {pushed}"
        );
        desk.assay(&["reconcile"]).ok();
        assert_eq!(row(), (version, 1), "after {allowed} bytes");
        if whole {
            break;
        }
        (allowed, cut) = (allowed * 2 + 700, cut + 1);
    }
    assert!(cut >= 3, "{cut}");
    let history = desk.assay(&["active", "--history", "--json"]).ok().json();
    assert_eq!(history.as_array().unwrap().len() as u64, version, "one row for each version");
    // The database is there, and the repository is not.
    std::fs::rename(desk.path("lab/deploy.git"), desk.path("away.git")).unwrap();
    let proposed = desk.assay(&["rollback", "trend", "--to", "2", "--reason", "nowhere"]).ok().out;
    desk.approve(proposed.trim(), "lab/people/ben").ok();
    desk.assay(&["deploy", proposed.trim()]).fails(3, "deploy.git");
    desk.assay(&["reconcile"]).fails(3, "deploy.git");
    assert_eq!(pg.psql("SELECT version FROM active_configs").1.trim(), version.to_string());
    std::fs::rename(desk.path("away.git"), desk.path("lab/deploy.git")).unwrap();
    let calm = desk.assay(&["reconcile", "--json"]).ok().json();
    assert_eq!(calm["changes"], json!([]));
    desk.assay(&["audit"]).ok();
}
