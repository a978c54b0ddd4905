//! Maps in the docs and on the front pages.

use super::source::{files, root};
use std::collections::BTreeSet;

/// The table on a crate's front page is the list of its modules, and the other way round.
#[test]
fn the_maps_are_true() {
    for front in
        ["ledger/src/lib.rs", "src/shared/lib.rs", "src/research/lib.rs", "src/production/lib.rs", "src/lab/lib.rs"]
    {
        let text = std::fs::read_to_string(root().join(front)).unwrap();
        let between = |l: &str, a: &str, b: &str| {
            l.strip_prefix(a).and_then(|r| r.split_once(b)).map(|(n, _)| n.trim_start_matches("mod@").to_string())
        };
        let listed: BTreeSet<String> = text.lines().filter_map(|l| between(l, "//! | [`", "`]")).collect();
        let modules: BTreeSet<String> = text.lines().filter_map(|l| between(l, "pub mod ", ";")).collect();
        let unlisted = ["error", "time"].map(String::from);
        let modules: BTreeSet<String> = modules.into_iter().filter(|m| !unlisted.contains(m)).collect();
        assert_eq!(listed, modules, "{front}");
    }
    for doc in
        ["README.md", "CHANGELOG.md", "ledger/FORMAT.md", "hooks/README.md", "src/README.md", ".github/CONTRIBUTING.md"]
    {
        let text = std::fs::read_to_string(root().join(doc)).unwrap();
        for path in
            text.split('`').skip(1).step_by(2).filter(|p| p.contains('/') && !p.contains([' ', '<', '*', ':', '{']))
        {
            let prefix = ["src/", "ledger/", "configs/", "tests/", "hooks/"].iter().any(|d| path.starts_with(d));
            let promised = path.starts_with("configs/live") || path == "configs/policy.toml";
            assert!(!prefix || promised || root().join(path).exists(), "{doc} names {path}, which does not exist");
        }
    }
}

#[test]
fn no_test_file_is_forgotten() {
    // Below a folder, the compiler asks for each file.
    let main = std::fs::read_to_string(root().join("tests/main.rs")).unwrap();
    for (name, _) in files("tests") {
        let module = name.trim_start_matches("tests/").trim_end_matches("/mod.rs").trim_end_matches(".rs");
        let top = module.split('/').next().unwrap_or(module);
        assert!(module == "main" || main.contains(&format!("mod {top};")), "{name} is in no test binary");
    }
}
