//! Instructions of a few kernels, counted by valgrind: a regression shows on a machine that is too noisy to time anything.
//!
//! After a change that is meant, run it with ASSAY_BLESS=1 and look at what `tests/golden/kernels.txt` says now.

use crate::desk::Desk;
use std::collections::BTreeMap;

/// Each with how often it is counted: what an allocator does at one time or another is small beside so much.
const KERNELS: [(&str, u32); 7] =
    [("signals", 10), ("account", 20), ("cross", 20), ("rules", 4), ("figures", 10), ("suggest", 20), ("codec", 10)];
/// How far a count may lie from what was recorded.
const NEAR: f64 = 0.03;

/// Instructions that a kernel takes so often.
fn counted(desk: &Desk, kernel: &str, times: u32) -> f64 {
    let program = desk.command(&[]).get_program().to_str().unwrap().to_string();
    let times = times.to_string();
    let args = [
        "--tool=callgrind",
        "--callgrind-out-file=/dev/null",
        "--toggle-collect=*bench::kernel::counted*",
        "--error-exitcode=9",
        &program,
        "bench",
        "kernel",
        "--kernel",
        kernel,
        "--times",
        &times,
    ];
    let said = desk.run("valgrind", &args).ok();
    let line = said.err.lines().find_map(|l| l.split_once("Collected :")).expect("valgrind says what it counted");
    line.1.trim().parse().unwrap()
}

/// What each time more takes: what the first one does alone is left out.
fn each(desk: &Desk, kernel: &str, times: u32) -> f64 {
    (counted(desk, kernel, times + 1) - counted(desk, kernel, 1)) / f64::from(times)
}

#[test]
fn kernels_take_the_instructions_that_they_took() {
    let found = std::process::Command::new("valgrind").arg("--version").output();
    assert!(found.is_ok_and(|o| o.status.success()), "valgrind is missing: run tests/run, which installs it");
    let desk = Desk::new();
    let now: BTreeMap<&str, f64> = KERNELS.iter().map(|(k, times)| (*k, each(&desk, k, *times))).collect();
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/kernels.txt");
    let text: String = now.iter().map(|(k, n)| format!("{k} {n:.0}\n")).collect();
    if std::env::var_os("ASSAY_BLESS").is_some() {
        std::fs::write(golden, &text).unwrap();
    }
    let was = std::fs::read_to_string(golden).unwrap();
    for line in was.lines() {
        let (kernel, count) = line.split_once(' ').unwrap();
        let (count, now) = (count.parse::<f64>().unwrap(), now[kernel]);
        assert!((now / count - 1.0).abs() < NEAR, "{kernel}: {now:.0} instructions, {count:.0} were recorded\n{text}");
    }
    assert_eq!(was.lines().count(), KERNELS.len());
}
