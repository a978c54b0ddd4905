//! Witnesses over HTTP: ours as C2SP tlog-witness says, asked by ours; and outside implementations of
//! witness and log reader, where a Python is new enough for them.

use crate::desk::{Desk, Said, wait_for};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

/// A service that goes with the test.
pub struct Running {
    child: Child,
    pub address: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a command whose stderr, in a file, says where it listens.
fn start(desk: &Desk, mut command: std::process::Command, log: &str, before: &str) -> Running {
    let file = std::fs::File::create(desk.path(log)).unwrap();
    let child = command.stdout(Stdio::null()).stderr(file).spawn().unwrap();
    let said = || std::fs::read_to_string(desk.path(log)).unwrap();
    wait_for("the service", || said().contains(before) && said().ends_with('\n'));
    let address =
        said().split(before).nth(1).unwrap().split_whitespace().next().unwrap().trim_end_matches('/').to_string();
    Running { child, address }
}

pub fn serve(desk: &Desk, key: &str, vkey: &str) -> Running {
    let (name, memory) = (format!("{key}.example/witness"), format!("{key}-memory"));
    let args = [
        "witness",
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--log",
        vkey,
        "--key",
        key,
        "--name",
        &name,
        "--memory",
        &memory,
    ];
    start(desk, desk.command(&args), &format!("{key}.log"), "listening on http://")
}

/// The verifier key that a running witness told.
pub fn witness_key(desk: &Desk, key: &str) -> String {
    let said = std::fs::read_to_string(desk.path(&format!("{key}.log"))).unwrap();
    said.lines().find_map(|l| l.strip_prefix("witness ")).unwrap().to_string()
}

/// One request; gives status, head and body.
fn post(address: &str, path: &str, body: &[u8]) -> (u16, String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: w\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), head.to_lowercase(), body.into())
}

pub fn vkey(desk: &Desk) -> String {
    std::fs::read_to_string(desk.path("lab/ledger/log.vkey")).unwrap().trim().to_string()
}

fn grow(desk: &Desk, name: &str) {
    desk.assay(&["key", "new", "--out", name]).ok();
    desk.assay(&["key", "add", name, "--role", "researcher", "--public", &format!("{name}.pub")]).ok();
}

fn since(desk: &Desk, old: u64) -> Vec<u8> {
    desk.assay(&["prove", "--since", &old.to_string()]).ok().out.into_bytes()
}

