//! Each outside crate has its room, and the walls between our own stand.

use super::source::{self, CRATES, all, files, is_test, product, root};
use std::collections::BTreeSet;

/// Where each outside crate is used. `*` stands for everywhere in the workspace.
const ROOMS: [(&str, &[&str]); 49] = [
    ("axum", &["src/cli/serve.rs"]),
    ("base64", &["ledger/src/keys/", "ledger/src/tree/", "src/research/report/live.rs"]),
    ("bincode", &["src/shared/event/codec.rs"]),
    ("bytes", &["ledger/src/"]),
    ("clap", &["src/cli/"]),
    ("clap_complete", &["src/cli/complete.rs", "src/cli/completions.rs"]),
    ("clap_mangen", &["src/cli/completions.rs"]),
    ("crc32fast", &["ledger/src/format/frame.rs", "ledger/src/storage/"]),
    ("csv", &["src/research/data/rows.rs", "src/research/mirror/elsewhere.rs"]),
    ("ctrlc", &["src/cli/stop.rs"]),
    ("curve25519_dalek", &["ledger/src/keys/bulk.rs", "ledger/src/keys/bulk_sign.rs"]),
    ("ed25519_dalek", &["ledger/src/keys/"]),
    ("flate2", &["src/research/data/source.rs"]),
    ("getrandom", &["ledger/src/keys/signer.rs"]),
    ("git2", &["src/production/repository/"]),
    ("indicatif", &["src/cli/output.rs"]),
    (
        "libm",
        &[
            "src/research/data/generate.rs",
            "src/shared/metric/",
            "src/shared/search/",
            "src/shared/statistic/",
            "src/shared/strategy/op.rs",
            "src/research/report/",
        ],
    ),
    ("multiversion", &["src/shared/lanes.rs"]),
    ("percent_encoding", &["src/research/data/fetch/"]),
    ("polars", &["src/research/data/snapshot/", "src/research/data/frame.rs"]),
    ("proptest", &[]),
    (
        "rayon",
        &[
            "ledger/src/log/append.rs",
            "ledger/src/storage/journal_find.rs",
            "ledger/src/audit/",
            "ledger/src/keys/",
            "src/research/lib.rs",
            "src/research/study/run.rs",
            "src/research/data/snapshot/",
        ],
    ),
    ("pulldown_cmark", &["src/cli/guide.rs"]),
    ("quick_xml", &["src/research/data/fetch/"]),
    ("rpassword", &["src/cli/terminal.rs"]),
    ("rusqlite", &["src/research/mirror/", "src/production/deploy/embedded.rs"]),
    (
        "rustix",
        &[
            "ledger/src/storage/lock.rs",
            "ledger/src/keys/signer.rs",
            "src/cli/mask.rs",
            "src/cli/output.rs",
            "src/cli/stop.rs",
        ],
    ),
    ("rustls", &["src/production/deploy/postgres/tls.rs"]),
    ("rustls_native_certs", &["src/production/deploy/postgres/tls.rs"]),
    ("serde", &["*"]),
    ("serde_json", &["src/"]),
    (
        "sha2",
        &[
            "ledger/src/format/hash.rs",
            "ledger/src/keys/",
            "src/shared/market/hash.rs",
            "src/shared/account/record.rs",
            "src/research/mirror/",
            "src/research/report/live.rs",
            "ledger/src/storage/ids/write.rs",
        ],
    ),
    ("sled", &["ledger/src/storage/sled_store.rs"]),
    ("sobol_burley", &["src/shared/search/"]),
    ("ssh_key", &["ledger/src/keys/"]),
    ("ta_lib", &["src/shared/indicator/"]),
    ("tempfile", &["ledger/src/audit/seen.rs", "ledger/src/storage/sled_store/copy.rs", "src/lab/recover.rs"]),
    ("thiserror", &["*"]),
    ("tikv_jemallocator", &["src/main.rs"]),
    ("tokio", &["src/cli/serve.rs", "src/production/deploy/postgres/"]),
    ("tokio_postgres", &["src/production/deploy/postgres/"]),
    ("tokio_postgres_rustls", &["src/production/deploy/postgres/"]),
    (
        "toml",
        &[
            "src/shared/format/",
            "src/shared/strategy/",
            "src/production/gate/pins.rs",
            "src/production/gate/verdict.rs",
            "src/production/gate/walked.rs",
            "src/research/data/brackets.rs",
            "src/lab/folder.rs",
            "src/lab/notify.rs",
        ],
    ),
    ("ureq", &["src/lab/ask.rs", "src/lab/notify.rs", "src/lab/store.rs", "src/research/data/fetch/"]),
    ("zeroize", &["ledger/src/keys/bulk_sign.rs"]),
    ("zip", &["src/research/data/source.rs"]),
    ("assay_ledger", &["src/"]),
    ("assay_shared", &["src/research/", "src/production/", "src/lab/", "src/cli/"]),
    ("assay_research", &["src/lab/", "src/cli/"]),
];

