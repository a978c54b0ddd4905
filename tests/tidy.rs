//! The house: walls between crates, one room for each outside crate, lengths, and maps that are
//! not allowed to rot.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below a folder, from the root.
fn files(below: &str) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let mut folders = vec![root().join(below)];
    while let Some(dir) = folders.pop() {
        for item in std::fs::read_dir(&dir).unwrap() {
            let path: PathBuf = item.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(root()).unwrap().display().to_string();
                out.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    out.sort();
    out
}

fn all() -> Vec<(String, String)> {
    ["ledger/src", "src", "tests"].iter().flat_map(|d| files(d)).collect()
}

/// Lines of code: comments do not count as uses.
fn code(text: &str) -> String {
    text.lines().map(|l| l.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

#[test]
fn no_file_is_over_400_lines_and_each_says_what_it_is_for() {
    for (name, text) in all() {
        let lines = text.lines().count();
        assert!(lines <= 400, "{name} has {lines} lines");
        assert!(text.starts_with("//!"), "{name} does not begin with what it is for");
        assert!(name.ends_with("tidy.rs") || !code(&text).contains("todo!("), "{name}");
    }
}

#[test]
fn each_outside_crate_has_one_room() {
    let rooms: [(&str, &[&str]); 8] = [
        ("sled::", &["ledger/src/storage/sled_store.rs"]),
        ("bincode::", &["src/shared/event/codec.rs"]),
        ("polars::", &["src/research/data/snapshot.rs"]),
        ("rusqlite::", &["src/research/mirror/", "src/production/deploy/embedded.rs", "tests/"]),
        ("git2::", &["src/production/promotion/repo.rs"]),
        ("tokio_postgres::", &["src/production/deploy/postgres.rs"]),
        ("clap::", &["src/cli/"]),
        ("ta_lib::", &["src/shared/indicator/"]),
    ];
    for (name, text) in all() {
        for (krate, allowed) in rooms {
            let used = code(&text).contains(krate) && !name.ends_with("tidy.rs");
            assert!(!used || allowed.iter().any(|a| name.starts_with(a)), "{krate} is used in {name}");
        }
    }
}

#[test]
fn the_walls_hold() {
    let walls: [(&str, &[&str]); 6] = [
        ("ledger/src", &["assay_shared", "assay_research", "assay_production", "strategy", "funding"]),
        (
            "src/shared",
            &["assay_research", "assay_production", "std::fs", "std::net", "SystemTime", "std::thread", "println!"],
        ),
        ("src/research", &["assay_production"]),
        ("src/production", &["assay_research", "polars", "rayon"]),
        ("src/production/promotion", &["rusqlite", "mirror"]),
        ("src/production/gate", &["rusqlite", "mirror", "deploy::"]),
    ];
    for (dir, forbidden) in walls {
        for (name, text) in files(dir) {
            // The golden-file tests beside the code read their files.
            let body = code(text.split("#[cfg(test)]").next().unwrap_or_default());
            for word in forbidden {
                assert!(!body.contains(word), "{name} must not know '{word}'");
            }
        }
    }
    for (dir, forbidden) in [
        ("src/shared", "HashMap"),
        ("src/shared", "HashSet"),
        ("src/research/study", "HashMap"),
        ("src/research/study", "SystemTime"),
    ] {
        for (name, text) in files(dir) {
            assert!(!code(&text).contains(forbidden), "{name}: {forbidden} has no fixed order or no fixed value");
        }
    }
    for (manifest, forbidden) in [
        ("src/research", "assay-production"),
        ("src/production", "assay-research"),
        ("src/shared", "assay-research"),
        ("ledger", "assay-shared"),
    ] {
        let text = std::fs::read_to_string(root().join(manifest).join("Cargo.toml")).unwrap();
        assert!(!text.contains(forbidden), "{manifest} depends on {forbidden}");
    }
}

/// The table on a crate's front page is the list of its modules, and the other way round.
#[test]
fn the_maps_are_true() {
    for front in ["ledger/src/lib.rs", "src/shared/lib.rs", "src/research/lib.rs", "src/production/lib.rs"] {
        let text = std::fs::read_to_string(root().join(front)).unwrap();
        let between =
            |l: &str, a: &str, b: &str| l.strip_prefix(a).and_then(|r| r.split_once(b)).map(|(n, _)| n.to_string());
        let listed: BTreeSet<String> = text.lines().filter_map(|l| between(l, "//! | [`", "`]")).collect();
        let modules: BTreeSet<String> = text.lines().filter_map(|l| between(l, "pub mod ", ";")).collect();
        let unlisted = ["error", "time"].map(String::from);
        let modules: BTreeSet<String> = modules.into_iter().filter(|m| !unlisted.contains(m)).collect();
        assert_eq!(listed, modules, "{front}");
    }
    for doc in ["README.md", "ledger/FORMAT.md", "hooks/README.md"] {
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
    let main = std::fs::read_to_string(root().join("tests/main.rs")).unwrap();
    for (name, _) in files("tests") {
        let module = name.trim_start_matches("tests/").trim_end_matches("/mod.rs").trim_end_matches(".rs");
        assert!(module == "main" || main.contains(&format!("mod {module};")), "{name} is in no test binary");
    }
}