/// P-16 and the answers of tlog-witness: 200, 400, 403, 404, 409 with the size, 422; the log's own
/// command asks, and checks what it is given.
#[test]
fn p16_add_checkpoint() {
    let desk = Desk::new();
    desk.assay(&["init", "lab", "--person", "ana"]).ok();
    ["cyd", "dan"].iter().for_each(|who| grow(&desk, who));
    desk.assay(&["key", "new", "--out", "w"]).ok();
    let vkey = vkey(&desk);
    let service = serve(&desk, "w", &vkey);
    let add = |body: &[u8]| post(&service.address, "/add-checkpoint", body);
    let key = witness_key(&desk, "w");

    let (status, _, line) = add(&since(&desk, 0));
    assert!(
        status == 200 && line.starts_with("\u{2014} w.example/witness ") && line.ends_with('\n'),
        "{status} {line}"
    );
    let (status, head, body) = add(&since(&desk, 0));
    assert!((status, &*body) == (409, "3\n") && head.contains("text/x.tlog.size"), "{status} {head} {body}");
    assert_eq!(add(&since(&desk, 3)).0, 200, "the same size again");
    assert_eq!(add(b"old 3\n\nx").0, 404);
    assert_eq!(add(b"junk").0, 400);
    let again = String::from_utf8(since(&desk, 3)).unwrap();
    assert_eq!(add(again.replace("old 3", "old 9").as_bytes()).0, 400, "above the checkpoint's");
    assert_eq!(add(again.replace("\n3\n", "\n4\n").as_bytes()).0, 403, "nobody signed that");
    let hash = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    assert_eq!(add(again.replacen("old 3\n", &format!("old 3\n{hash}\n"), 1).as_bytes()).0, 422);
    grow(&desk, "eve");
    let good = String::from_utf8(since(&desk, 3)).unwrap();
    let bad: String =
        good.lines().enumerate().map(|(n, l)| if n == 1 { format!("{hash}\n") } else { format!("{l}\n") }).collect();
    let kept = || std::fs::read_dir(desk.path("w-memory")).unwrap().count();
    let before = kept();
    assert_eq!(add(bad.as_bytes()).0, 422, "a wrong proof");
    assert_eq!(kept(), before, "which is no evidence against the log");
    assert_eq!(post(&service.address, "/nothing", b"").0, 404);
    assert_eq!(add(&vec![b'x'; 3 << 20]).0, 413);

    // The log's own command asks, and follows what the witness saw last.
    let url = format!("http://{}", service.address);
    let said = desk.assay(&["ledger", "witness", &url, "--key", &key, "--json"]).ok().json();
    assert_eq!(said[0]["names"][0], "w.example/witness");
    let before = std::fs::read(desk.path("lab/ledger/checkpoint")).unwrap();
    desk.assay(&["ledger", "witness", &url]).fails(2, "whose key nobody named");
    desk.assay(&["ledger", "witness", "w.example"]).fails(2, "is no address");
    assert_eq!(std::fs::read(desk.path("lab/ledger/checkpoint")).unwrap(), before);
    let proof = desk.assay(&["prove", "2"]).ok().out;
    std::fs::write(desk.path("2.tlog-proof"), &proof).unwrap();
    desk.assay(&["verify-proof", "2.tlog-proof", "--vkey", &vkey, "--witness", &key]).ok();
    desk.assay(&["key", "new", "--out", "other"]).ok();
    let other = serve(&desk, "other", &vkey);
    let wrong = witness_key(&desk, "other").replace("other.example", "w.example");
    desk.assay(&["ledger", "witness", &url, "--key", &wrong]).fails(2, "hash");
    drop(other);
    desk.assay(&["ledger", "witness", "http://127.0.0.1:9"]).fails(3, "cannot be asked");
}

/// The same opening of a study always gets the same seed, by HTTP and by file; an event that is none, a
/// checkpoint that this witness did not cosign, and another log get nothing.
#[test]
fn seeds() {
    let desk = Desk::new();
    desk.demo(8, &[]).ok();
    desk.assay(&["key", "new", "--out", "w"]).ok();
    let vkey = vkey(&desk);
    let service = serve(&desk, "w", &vkey);
    let key = witness_key(&desk, "w");
    let opening = desk.assay(&["log", "--kind", "StudyOpened", "--json"]).ok().json()["seq"].to_string();
    let prove = |event: &str| desk.assay(&["prove", event]).ok().out.into_bytes();
    let ask = |proof: &[u8]| post(&service.address, "/study-seed", proof);
    assert_eq!(ask(&prove(&opening)).0, 403, "not cosigned yet");
    desk.assay(&["ledger", "witness", &format!("http://{}", service.address), "--key", &key]).ok();
    let (status, _, first) = ask(&prove(&opening));
    assert!(status == 200 && first.starts_with("assay/study-seed/v1\n"), "{status} {first}");
    grow(&desk, "cyd");
    desk.assay(&["ledger", "witness", &format!("http://{}", service.address), "--key", &key]).ok();
    let later = prove(&opening);
    assert_eq!(ask(&later), (200, ask(&later).1, first.clone()), "under another checkpoint, the same answer");
    assert_eq!(ask(&prove("0")).0, 422, "no opening");
    assert_eq!(ask(b"junk").0, 400);
    std::fs::write(desk.path("p"), &later).unwrap();
    let seed =
        ["witness", "seed", "p", "--vkey", &vkey, "--key", "w", "--name", "w.example/witness", "--memory", "w-memory"];
    assert_eq!(desk.assay(&seed).ok().out, first);
    let mut other = seed;
    other[8] = "v.example/witness";
    desk.assay(&other).fails(1, "did not cosign");
}

