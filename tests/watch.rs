//! The reconciler as a service: drift is healed while it runs, a database that goes away is survived and said.

use crate::desk::{Desk, Postgres, wait_for};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn figure(address: &str, name: &str) -> f64 {
    let text = get(address, "/metrics");
    let line = text.lines().find(|l| l.starts_with(name) && l.as_bytes()[name.len()] == b' ').unwrap_or_default();
    line.rsplit(' ').next().and_then(|v| v.parse().ok()).unwrap_or(f64::NAN)
}

#[test]
fn it_watches_heals_and_says_how_it_is() {
    let mut pg = Postgres::start();
    let desk = Desk::new();
    desk.demo(16, &["--live", &pg.url()]).ok();
    let mut service = desk
        .command(&["reconcile", "--watch", "--every", "1", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(service.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    let address = line.trim().rsplit("http://").next().unwrap().to_string();
    wait_for("a first round", || figure(&address, "assay_live_strategies") == 1.0);
    assert!(get(&address, "/healthz").contains("200 OK"));
    pg.psql("UPDATE assay.active_configs SET author = 'eve'");
    wait_for("the drift to be healed", || pg.psql("SELECT author FROM active_configs").1.trim() == "ana");
    wait_for("the drift to be counted", || figure(&address, "assay_drift_total") == 1.0);
    pg.kill();
    wait_for("a failed round", || figure(&address, "assay_reconcile_failures_total") >= 1.0);
    assert!(get(&address, "/healthz").contains("the last round failed"), "well until it has failed for long");
    pg.resume();
    wait_for("it to be well again", || get(&address, "/healthz").ends_with("ok\n"));
    assert!(get(&address, "/other").contains("404"));
    desk.run("kill", &[&service.id().to_string()]).ok();
    assert_eq!(service.wait().unwrap().code(), Some(0), "it was asked to");
    desk.assay(&["reconcile", "--watch", "--check"]).fails(2, "--check");
    desk.assay(&["reconcile", "--every", "3"]).fails(2, "--watch");
    desk.assay(&["reconcile", "--watch", "--listen", "nowhere"]).fails(2, "cannot listen on nowhere");
}