/// Names of the dependencies in all manifests, as code spells them.
fn dependencies() -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for manifest in ["", "ledger", "src/shared", "src/research", "src/production", "src/lab"] {
        let text = std::fs::read_to_string(root().join(manifest).join("Cargo.toml")).unwrap();
        let mut inside = false;
        for line in text.lines() {
            if line.starts_with('[') {
                inside = line.starts_with('[') && line.ends_with("dependencies]");
            } else if let Some((name, _)) =
                line.split_once(['.', ' ', '=']).filter(|_| inside && !line.starts_with('#'))
            {
                out.insert(name.replace('-', "_"));
            }
        }
    }
    out
}

#[test]
fn every_outside_crate_has_its_room() {
    let known: BTreeSet<String> = ROOMS.iter().map(|r| r.0.to_string()).collect();
    let ours: BTreeSet<String> = ["assay_production", "assay_lab"].map(String::from).into();
    let missing: Vec<_> = dependencies().difference(&known).filter(|d| !ours.contains(*d)).cloned().collect();
    assert!(missing.is_empty(), "name a room for {missing:?}");
    let products: Vec<(String, String)> = all()
        .into_iter()
        .filter(|(name, _)| !is_test(name) && !name.contains("/examples/"))
        .map(|(n, t)| (n, product(&t)))
        .collect();
    for (krate, rooms) in ROOMS {
        let mark = format!("{krate}::");
        let uses = |code: &str| {
            code.match_indices(&mark)
                .any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || "_:".contains(c)))
        };
        for (name, _) in products.iter().filter(|(_, code)| uses(code)) {
            let fits = rooms.iter().any(|r| *r == "*" || name.starts_with(r));
            assert!(fits, "{krate} is used in {name}, which is none of its rooms");
        }
    }
}

#[test]
fn the_walls_hold() {
    let walls: [(&str, &[&str]); 9] = [
        ("ledger/src", &["assay_shared", "assay_research", "assay_production", "strategy", "funding"]),
        (
            "src/shared",
            &["assay_research", "assay_production", "std::fs", "std::net", "SystemTime", "std::thread", "println!"],
        ),
        ("src/research", &["assay_production", "assay_lab"]),
        ("src/production", &["assay_research", "assay_lab", "polars", "rayon"]),
        ("src/production/repository", &["rusqlite", "mirror"]),
        ("src/production/gate", &["rusqlite", "mirror", "deploy::"]),
        ("src/lab", &["clap", "println!", "eprintln!", "stdin()", "stdout()", "stderr()", "process::exit"]),
        // The command line shows; events are made below it.
        ("src/cli", &["record_one", ".record(", "Event::from", "EventId", "Writer"]),
        ("src/shared/account", &["std::path", "toml", "crate::strategy"]),
    ];
    for (dir, forbidden) in walls {
        for (name, text) in files(dir).into_iter().filter(|(name, _)| !is_test(name) && !name.ends_with("build.rs")) {
            let measures = name.starts_with("src/cli/bench/");
            let body = product(&text);
            for word in forbidden.iter().filter(|_| !measures) {
                assert!(!body.contains(word), "{name} must not know '{word}'");
            }
        }
    }
    for dir in ["src/shared", "src/research/study", "src/research/simulate.rs"] {
        for (name, text) in files(dir.trim_end_matches("/simulate.rs")).iter().filter(|(n, _)| n.starts_with(dir)) {
            for word in ["HashMap", "HashSet", "SystemTime"] {
                assert!(!product(text).contains(word), "{name}: {word} has no fixed order or no fixed value");
            }
        }
    }
    for (manifest, forbidden) in [
        ("src/research", "assay-production"),
        ("src/production", "assay-research"),
        ("src/shared", "assay-research"),
        ("ledger", "assay-shared"),
        ("src/lab", "clap"),
    ] {
        let text = std::fs::read_to_string(root().join(manifest).join("Cargo.toml")).unwrap();
        assert!(!text.contains(forbidden), "{manifest} depends on {forbidden}");
    }
}

/// What nothing uses goes: every public item is named somewhere beside its own definition.
#[test]
fn no_public_item_is_dead() {
    let products: Vec<(String, String)> = CRATES
        .iter()
        .flat_map(|(folder, _)| files(folder))
        .chain(files("ledger/examples"))
        .filter(|(name, _)| !is_test(name))
        .map(|(n, t)| (n, product(&t)))
        .collect();
    let mut words: std::collections::HashMap<&str, usize> = Default::default();
    let everything: Vec<String> = all().iter().map(|(_, text)| source::code(text)).collect();
    for code in &everything {
        for word in code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| !w.is_empty()) {
            *words.entry(word).or_default() += 1;
        }
    }
    let kinds = ["fn", "struct", "enum", "const", "type", "trait", "static"];
    for (name, code) in &products {
        for line in code.lines().map(str::trim_start).filter(|l| l.starts_with("pub")) {
            let mut tokens = line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| !w.is_empty());
            let item = tokens.find(|t| kinds.contains(t)).and_then(|_| tokens.find(|t| !kinds.contains(t)));
            if let Some(item) = item.filter(|_| !code.contains(&format!("#[cfg(test)]\n    {line}"))) {
                assert!(words.get(item).copied().unwrap_or_default() > 1, "{name}: nothing uses {item}");
            }
        }
    }
}
