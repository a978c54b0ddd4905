//! Seeds out of the researcher's reach: given by a witness over the opening of a study, recorded, computed again by the
//! gate, and worth something only from a witness that the policy knows.

use crate::desk::{Desk, SYMBOLS, write_market};
use crate::witness::{Running, serve, vkey, witness_key};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

/// A lab with a market, a reviewer, and a witness of its own making that runs.
fn stage() -> (Desk, Running, String) {
    let desk = Desk::new();
    for name in ["ben", "w"] {
        desk.assay(&["key", "new", "--out", name]).ok();
    }
    desk.assay(&["init", "lab", "--person", "ana", "--reviewer", "ben=ben.pub", "--allow-generated"]).ok();
    let market = assay_research::data::generate::market(&SYMBOLS.map(String::from), 24 * 420, 3);
    write_market(&desk.path("market"), &market);
    desk.assay(&["data", "import", "market", "--assume-brackets-from", "2020-01-01"]).ok();
    desk.strategy_and_study(24);
    let service = serve(&desk, "w", &vkey(&desk));
    let key = witness_key(&desk, "w");
    (desk, service, key)
}

fn settings(desk: &Desk, more: &str) {
    let path = desk.path("lab/assay.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(path, format!("{text}{more}\n")).unwrap();
}

fn events(desk: &Desk, kind: &str) -> Vec<Value> {
    let out = desk.assay(&["log", "--kind", kind, "--json"]).ok().out;
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The parameters of a study's first trials.
fn first(desk: &Desk, study: &str) -> Value {
    desk.assay(&["trials", study, "--all", "--json"]).ok().json()[0]["params"].clone()
}

fn run(desk: &Desk, name: &str, more: &[&str]) -> crate::desk::Said {
    desk.assay(&[&["study", "run", "trend.toml", "study.toml", "--name", name][..], more].concat())
}

/// A witness in front of another one, which does what is asked but for seeds. Gives its address.
fn lame(address: &str) -> String {
    let (own, address) = (TcpListener::bind("127.0.0.1:0").unwrap(), address.to_string());
    let url = format!("http://{}", own.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut asked in own.incoming().flatten() {
            let mut head = [0; 65536];
            let mut len = 0;
            while !is_whole(&head[..len]) {
                len += asked.read(&mut head[len..]).unwrap();
            }
            if head.starts_with(b"POST /add-checkpoint") {
                let mut there = TcpStream::connect(&address).unwrap();
                there.write_all(&head[..len]).unwrap();
                let mut answer = [0; 65536];
                let n = there.read(&mut answer).unwrap();
                asked.write_all(&answer[..n]).unwrap();
            }
        }
    });
    url
}

/// Whether a request is there with its whole body.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|l| l.to_lowercase().strip_prefix("content-length: ").map(String::from));
    length.is_some_and(|n| body.len() >= n.parse().unwrap())
}

/// The witness gives the seed: another one to each opening, the same whenever it is asked; a study waits for a witness
/// that does not answer, and cannot be run without.
#[test]
fn a_witness_gives_the_seed() {
    let (desk, service, key) = stage();
    let url = format!("http://{}", service.address);
    run(&desk, "strange", &["--witness", &url]).fails(2, "whose key nobody named");
    desk.assay(&["study", "show", "strange"]).fails(2, "no study");
    run(&desk, "keyed", &["--witness", &url, "--witness-key", &key]).ok();
    settings(&desk, &format!("witness = \"{url}\"\nwitnesses = [\"{key}\"]"));
    assert!(run(&desk, "one", &[]).ok().err.contains("w.example/witness gave the seed of 'one'"));
    run(&desk, "two", &[]).ok();
    run(&desk, "own", &["--seed", "0"]).ok();
    assert_ne!(first(&desk, "one"), first(&desk, "two"), "another opening, another seed");
    assert_eq!(events(&desk, "StudySeeded").len(), 3);
    // One that cosigns and dies before it gives the seed: the study waits, and goes on.
    let lame = lame(&service.address);
    run(&desk, "late", &["--witness", &lame]).fails(3, "go on with `assay study resume late`");
    desk.assay(&["parity", "--study", "late"]).fails(2, "no feasible trial");
    desk.assay(&["study", "resume", "late"]).ok();
    assert_eq!(events(&desk, "StudySeeded").len(), 4);
    // One that is not there: nothing is opened.
    drop(service);
    run(&desk, "never", &[]).fails(3, "cannot be asked");
    desk.assay(&["study", "show", "never"]).fails(2, "no study");
    desk.assay(&["verify", "--deep"]).ok();
}