/// The tools of others, installed by `tests/run` where a Python of 3.12 or newer is found.
fn outside() -> Option<PathBuf> {
    let found = std::env::var_os("ASSAY_OUTSIDE").map(PathBuf::from).filter(|p| p.join("aics-witness").exists());
    if found.is_none() {
        eprintln!("NOTE: ASSAY_OUTSIDE is not set: no Python of 3.12 or newer, so the outside witness was NOT tried");
    }
    found
}

/// An outside reader of logs verifies our export, its consistency, an event; an outside witness cosigns
/// our checkpoints, and its client is cosigned by ours.
#[test]
fn outside_judges() {
    let Some(bin) = outside() else { return };
    let desk = Desk::new();
    desk.demo(8, &[]).ok();
    let vkey = vkey(&desk);
    let run = |tool: &str, args: &[&str]| -> Said { desk.run(bin.join(tool).to_str().unwrap(), args) };
    desk.assay(&["ledger", "export", "out"]).ok();
    std::fs::copy(desk.path("out/checkpoint"), desk.path("old")).unwrap();
    grow(&desk, "cyd");
    desk.assay(&["ledger", "export", "out"]).ok();
    run("aics-tlog", &["verify-checkpoint", "--tiles", "out", "--log-key", &vkey]).ok();
    run("aics-tlog", &["verify-consistency", "--tiles", "out", "--log-key", &vkey, "--old-checkpoint", "old"]).ok();
    let entry = desk.assay(&["prove", "5", "--out", "proofs"]).ok();
    assert!(entry.out.contains("5.entry"));
    run(
        "aics-tlog",
        &["verify-inclusion", "--tiles", "out", "--log-key", &vkey, "--leaf", "proofs/5.entry", "--index", "5"],
    )
    .ok();
    let mut bytes = std::fs::read(desk.path("proofs/5.entry")).unwrap();
    bytes[40] ^= 1;
    std::fs::write(desk.path("bad"), bytes).unwrap();
    let said =
        run("aics-tlog", &["verify-inclusion", "--tiles", "out", "--log-key", &vkey, "--leaf", "bad", "--index", "5"]);
    assert_ne!(said.code, 0, "a flipped bit");

    // Their witness, our log.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let listen = format!("127.0.0.1:{port}");
    let init = ["init", "--config", "w.json", "--name", "theirs.example/w", "--listen", &listen];
    let key = run("aics-witness", &init).ok().out.trim().to_string();
    let origin = vkey.split('+').next().unwrap();
    run("aics-witness", &["add-log", "--config", "w.json", "--origin", origin, "--vkey", &vkey]).ok();
    let mut command = desk.hermetic(bin.join("aics-witness"));
    command.args(["serve", "--config", "w.json"]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let theirs = Running { child, address: listen };
    wait_for("their witness", || TcpStream::connect(&theirs.address).is_ok());
    let url = format!("http://{}", theirs.address);
    for who in ["dan", "eve"] {
        let said = desk.assay(&["ledger", "witness", &url, "--key", &key, "--json"]).ok().json();
        assert_eq!(said[0]["names"][0], "theirs.example/w");
        grow(&desk, who);
    }

    // Their client, our witness.
    desk.assay(&["key", "new", "--out", "w"]).ok();
    let service = serve(&desk, "w", &vkey);
    let said = std::fs::read_to_string(desk.path("w.log")).unwrap();
    let own = said.lines().find_map(|l| l.strip_prefix("witness ")).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judge/submit.py");
    let url = format!("http://{}", service.address);
    for who in ["fay", "gus"] {
        std::fs::write(desk.path("first"), since(&desk, 0)).unwrap();
        let said = run(
            "python",
            &[script.to_str().unwrap(), &url, own, desk.path("lab").to_str().unwrap(), env!("CARGO_BIN_EXE_assay")],
        )
        .ok();
        assert!(said.out.starts_with("\u{2014} w.example/witness "), "{}", said.out);
        grow(&desk, who);
    }
}
