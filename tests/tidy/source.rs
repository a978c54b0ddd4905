//! The source as the tidy tests see it: files, their code without comments and tests, their modules.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Folders with a crate's modules, and the name of the crate.
pub const CRATES: [(&str, &str); 6] = [
    ("ledger/src", "assay_ledger"),
    ("src/shared", "assay_shared"),
    ("src/research", "assay_research"),
    ("src/production", "assay_production"),
    ("src/lab", "assay_lab"),
    ("src/cli", "assay"),
];

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below a folder: names from the root, and texts.
pub fn files(below: &str) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let mut folders = vec![root().join(below)];
    while let Some(dir) = folders.pop() {
        for item in std::fs::read_dir(&dir).unwrap() {
            let path: PathBuf = item.unwrap().path();
            if path.is_dir() {
                // Fuzz targets are a workspace of their own.
                if !path.ends_with("tests/fuzz") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(root()).unwrap().display().to_string();
                out.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    out.sort();
    out
}

/// Everything that is ours.
pub fn all() -> Vec<(String, String)> {
    ["ledger/src", "ledger/tests", "ledger/examples", "src", "tests"].iter().flat_map(|d| files(d)).collect()
}

/// Code without comments: they do not count as uses.
pub fn code(text: &str) -> String {
    text.lines().map(|l| l.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// Whether a file is for tests alone.
pub fn is_test(name: &str) -> bool {
    name.contains("/testing/") || name.contains("/tests/") || name.starts_with("tests/") || name.ends_with("tests.rs")
}

/// Where the tests beside the code begin.
fn tests_at(code: &str) -> usize {
    ["#[cfg(test)]\nmod tests {", "#[cfg(test)]\npub(crate) mod tests {"]
        .iter()
        .filter_map(|mark| code.find(mark))
        .min()
        .unwrap_or(code.len())
}

/// Code without comments and without the tests beside it.
pub fn product(text: &str) -> String {
    let code = code(text);
    let end = tests_at(&code);
    code[..end].to_string()
}

/// Lines of the tests beside the code.
pub fn test_lines(text: &str) -> usize {
    let code = code(text);
    code[tests_at(&code)..].lines().filter(|l| !l.trim().is_empty()).count()
}

/// The modules of a crate by path (`a::b`), with their product code.
pub fn modules(folder: &str) -> BTreeMap<String, String> {
    let of = |(name, text): (String, String)| {
        let inner = name.strip_prefix(folder)?.trim_start_matches('/').strip_suffix(".rs")?;
        let path = inner.trim_end_matches("/mod").replace('/', "::");
        let path = if matches!(path.as_str(), "lib" | "main" | "mod") { String::new() } else { path };
        (!is_test(&name) && inner != "build").then(|| (path, product(&text)))
    };
    files(folder).into_iter().filter_map(of).collect()
}
