//! The independent verifier in Python and ours give the same verdict, on clean and on corrupted
//! exports. What they share is `ledger/FORMAT.md`.

use crate::desk::Desk;
use assay_ledger::audit::export::Export;
use assay_ledger::format::entry::{Place, content, seal};
use assay_ledger::format::hash::hex;
use assay_ledger::keys::note::Verifier;
use assay_ledger::keys::sshsig::signed_data;
use assay_ledger::storage::disk::RealDisk;
use assay_ledger::tree::merkle::{Nodes as _, Tree, leaf_hash};
use assay_ledger::{Checkpoint, Draft, EventId, Hash, Signer, tree::tile};
use assay_shared::event::roster::Roster;
use assay_shared::event::{
    CONSENT_NAMESPACE, Consent, Event, KeyAdded, KeyRevoked, KeyRevokedV2, KeyRotated, KeyThresholdSet, LabCreated,
    StudyClosed, change_statement, rotation_message,
};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const ORIGIN: &str = "judge.example/log";
const EACH: u64 = 130;

fn signer(n: u8) -> Signer {
    Signer::from_seed([n; 32])
}

fn raw(n: u8) -> [u8; 32] {
    signer(n).public().to_bytes()
}

/// A counter-based random number (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, of: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) % of.max(1) as u64) as usize
    }
}

/// An entry before it is sealed, with everything that a forger could choose.
#[derive(Clone)]
struct Line {
    draft: Draft,
    author: u8,
    signed_by: u8,
    origin: String,
    seq: u64,
    time_us: u64,
    wrong_link: bool,
}

fn line(seq: u64, event: impl Into<Event>, by: u8) -> Line {
    let draft = event.into().draft().unwrap();
    let time_us = 1_700_000_000_000_000 + seq;
    Line { draft, author: by, signed_by: by, origin: ORIGIN.into(), seq, time_us, wrong_link: false }
}

fn fact(n: u64) -> StudyClosed {
    let mut study_id = [0; 16];
    study_id[..8].copy_from_slice(&n.to_be_bytes());
    StudyClosed { study_id, trials: 3, best: None, statistics: vec![] }
}

fn rotated(old: u8, new: u8) -> KeyRotated {
    let proof = signer(new).sign(&rotation_message(ORIGIN, &raw(old), &raw(new))).unwrap();
    KeyRotated { old: raw(old), new: raw(new), proof }
}

/// 300 lines by four people: founder 1, researcher 2 (later 5), deployer 3, researcher 4 until 200.
fn lines() -> Vec<Line> {
    let added =
        |p: &str, r: &str, key| KeyAdded { person: p.into(), roles: vec![r.into(), "later".into()], key: raw(key) };
    let mut out = vec![
        line(
            0,
            LabCreated {
                lab: "j".into(),
                founder: "ana".into(),
                key: raw(1),
                log_key: raw(9),
                engine_version: "0".into(),
            },
            1,
        ),
        line(1, added("cyd", "researcher", 2), 1),
        line(2, added("dep", "deployer", 3), 1),
        line(3, added("eli", "researcher", 4), 1),
    ];
    for seq in 4..300 {
        out.push(match seq {
            100 => line(seq, rotated(2, 5), 2),
            200 => line(seq, KeyRevoked { key: raw(4), reason: "left".into() }, 4),
            150 => Line {
                draft: Draft { id: EventId([7; 16]), kind: "FromTheFuture".into(), version: 3, payload: vec![1, 2, 3] },
                ..line(seq, fact(seq), 3)
            },
            _ => line(seq, fact(seq), if seq < 100 { 2 } else { 5 }),
        });
    }
    out
}

fn sealed(lines: &[Line]) -> Vec<Vec<u8>> {
    let mut prev = Hash::ZERO;
    let mut out = Vec::new();
    for l in lines {
        let link = if l.wrong_link { Hash::of(b"wrong") } else { prev };
        let place = Place { origin: &l.origin, seq: l.seq, prev: link, time_us: l.time_us };
        let bytes = content(&l.draft, &place, &signer(l.author).id());
        prev = Hash::of(&bytes);
        out.push(seal(bytes, &prev, &signer(l.signed_by)).unwrap());
    }
    out
}

