//! Run again: one's own trials, and proposals with data that are had from wherever they are.

use crate::desk::{Desk, SYMBOLS, wait_for, write_market};
use std::io::{Read as _, Write as _};
use std::process::{Child, Stdio};

/// A lab with a proposal that a reviewer is to reproduce. Gives its branch.
fn proposed() -> (Desk, String) {
    let desk = Desk::new();
    desk.assay(&["key", "new", "--out", "ben"]).ok();
    desk.assay(&["init", "lab", "--person", "ana", "--reviewer", "ben=ben.pub", "--allow-generated"]).ok();
    let market = assay_research::data::generate::market(&SYMBOLS.map(String::from), 24 * 420, 3);
    write_market(&desk.path("market"), &market);
    desk.assay(&["data", "import", "market", "--assume-brackets-from", "2020-01-01"]).ok();
    desk.strategy_and_study(48);
    desk.assay(&["study", "run", "trend.toml", "study.toml"]).ok();
    desk.assay(&["parity"]).ok();
    let branch = desk.assay(&["promote"]).ok().out.trim().to_string();
    (desk, branch)
}

fn forget(desk: &Desk) {
    for folder in ["lab/snapshots", "lab/rulebooks"] {
        std::fs::remove_dir_all(desk.path(folder)).unwrap();
        std::fs::create_dir(desk.path(folder)).unwrap();
    }
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A folder served as any web server would. Gives the address.
fn served(desk: &Desk, folder: &str) -> (Server, String) {
    let log = std::fs::File::create(desk.path("server.log")).unwrap();
    let mut command = std::process::Command::new("python3");
    command.args(["-u", "-m", "http.server", "--bind", "127.0.0.1", "0"]).current_dir(desk.path(folder));
    let server = Server(command.stdout(log).stderr(Stdio::null()).spawn().unwrap());
    let said = || std::fs::read_to_string(desk.path("server.log")).unwrap();
    wait_for("the server", || said().contains(" port "));
    let port = said().split(" port ").nth(1).unwrap().split(' ').next().unwrap().to_string();
    (server, format!("http://127.0.0.1:{port}"))
}

/// Each trial of one's own is what was recorded, whatever became of it.
#[test]
fn ones_own_trials() {
    let (desk, _) = proposed();
    let best = desk.assay(&["trial", "reproduce"]).ok().out;
    assert!(best.contains("on both engines"), "{best}");
    let trials = desk.assay(&["trials", "--all", "--json"]).ok().json();
    for state in ["COMPLETE", "PRUNED", "FAIL"] {
        let Some(trial) = trials.as_array().unwrap().iter().find(|t| t["state"] == state) else { continue };
        let number = trial["number"].to_string();
        let said = desk.assay(&["trial", "reproduce", &number, "--json"]).ok().json();
        assert_eq!(said["stream_hash"].is_string(), state == "COMPLETE", "{said}");
    }
    desk.assay(&["trial", "reproduce", "999"]).fails(2, "no trial 999");
}

/// The data of a proposal from a store, by file and over HTTP; from files that are imported again; and never others.
#[test]
fn data_from_wherever_they_are() {
    let (desk, branch) = proposed();
    let again =
        |more: &[&str]| desk.assay(&[&["reproduce", &branch, "--key", "ben", "--sample", "3"][..], more].concat());
    let files = desk.assay(&["data", "share", "store"]).ok().out;
    let snapshot = files.lines().find(|l| l.ends_with(".parquet") && !l.contains("funding")).unwrap().to_string();
    forget(&desk);
    again(&[]).fails(2, "cannot be read here");
    // By file.
    again(&["--snapshot", "market"]).fails(2, "is not a file of the snapshot");
    let said = again(&["--snapshot", &snapshot]).ok();
    assert!(said.err.contains("the proposer's own copy"), "{}", said.err);
    // By HTTP; and one that serves something else.
    forget(&desk);
    let settings = std::fs::read_to_string(desk.path("lab/assay.toml")).unwrap();
    let (server, url) = served(&desk, "store");
    std::fs::write(desk.path("lab/assay.toml"), format!("snapshots = \"{url}\"\n{settings}")).unwrap();
    let good = std::fs::read(desk.path(&snapshot)).unwrap();
    let other = assay_research::data::generate::market(&SYMBOLS.map(String::from), 24 * 420, 4);
    write_market(&desk.path("other"), &other);
    let mut bad = good.clone();
    let middle = bad.len() / 2;
    bad[middle] ^= 1;
    std::fs::write(desk.path(&snapshot), &bad).unwrap();
    again(&[]).fails(1, "is another one");
    let left: Vec<_> = std::fs::read_dir(desk.path("lab/snapshots")).unwrap().collect();
    assert!(left.is_empty(), "nothing of it stays: {left:?}");
    std::fs::write(desk.path(&snapshot), &good).unwrap();
    again(&[]).ok();
    forget(&desk);
    drop(server);
    again(&[]).fails(3, "look whether `snapshots`");
    // From the files themselves.
    std::fs::write(desk.path("lab/assay.toml"), settings).unwrap();
    again(&["--data", "other"]).fails(1, "gives the data");
    again(&["--data", "market"]).ok();
}

/// A budget runs what it allows, the promoted trial first, and says how many.
#[test]
fn a_budget_of_time() {
    let (desk, branch) = proposed();
    let again =
        |time: &str| desk.assay(&["reproduce", &branch, "--key", "ben", "--budget", time, "--jobs", "1", "--json"]);
    let few = again("0s").ok().json();
    assert!((1..32).contains(&few["ran"].as_u64().unwrap()) && few["counts"] == false, "{few}");
    let all = again("2h").ok().json();
    assert_eq!((&all["ran"], &all["counts"]), (&48.into(), &true.into()), "all of them, when there is time");
    again("soon").fails(2, "write it as 90s");
}

/// A reproduction is of one config, to the byte: that of another proposal of the same trial does not count, and a smaller
/// one takes no larger one's place.
#[test]
fn a_reproduction_is_of_one_config() {
    let (desk, branch) = proposed();
    let reproduced = |branch: &str| desk.assay(&["review", branch, "--json"]).ok().json()["reproduced"].clone();
    let few = desk.assay(&["reproduce", &branch, "--key", "ben", "--sample", "3"]).ok();
    assert!(few.err.contains("does NOT COUNT") && few.err.contains("at least 32"), "{}", few.err);
    assert_eq!(reproduced(&branch), serde_json::json!({}));
    desk.assay(&["reproduce", &branch, "--key", "ben"]).ok();
    desk.assay(&["reproduce", &branch, "--key", "ben", "--sample", "3"]).fails(2, "the larger one stays");
    assert_eq!(reproduced(&branch)["ben"], "proposer");
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let other = desk.assay(&["promote"]).ok().out.trim().to_string();
    assert_ne!(branch, other);
    desk.git(&["clone", "-q", "-b", &other, "lab/repo.git", "c"]).ok();
    desk.git(&["-C", "c", "checkout", "-q", &format!("origin/{branch}"), "--", "evidence/trend/v1/reproductions"]).ok();
    desk.git(&["-C", "c", "commit", "-q", "-m", "borrowed"]).ok();
    desk.git(&["-C", "c", "push", "-q", "origin", &format!("HEAD:{other}")]).ok();
    assert_eq!(reproduced(&other), serde_json::json!({}));
    // The author's signature over the same words is nobody else's.
    desk.git(&["clone", "-q", "-b", &branch, "lab/repo.git", "own"]).ok();
    let sign = "cd own/evidence/trend/v1/reproductions && cp ben.txt ana.txt && rm ben.* && \
                ssh-keygen -q -Y sign -n reproduction@assay -f ../../../../../lab/keys/ana ana.txt 2>/dev/null && \
                mv ana.txt.sig ana.sig";
    desk.run("sh", &["-c", sign]).ok();
    desk.git(&["-C", "own", "add", "-A"]).ok();
    desk.git(&["-C", "own", "commit", "-q", "-m", "own"]).ok();
    desk.git(&["-C", "own", "push", "-q", "origin", &format!("HEAD:{branch}")]).ok();
    assert_eq!(reproduced(&branch), serde_json::json!({}));
}

/// A server without end: what it gives is cut where the snapshot's own contents, or what they may be at most, end.
#[test]
fn a_store_without_end() {
    let (desk, branch) = proposed();
    forget(&desk);
    let own = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", own.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut asked in own.incoming().flatten() {
            let mut head = [0; 4096];
            let _ = asked.read(&mut head);
            let _ = asked.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
            while asked.write_all(&[b'['; 65536]).is_ok() {}
        }
    });
    let settings = std::fs::read_to_string(desk.path("lab/assay.toml")).unwrap();
    std::fs::write(desk.path("lab/assay.toml"), format!("snapshots = \"{url}\"\n{settings}")).unwrap();
    std::fs::create_dir_all(desk.path("lab/snapshots/.download-999999999")).unwrap();
    desk.assay(&["reproduce", &branch, "--key", "ben"]).fails(3, "at most 67108864 bytes");
    let left: Vec<_> = std::fs::read_dir(desk.path("lab/snapshots")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Whoever has no key of the policy runs again what is proposed, or live, and signs nothing.
#[test]
fn an_auditor_signs_nothing() {
    let (desk, branch) = proposed();
    let tip = || desk.git(&["--git-dir", "lab/repo.git", "rev-parse", &branch]).ok().out;
    let before = tip();
    let said = desk.assay(&["reproduce", &branch, "--unsigned"]).ok();
    assert!(
        said.out.contains("48 of 48 trials") && said.err.contains("nothing was signed"),
        "{} {}",
        said.out,
        said.err
    );
    let said = desk.assay(&["reproduce", &branch, "--unsigned", "--sample", "40", "--json"]).ok().json();
    assert_eq!((&said["person"], &said["counts"], &said["ran"]), (&serde_json::Value::Null, &false.into(), &40.into()));
    assert_eq!(tip(), before);
    desk.assay(&["reproduce", "trend", "--unsigned"]).fails(2, "neither a branch nor a live strategy");
    desk.assay(&["reproduce", &branch, "--unsigned", "--key", "ben"]).fails(2, "cannot be used with");
    let other = Desk::new();
    other.demo(16, &[]).ok();
    assert!(other.assay(&["reproduce", "trend", "--unsigned"]).ok().out.contains("16 of 16 trials"));
}
