//! Every mistake that we could think of, with the whole text that answers it: what was wrong, where, what to do next.
//!
//! `tests/golden/mistakes.txt` holds the files that mistakes are made with, and after each command its exit code and
//! everything on stderr. A new line that begins with `$ assay` is a new case: run with ASSAY_BLESS=1 and read the answer.

use crate::desk::Desk;
use crate::wrong_input::state;
use std::fmt::Write as _;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/mistakes.txt");

/// Words of a command: blanks part them, single quotes hold them together.
fn words(line: &str) -> Vec<String> {
    let mut out = vec![String::new()];
    let (mut quoted, mut any) = (false, false);
    for c in line.chars() {
        match c {
            '\'' => (quoted, any) = (!quoted, true),
            ' ' if !quoted => {
                if any || out.last().is_some_and(|w| !w.is_empty()) {
                    out.push(String::new());
                }
                any = false;
            }
            c => out.last_mut().unwrap().push(c),
        }
    }
    out
}

/// What differs from run to run: folders, hashes, keys, times.
fn settled(desk: &Desk, text: &str) -> String {
    let text = text.replace(&desk.path("").display().to_string(), "~/");
    let text = text.replace(desk.home.path().to_str().unwrap(), "~");
    let mut out = String::new();
    let flush = |word: &mut String, out: &mut String| {
        let long = word.len() >= 12 && word.chars().any(|c| c.is_ascii_digit());
        let hex = long && word.chars().all(|c| c.is_ascii_hexdigit());
        out.push_str(if hex { "<hex>" } else { word });
        word.clear();
    };
    let mut word = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            word.push(c);
        } else {
            flush(&mut word, &mut out);
            out.push(c);
        }
    }
    flush(&mut word, &mut out);
    out
}

#[test]
fn each_has_its_answer_and_changes_nothing() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    desk.strategy_and_study(16);
    let was = std::fs::read_to_string(GOLDEN).unwrap();
    let (files, cases) = was.split_once("\n$ ").unwrap();
    let mut file = None;
    for line in files.lines() {
        if let Some(name) = line.strip_prefix("+ ") {
            let path = desk.path(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "").unwrap();
            file = Some(path);
        } else if let (Some(text), Some(path)) = (line.strip_prefix("| "), &file) {
            let so_far = std::fs::read_to_string(path).unwrap();
            std::fs::write(path, format!("{so_far}{text}\n")).unwrap();
        }
    }
    let mut before = state(&desk.path(""));
    let mut wrong = Vec::new();
    let mut now = format!("{files}\n");
    let mut count = 0;
    for line in cases.split("\n$ ").map(|case| case.lines().next().unwrap()) {
        let words = words(line);
        assert_eq!(words[0], "assay");
        let args: Vec<&str> = words[1..].iter().map(String::as_str).collect();
        let said = desk.assay(&args);
        if !(1..=4).contains(&said.code) || !said.out.is_empty() || said.err.contains("panicked") {
            wrong.push(format!("{line}: an error has a code, and nothing to print: {said:?}"));
        }
        let _ = writeln!(now, "$ {line}\nexit {}\n{}", said.code, settled(&desk, said.err.trim_end()));
        let after = state(&desk.path(""));
        let changed: Vec<&String> = after.iter().filter(|f| !before.contains(f)).map(|f| &f.0).collect();
        if !changed.is_empty() || after.len() != before.len() {
            wrong.push(format!("{line} changed {changed:?}"));
            before = after;
        }
        count += 1;
    }
    if std::env::var_os("ASSAY_BLESS").is_some() {
        std::fs::write(GOLDEN, &now).unwrap();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count >= 120, "{count}");
    let was = std::fs::read_to_string(GOLDEN).unwrap();
    for (now, was) in now.split("\n$ ").zip(was.split("\n$ ")) {
        assert_eq!(now, was);
    }
}