fn write(dir: &Path, entries: &[Vec<u8>], log_key: u8) {
    let tree = Tree::from_leaves(entries.iter().map(|e| leaf_hash(e)));
    let bundle = |range: std::ops::Range<u64>| {
        let mut out = Vec::new();
        range.for_each(|s| tile::push_entry(&mut out, &entries[s as usize]));
        Ok(out)
    };
    let put = |path: String, bytes: Vec<u8>| {
        let path = dir.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
        Ok(())
    };
    tile::files_since(&tree, 0, tree.len(), bundle, put).unwrap();
    let c = Checkpoint { origin: ORIGIN.into(), size: tree.len(), root: tree.root().unwrap() };
    std::fs::write(dir.join("checkpoint"), c.sign(&signer(log_key)).unwrap()).unwrap();
    let verifier = Verifier::new(ORIGIN, signer(log_key).public()).unwrap();
    std::fs::write(dir.join("log.vkey"), format!("{verifier}\n")).unwrap();
}

fn files(dir: &Path, out: &mut Vec<PathBuf>) {
    for item in std::fs::read_dir(dir).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() { files(&path, out) } else { out.push(path) }
    }
    out.sort();
}

/// What a disk or a clumsy hand does: bytes change, go, come, files move.
fn spoil(dir: &Path, dice: &mut Dice) {
    let mut all = Vec::new();
    files(dir, &mut all);
    let path = all[dice.roll(all.len())].clone();
    let mut bytes = std::fs::read(&path).unwrap();
    let at = dice.roll(bytes.len());
    match dice.roll(8) {
        // Something of that name that is no file.
        7 => {
            std::fs::remove_file(&path).unwrap();
            return std::fs::create_dir(&path).unwrap();
        }
        0 => bytes.truncate(at),
        1 => bytes.insert(at, dice.roll(256) as u8),
        2 => return std::fs::remove_file(&path).unwrap(),
        3 => {
            let other = all[dice.roll(all.len())].clone();
            bytes = std::fs::read(other).unwrap();
        }
        _ => bytes[at] ^= 1 << dice.roll(8),
    }
    std::fs::write(&path, bytes).unwrap();
}

/// Spoils the checkpoint's note in ways that only one of two careful readers might see.
fn spoil_note(dir: &Path, how: usize) {
    let path = dir.join("checkpoint");
    let mut text = std::fs::read_to_string(&path).unwrap();
    let (start, line) = (text.rfind('\u{2014}').unwrap(), text[text.rfind('\u{2014}').unwrap()..].to_string());
    let stranger = "\u{2014} x.example AAAAAAAAAAA=\n";
    match how {
        // The unused bits of the last character.
        0 => {
            let at = text.trim_end().trim_end_matches('=').len() - 1;
            let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
            let next = alphabet.find(&text[at..=at]).unwrap() ^ 1;
            text.replace_range(at..=at, &alphabet[next..=next]);
        }
        1 => text += &stranger.repeat(100),
        2 => text += &stranger.repeat(99),
        // A second line by the log's key that does not verify; and that one first.
        3 => text += &line.replacen("AA", "BB", 1).replace(&line, &format!("{}x", &line[..line.len() - 12])),
        4 => text.insert_str(start, &format!("{}AAAA{}", &line[..line.len() - 20], &line[line.len() - 16..])),
        5 => text.insert(0, '\u{1}'),
        // Extension lines: signed ones are fine, an empty one is not, nor is one that nobody signed.
        6 | 7 => {
            let body = format!("{}{}", &text[..start - 1], if how == 6 { "one\ntwo\n" } else { "one\n\ntwo\n" });
            text = assay_ledger::keys::note::sign(&body, ORIGIN, &signer(9)).unwrap();
        }
        8 => text.insert_str(start - 1, "one\n"),
        // A size that no folder can hold.
        _ => {
            let huge = Checkpoint { origin: ORIGIN.into(), size: i64::MAX as u64, root: Hash::of(b"x") };
            text = huge.sign(&signer(9)).unwrap();
        }
    }
    std::fs::write(&path, text).unwrap();
}

