//! No two modules of a crate import each other in a circle.

use super::source::{CRATES, modules};
use std::collections::{BTreeMap, BTreeSet};

/// The leaves of a `use` tree: `a::{b, c::d}` gives `a::b` and `a::c::d`.
fn leaves(tree: &str) -> Vec<String> {
    let tree = tree.split_whitespace().collect::<Vec<_>>().join(" ");
    let Some(open) = tree.find('{') else { return vec![tree.split(" as ").next().unwrap_or_default().trim().into()] };
    let close = tree.rfind('}').filter(|close| *close > open).unwrap_or(tree.len());
    let (before, inner) = (&tree[..open], &tree[open + 1..close]);
    let (mut depth, mut parts) = (0, vec![String::new()]);
    for c in inner.chars() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        if c == ',' && depth == 0 {
            parts.push(String::new());
        } else if let Some(last) = parts.last_mut() {
            last.push(c);
        }
    }
    parts.iter().filter(|p| !p.trim().is_empty()).flat_map(|p| leaves(&format!("{before}{}", p.trim()))).collect()
}

/// Every path that a module names: its imports, and paths in its code that begin in the crate.
fn paths(code: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut rest = code;
    while let Some(at) = rest.find("use ") {
        let begins =
            rest[..at].rsplit('\n').next().is_none_or(|l| matches!(l.trim(), "" | "pub" | "pub(crate)" | "pub(super)"));
        rest = &rest[at + 4..];
        if begins && let Some(end) = rest.find(';') {
            out.extend(leaves(&rest[..end]));
        }
    }
    for mark in ["crate::", "super::", "self::"] {
        // The middle of a longer path is none of its own.
        for (at, _) in code.match_indices(mark).filter(|(at, _)| !code[..*at].ends_with("::")) {
            let path: String = code[at..].chars().take_while(|c| c.is_alphanumeric() || "_:".contains(*c)).collect();
            if !path.ends_with("::") {
                out.push(path);
            }
        }
    }
    out
}

fn parent(path: &str) -> String {
    path.rsplit_once("::").map_or(String::new(), |(p, _)| p.into())
}

fn join(base: &str, name: &str) -> String {
    if base.is_empty() { name.into() } else { format!("{base}::{name}") }
}

/// The module that a path names, seen from `here`: the longest known prefix; where that module only
/// hands an item on, the one it comes from.
fn resolve(modules: &BTreeMap<String, String>, here: &str, path: &str) -> Option<String> {
    let mut parts = path.split("::").map(str::trim).peekable();
    let mut base = match *parts.peek()? {
        "crate" => String::new(),
        "super" => here.to_string(),
        "self" => here.to_string(),
        first if modules.contains_key(&join(here, first)) => here.to_string(),
        _ => return None,
    };
    while let Some(word @ ("crate" | "super" | "self")) = parts.peek().copied() {
        parts.next();
        base = if word == "super" { parent(&base) } else { base };
    }
    let mut found = base;
    while let Some(next) = parts.peek().copied().filter(|n| modules.contains_key(&join(&found, n))) {
        found = join(&found, next);
        parts.next();
    }
    if let Some(item) = parts.next() {
        for line in modules.get(&found)?.split(';').filter_map(|l| l.split_once("pub use ")) {
            let from = leaves(line.1).into_iter().find(|leaf| leaf.rsplit("::").next() == Some(item));
            if let Some(from) = from.filter(|f| f.contains("::")) {
                return resolve(modules, &found, &from).or(Some(found));
            }
        }
    }
    Some(found)
}

/// A circle through a module, if there is one.
fn circle(edges: &BTreeMap<String, BTreeSet<String>>, start: &str) -> Option<Vec<String>> {
    let (mut seen, mut paths) = (BTreeSet::new(), vec![vec![start.to_string()]]);
    while let Some(path) = paths.pop() {
        for next in &edges[&path[path.len() - 1]] {
            if next == start {
                return Some(path);
            }
            if seen.insert(next.clone()) {
                paths.push([&path[..], std::slice::from_ref(next)].concat());
            }
        }
    }
    None
}

#[test]
fn no_modules_import_each_other_in_a_circle() {
    for (folder, _) in CRATES {
        let modules = modules(folder);
        let edges: BTreeMap<String, BTreeSet<String>> = modules
            .iter()
            .map(|(name, code)| {
                let named = paths(code).into_iter().filter_map(|p| resolve(&modules, name, &p));
                (name.clone(), named.filter(|n| n != name && modules.contains_key(n)).collect())
            })
            .collect();
        assert!(edges.values().map(BTreeSet::len).sum::<usize>() > modules.len() / 2, "{folder}: imports are read");
        for name in modules.keys() {
            let found = circle(&edges, name);
            assert!(found.is_none(), "{folder}: a circle: {}", found.unwrap_or_default().join(" -> "));
        }
    }
}

/// The test sees circles: through plain imports, groups, parents and items that are handed on.
#[test]
fn circles_would_be_seen() {
    let of = |files: &[(&str, &str)]| -> BTreeMap<String, String> {
        files.iter().map(|(n, t)| ((*n).to_string(), (*t).to_string())).collect()
    };
    let modules = of(&[
        ("", "pub mod a;"),
        ("a", "pub mod b;\nmod c;\npub use c::Thing;"),
        ("a::b", "use super::{c::Other, Thing};"),
        ("a::c", "fn f() { crate::a::b::g() }"),
    ]);
    assert_eq!(resolve(&modules, "a::b", "super::Thing").as_deref(), Some("a::c"));
    assert_eq!(resolve(&modules, "a::b", "super::c::Other").as_deref(), Some("a::c"));
    assert_eq!(resolve(&modules, "a::c", "crate::a::b::g").as_deref(), Some("a::b"));
    assert_eq!(paths("use super::{c::Other, Thing};"), ["super::c::Other", "super::Thing"]);
}
