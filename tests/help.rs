//! The whole help is one snapshot, and every command shows an example.

use crate::desk::Desk;

fn commands(desk: &Desk, path: &[&str], out: &mut String) {
    let said = desk.assay(&[path, &["--help"]].concat()).ok().out;
    out.push_str(&format!("$ assay {}\n{said}\n", [path, &["--help"]].concat().join(" ")));
    let Some((_, list)) = said.split_once("Commands:\n") else {
        assert!(said.contains("Example:") || said.to_lowercase().contains("run by git"), "{path:?} has no example");
        return;
    };
    for line in list.lines().take_while(|l| !l.is_empty()) {
        if let Some(name) =
            line.strip_prefix("  ").filter(|l| !l.starts_with(' ')).and_then(|l| l.split_whitespace().next())
        {
            commands(desk, &[path, &[name]].concat(), out);
        }
    }
}

#[test]
fn the_manual_is_as_it_was_reviewed() {
    let desk = Desk::new();
    let mut manual = String::new();
    commands(&desk, &[], &mut manual);
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/manual.txt");
    if std::env::var_os("ASSAY_BLESS").is_some() {
        std::fs::write(golden, &manual).unwrap();
    }
    let wanted = std::fs::read_to_string(golden).unwrap();
    assert!(manual == wanted, "the help has changed; review it, then run with ASSAY_BLESS=1:\n{manual}");
    for shell in ["bash", "zsh", "fish"] {
        assert!(desk.assay(&["completions", shell]).ok().out.contains("assay"));
    }
}