/// What a forger with some of the keys does: everything is sealed and published again.
fn forge(dir: &Path, dice: &mut Dice) {
    let mut l = lines();
    let at = 4 + dice.roll(l.len() - 6);
    let seq = at as u64;
    let mut log_key = 9;
    match dice.roll(26) {
        0 => (l[at].author, l[at].signed_by) = (8, 8),
        1 => (l[at].author, l[at].signed_by) = (3, 3),
        2 => l[at].seq += 1,
        3 => l[at].origin = "other.example/log".into(),
        4 => l[at].time_us -= 5,
        5 => l[at].draft.id = l[at - 1].draft.id,
        6 => l[at].wrong_link = true,
        7 => drop(l.remove(at)),
        8 => l.swap(at, at + 1),
        9 => l[at].signed_by = 1,
        10 => l[at] = line(seq, KeyRevoked { key: raw(1), reason: "last".into() }, 1),
        11 => l[at] = line(seq, KeyRotated { proof: [0; 64], ..rotated(1, 6) }, 1),
        12 => l[at] = line(seq, KeyAdded { person: "x".into(), roles: vec![], key: raw(3) }, 1),
        13 => (l[at].author, l[at].signed_by) = (4, 4),
        14 => log_key = 8,
        15 => l[at] = line(seq, lines_founding(), 1),
        16 => l[at].draft.version = 4,
        // Under a threshold of two admins: alone, with a consent that is none, and well agreed.
        n @ 17..=24 => {
            let second = KeyAdded { person: "bea".into(), roles: vec!["admin".into()], key: raw(11) };
            l[4] = line(4, second, 1);
            l[5] = line(5, KeyThresholdSet { admins: if n == 17 { 3 } else { 2 } }, 1);
            let origin = if n == 20 { "other.example/log" } else { ORIGIN };
            let agreed = |change: &str| {
                let by = if n == 21 { 3 } else { 11 };
                let data = signed_data(CONSENT_NAMESPACE, change_statement(origin, change).as_bytes()).unwrap();
                let consent = Consent { key: raw(by), signature: signer(by).sign(&data).unwrap() };
                if n == 19 { vec![] } else { vec![consent] }
            };
            let (key, reason) = (raw(3), "x".to_string());
            let words = if n == 22 { format!("revoke {}", hex(&raw(2))) } else { format!("revoke {}", hex(&key)) };
            l[at] = match n {
                18 => line(seq, KeyRevoked { key, reason }, 1),
                23 => line(seq, KeyAdded { person: "mal".into(), roles: vec!["admin".into()], key: raw(12) }, 1),
                _ => line(seq, KeyRevokedV2 { key, reason, consents: agreed(&words) }, 1),
            };
        }
        _ => l[at] = line(seq, KeyAdded { person: "x".into(), roles: vec!["admin".into()], key: [0; 32] }, 1),
    }
    write(dir, &sealed(&l), log_key);
}

fn lines_founding() -> LabCreated {
    LabCreated { lab: "k".into(), founder: "eve".into(), key: raw(8), log_key: raw(9), engine_version: "0".into() }
}

/// Our findings' positions and reasons; one when the export does not even open.
fn ours(dir: &Path) -> BTreeSet<(u64, String)> {
    let Ok(export) = Export::open(&RealDisk, dir, None) else {
        return BTreeSet::from([(0, "bad-checkpoint".into())]);
    };
    let mut roster = Roster::new();
    let found = export.verify(&mut roster).unwrap();
    found.iter().map(|f| (f.seq, f.reason.to_string())).collect()
}

