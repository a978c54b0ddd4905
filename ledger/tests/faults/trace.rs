//! The example `exerciser` under `strace`, what it says, and the system calls it makes.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The example `exerciser`, which cargo builds beside this test.
pub fn exerciser() -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let path = here.parent().unwrap().parent().unwrap().join("examples/exerciser");
    assert!(path.is_file(), "{} is missing: run `cargo test -p assay-ledger`", path.display());
    path
}

pub fn strace(args: &[&str], dir: &Path, seed: u64, batches: u64) -> Command {
    let mut c = Command::new("strace");
    c.args(["-f", "-qq"]).args(args).arg(exerciser()).arg(dir).arg(seed.to_string()).arg(batches.to_string());
    c.env("RAYON_NUM_THREADS", "2");
    c
}

pub fn output(mut command: Command) -> std::process::Output {
    command.output().expect("strace is not installed: run tests/run, which installs it")
}

/// The calls that the main thread of a run makes, which writes everything but the index.
pub fn main_thread(dir: &Path, ledger: &Path, batches: u64, args: &[&str]) -> String {
    let prefix = dir.join("trace");
    let args = [&["-ff", "-o", prefix.to_str().unwrap()], args].concat();
    let done = output(strace(&args, ledger, 7, batches));
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let files = std::fs::read_dir(dir).unwrap().map(|f| f.unwrap().path());
    let threads = files.filter_map(|p| Some((p.extension()?.to_str()?.parse::<u32>().ok()?, p.clone())));
    std::fs::read_to_string(threads.min().unwrap().1).unwrap()
}

/// What a run said before it ended.
#[derive(Debug, Default, Clone)]
pub struct Told {
    pub acknowledged: u64,
    pub published: Vec<(u64, String)>,
}

impl Told {
    pub fn hear(&mut self, out: &[u8]) {
        for line in String::from_utf8_lossy(out).split_inclusive('\n').filter(|l| l.ends_with('\n')) {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["ack", n] => self.acknowledged = n.parse().unwrap(),
                ["checkpoint", size, root] => self.published.push((size.parse().unwrap(), root.into())),
                _ => panic!("it said '{line}'"),
            }
        }
    }
}

/// One system call of a trace.
pub struct Call<'a> {
    pub name: &'a str,
    pub args: &'a str,
    pub result: i64,
}

pub fn calls(trace: &str) -> Vec<Call<'_>> {
    let mut out = Vec::new();
    for line in trace.lines() {
        let line = line
            .split_once(' ')
            .map_or(line, |(pid, rest)| if pid.parse::<u32>().is_ok() { rest.trim_start() } else { line });
        let Some((name, rest)) = line.split_once('(') else { continue };
        let Some((args, result)) = rest.rsplit_once(" = ") else { continue };
        let result = result.split_whitespace().next().and_then(|r| r.parse().ok()).unwrap_or(-1);
        out.push(Call { name, args: args.trim_end(), result });
    }
    out
}