/// Thrown away and opened again: the witness has seen the first, and cosigns no other history.
#[test]
fn an_opening_that_was_disliked_leaves_its_trace() {
    let (desk, service, key) = stage();
    let url = format!("http://{}", service.address);
    settings(&desk, &format!("witness = \"{url}\"\nwitnesses = [\"{key}\"]"));
    crate::desk::copy_dir(&desk.path("lab"), &desk.path("before"));
    run(&desk, "one", &[]).ok();
    let disliked = first(&desk, "one");
    std::fs::rename(desk.path("lab"), desk.path("thrown")).unwrap();
    std::fs::rename(desk.path("before"), desk.path("lab")).unwrap();
    // On this machine the lab itself remembers; on another one the witness does.
    run(&desk, "one", &[]).fails(1, "");
    std::fs::remove_dir_all(desk.path(".local")).ok();
    std::fs::remove_dir_all(desk.path("state")).ok();
    let said = run(&desk, "one", &[]);
    assert!(said.code != 0, "{}", said.err);
    assert!(events(&desk, "StudySeeded").is_empty(), "no second seed beside {disliked}");
}

/// A witness that the policy does not know gives whatever its owner likes: such a seed goes nowhere.
#[test]
fn a_witness_of_ones_own_is_refused() {
    let (desk, service, key) = stage();
    settings(&desk, &format!("witness = \"http://{}\"\nwitnesses = [\"{key}\"]", service.address));
    run(&desk, "own", &[]).ok();
    desk.assay(&["parity"]).ok();
    let branch = desk.assay(&["promote"]).ok().out.trim().to_string();
    let review = desk.assay(&["review", &branch, "--json"]).ok().json();
    let seed = |review: &Value| review["checks"].as_array().unwrap().iter().find(|c| c["check"] == "seed").cloned();
    assert!(
        seed(&review).unwrap_or_default().to_string().contains("not the first witness of the policy"),
        "{review:#}"
    );
    desk.approve(&branch, "ben").ok();
    desk.assay(&["reproduce", &branch, "--key", "ben"]).ok();
    desk.assay(&["deploy", &branch]).fails(4, "seed-reach");
    // With a policy that names it, and asks for such a seed, the same proposal passes that check, and one with a
    // seed of one's own does not.
    desk.git(&["clone", "-q", "lab/deploy.git", "p"]).ok();
    let policy = std::fs::read_to_string(desk.path("p/configs/policy.toml")).unwrap();
    let policy =
        policy.replacen("version = 1", "version = 2", 1).replacen("[gates]\n", "[gates]\nwitnessed_seed = true\n", 1);
    std::fs::write(desk.path("p/configs/policy.toml"), format!("{policy}\n[[witnesses]]\nvkey = \"{key}\"\n")).unwrap();
    for person in ["lab/keys/ana", "ben"] {
        desk.assay(&["policy", "sign", "p/configs/policy.toml", "--key", person]).ok();
    }
    desk.git(&["-C", "p", "add", "-A"]).ok();
    desk.git(&["-C", "p", "commit", "-q", "-m", "policy"]).ok();
    desk.git(&["-C", "p", "push", "-q"]).ok();
    desk.git(&["--git-dir", "lab/repo.git", "fetch", "-q", "lab/deploy.git", "main:main"]).ok();
    run(&desk, "named", &["--seed", "1"]).ok();
    for (study, words) in
        [("own", "given by the witness w.example/witness"), ("named", "the policy asks for a witness's")]
    {
        desk.assay(&["parity", "--study", study]).ok();
        let branch = desk.assay(&["promote", "--study", study]).ok().out.trim().to_string();
        let review = desk.assay(&["review", &branch, "--json"]).ok().json();
        assert!(seed(&review).unwrap_or_default().to_string().contains(words), "{study}: {review:#}");
        assert_eq!(review["seed"] == json!("witnessed"), study == "own");
    }
}