/// The same findings, each with its number and reason, on a clean export and on every corrupted one.
#[test]
fn the_judge_agrees() {
    let python = std::env::var("ASSAY_PYTHON").expect("ASSAY_PYTHON is not set: run tests/run, which installs it");
    let desk = Desk::new();
    let mut dirs = vec![desk.path("clean")];
    write(&dirs[0], &sealed(&lines()), 9);
    for how in 0..10 {
        dirs.push(desk.path(&format!("note-{how}")));
        write(&dirs[how + 1], &sealed(&lines()), 9);
        spoil_note(&dirs[how + 1], how);
    }
    for n in 0..EACH {
        let (spoiled, forged) = (desk.path(&format!("spoiled-{n}")), desk.path(&format!("forged-{n}")));
        write(&spoiled, &sealed(&lines()), 9);
        spoil(&spoiled, &mut Dice(n));
        forge(&forged, &mut Dice(n));
        dirs.extend([spoiled, forged]);
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/judge/verify.py");
    let args: Vec<&str> = [script].into_iter().chain(dirs.iter().map(|d| d.to_str().unwrap())).collect();
    let said = desk.run(&python, &args);
    assert_eq!(said.code, 1, "{}", said.err);
    let mut bad = 0;
    for (dir, line) in dirs.iter().zip(said.out.lines()) {
        let theirs: serde_json::Value = serde_json::from_str(line).unwrap();
        let finding = |f: &serde_json::Value| (f[0].as_u64().unwrap(), f[1].as_str().unwrap().to_string());
        let theirs: BTreeSet<_> = theirs["findings"].as_array().unwrap().iter().map(finding).collect();
        assert_eq!(ours(dir), theirs, "{}: {line}", dir.display());
        bad += usize::from(!theirs.is_empty());
    }
    assert_eq!(said.out.lines().count(), dirs.len(), "{}", said.err);
    assert_eq!(ours(&dirs[0]), BTreeSet::new());
    assert!(bad > 200, "only {bad} of the corruptions were found");
}

/// The judge verifies what the program itself exports, and sees a flipped bit in it.
#[test]
fn the_judge_reads_a_real_export() {
    let python = std::env::var("ASSAY_PYTHON").expect("ASSAY_PYTHON is not set: run tests/run, which installs it");
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    desk.assay(&["ledger", "export", "out"]).ok();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/judge/verify.py");
    let vkey = std::fs::read_to_string(desk.path("lab/ledger/log.vkey")).unwrap();
    desk.run(&python, &[script, "--vkey", vkey.trim(), "out"]).ok();
    desk.assay(&["verify", "--export", "out", "--vkey", vkey.trim()]).ok();
    let mut all = Vec::new();
    files(&desk.path("out/tile/entries"), &mut all);
    let mut bytes = std::fs::read(&all[0]).unwrap();
    bytes[5000] ^= 1;
    std::fs::write(&all[0], bytes).unwrap();
    assert_eq!(desk.run(&python, &[script, "--vkey", vkey.trim(), "out"]).code, 1);
    desk.assay(&["verify", "--export", "out", "--vkey", vkey.trim()]).fails(1, "findings");
}

/// A script that was written from `assay guide formulas` alone asks again for every trial of studies, whatever the
/// parameters are: whole numbers, logarithms, steps, choices, and one that counts sometimes.
#[test]
fn the_judge_asks_for_the_same_trials() {
    let python = std::env::var("ASSAY_PYTHON").expect("ASSAY_PYTHON is not set: run tests/run, which installs it");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/judge/sampler.py");
    let desk = Desk::new();
    desk.lab_with_market();
    let strategy = r#"
name = "asked"
interval = "1h"
symbols = ["BTCUSDT"]
constraints = ["fast * 2 <= slow"]
[parameters]
fast = { type = "int", low = 5, high = 60, default = 20 }
slow = { type = "int", low = 20, high = 400, step = 4, default = 100 }
long = { type = "int", low = 2, high = 90, log = true, default = 10 }
level = { type = "float", low = 0.1, high = 50.0, log = true, default = 10.0 }
part = { type = "float", low = 0.1, high = 0.3, step = 0.05, default = 0.2 }
kind = { type = "choice", choices = [1, 2, 5], default = 1 }
wide = { type = "bool", default = true }
room = { type = "float", low = 1.0, high = 9.0, default = 2.0, when = "wide" }
[indicators]
f = "EMA(close, fast)"
s = "EMA(close, slow)"
[signals]
long_entry = "crosses_above(f, s) and ADX(high, low, close, long) > level / kind"
long_exit = "crosses_below(f, s)"
[stops]
stop_loss = "min(part, if(wide, room, 1) * ATR(high, low, close, 14) / close)"
[sizing]
margin_fraction = 0.2
leverage = 2
"#;
    std::fs::write(desk.path("asked.toml"), strategy).unwrap();
    for (sampler, seed, batch) in [("random", 3, 1), ("tpe", 11, 4), ("tpe", 12, 1)] {
        let name = format!("{sampler}{seed}");
        let study = format!(
            "name = \"{name}\"\ntrials = 70\nseed = {seed}\nbatch = {batch}\n[sampler]\nname = \"{sampler}\"\n"
        );
        std::fs::write(desk.path("study.toml"), study).unwrap();
        desk.assay(&["study", "run", "asked.toml", "study.toml"]).ok();
        let trials = desk.assay(&["trials", &name, "--all", "--json", "--limit", "1000"]).ok().out;
        std::fs::write(desk.path("trials.json"), &trials).unwrap();
        let (seed, batch) = (seed.to_string(), batch.to_string());
        let ask = |seed: &str| desk.run(&python, &[script, "asked.toml", "trials.json", seed, &batch, sampler]);
        assert!(ask(&seed).ok().out.contains("70 trials agree"));
        assert_eq!(ask("4").code, 1, "of another seed they are others");
    }
}
