//! Every command in the docs runs.

use crate::desk::Desk;
use assay_shared::metric::Metric;
use std::path::Path;

/// The `assay` lines of the shell blocks in a text.
fn commands(text: &str) -> Vec<String> {
    let blocks = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let line = |l: &str| l.split('#').next().unwrap_or_default().trim().to_string();
    blocks.flat_map(|b| b.lines().map(line)).filter(|l| l.starts_with("assay ")).collect()
}

/// The map of the house, executed in order from an empty home that holds the shipped files.
#[test]
fn the_commands_of_the_map_run() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let desk = Desk::new();
    desk.run("cp", &["-r", root.join("configs").to_str().unwrap(), "."]).ok();
    let all = commands(&std::fs::read_to_string(root.join("src/README.md")).unwrap());
    assert!(all.len() >= 8, "{all:?}");
    for command in all {
        let args: Vec<&str> = command.split_whitespace().skip(1).collect();
        desk.assay(&args).ok();
    }
}

/// Every kind and version of an event has its layout in the format's description.
#[test]
fn every_payload_is_described() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let events = std::fs::read_to_string(root.join("src/shared/event/mod.rs")).unwrap();
    let format = std::fs::read_to_string(root.join("ledger/FORMAT.md")).unwrap();
    let table = events.split("events! {\n").nth(1).unwrap().split("\n}").next().unwrap();
    let mut seen = 0;
    for line in table.lines().filter(|l| l.contains(" = \"")) {
        let (kind, version) = line.split('"').nth(1).zip(line.rsplit(' ').next()).unwrap();
        let row = format!("| `{kind}` {} |", version.trim_end_matches(','));
        assert!(format.contains(&row), "FORMAT.md lacks {row}");
        seen += 1;
    }
    assert!(seen > 25, "{seen}");
}

/// The numbers of metrics that the format names are those that are written.
#[test]
fn every_metric_has_its_number() {
    let text = std::fs::read_to_string("ledger/FORMAT.md").unwrap();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let named = text.split("Numbers of metrics: ").nth(1).unwrap().split('.').next().unwrap();
    let mut known: Vec<_> = Metric::ALL.iter().map(|m| (m.code(), m.name())).collect();
    known.sort_unstable();
    assert_eq!(named, known.iter().map(|(code, name)| format!("{code} `{name}`")).collect::<Vec<_>>().join(", "));
}
