//! What a plain clone of the deploy repository answers, with nothing but the first policy's SHA-256.

use crate::desk::{Desk, Said};
use serde_json::json;

fn genesis(desk: &Desk) -> String {
    let text = std::fs::read_to_string(desk.path("lab/deploy.git/assay/gate.toml")).unwrap();
    text.lines().find_map(|l| l.strip_prefix("genesis_policy_sha256 = ")).unwrap().trim_matches('"').to_string()
}

fn earlier(desk: &Desk, ask: &dyn Fn(&[&str]) -> Said, links: &serde_json::Value) {
    // A version that was in force once, judged as the branch stood then.
    let first = ask(&["explain", "trend", "--version", "1", "--json"]).ok().json();
    assert!(first[0]["says"][0].as_str().unwrap().contains("v1 since"), "{first}");
    assert!(first[0]["says"][0].as_str().unwrap().contains("version 3 is the newest"), "{first}");
    assert!(
        first[0]["name"] == "was live" && first[0]["says"][1].as_str().unwrap().contains("by version 2 at"),
        "{first}"
    );
    let named = |links: &serde_json::Value, name: &str| {
        links.as_array().unwrap().iter().find(|l| l["name"] == name).cloned().unwrap_or_default()
    };
    assert_eq!(named(&first, "trial"), named(links, "trial"), "version 3 restores version 1");
    assert_eq!(named(&first, "restores"), json!(null));
    let second = ask(&["explain", "trend", "--version", "2", "--json"]).ok().json();
    assert_ne!(named(&second, "config"), named(&first, "config"));
    ask(&["explain", "trend", "--version", "7"]).fails(2, "it has v1, v2, v3");
    // The log itself, entry by entry, as the lab lists its own.
    let own = desk.assay(&["log", "--kind", "PromotionProposed", "--json"]).ok().out;
    let published: Vec<&str> = own.lines().take(2).collect();
    let here = ask(&["log", "--kind", "PromotionProposed", "--json"]).ok().out;
    assert_eq!(here.lines().take(2).collect::<Vec<_>>(), published);
    let newest = ask(&["log", "--limit", "1", "--json"]).ok().json();
    let time = newest["time"].as_str().unwrap().to_string();
    assert!(ask(&["log", "--since", &time, "--json"]).ok().out.contains(newest["id"].as_str().unwrap()));
    let hosts = ask(&["log", "--origin", "none"]);
    hosts.fails(2, "name one with --origin: demo.assay.invalid/ana, ");
}

/// An auditor's machine: a clone, the pinned policy, the program. It says what is live and what was, walks a number
/// back, and reviews a proposal; another first policy is refused, and so is a branch that did not pass the gate.
#[test]
fn a_clone_is_enough() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    let said = desk.assay(&["rollback", "trend", "--to", "2", "--reason", "a proposal"]).ok();
    let branch = said.out.trim().to_string();
    let gate = desk.path("lab/deploy.git");
    desk.git(&["--git-dir", "lab/repo.git", "push", "-q", gate.to_str().unwrap(), &format!("refs/heads/{branch}")])
        .ok();
    let root = genesis(&desk);
    // Elsewhere: no lab is near.
    let there = Desk::new();
    there.git(&["clone", "-q", gate.to_str().unwrap(), "c"]).ok();
    let ask = |args: &[&str]| there.assay(&[args, &["--repo", "c", "--genesis", &root]].concat());
    let live = ask(&["active", "--json"]).ok().json();
    assert_eq!((live[0]["version"].as_i64(), live.as_array().unwrap().len()), (Some(3), 1));
    let all = ask(&["active", "--history", "--json"]).ok().json();
    assert_eq!(all.as_array().unwrap().len(), 3);
    let second = all[1]["at_us"].as_u64().unwrap();
    let at = assay_shared::time::format_us(second);
    assert_eq!(ask(&["active", "--at", &at, "--json"]).ok().json()[0]["version"], 2);
    assert_eq!(ask(&["active", "--at", "2020-01-01", "--json"]).ok().json(), json!([]));
    let audit = ask(&["audit", "--json"]).ok().json();
    assert_eq!((audit["versions"].as_u64(), &audit["findings"]), (Some(3), &json!([])));
    assert!(audit["logs"]["demo.assay.invalid/ana"].as_u64().unwrap() > 16);
    let links = ask(&["explain", "trend", "--json"]).ok().json();
    let names: Vec<&str> = links.as_array().unwrap().iter().map(|l| l["name"].as_str().unwrap()).collect();
    let wanted = ["live", "config", "approvals", "policy", "restores", "reproduction", "trial", "study", "data"];
    assert_eq!(names, wanted, "version 3 restores version 1");
    assert!(ask(&["explain", "trend"]).ok().out.contains("under the checkpoint of"));
    ask(&["explain", "none"]).fails(2, "live is: trend");
    earlier(&desk, &ask, &links);
    assert!(ask(&["review"]).ok().out.contains(&branch));
    assert!(ask(&["review", &branch]).ok().out.contains("rollback to version 2: a proposal"));
    // What would have to be looked at if ben's key were lost.
    std::fs::copy(desk.path("lab/people/ben.pub"), there.path("ben.pub")).unwrap();
    let signed = ask(&["compromise", "--key", "ben.pub", "--json"]).ok().json();
    let did = |what: &str, did: &str| {
        signed.as_array().unwrap().iter().any(|s| s["what"] == what && s["did"].as_str().unwrap().contains(did))
    };
    assert!(
        did("trend v3", "approved it") && did("trend v1", "reproduced it") && did("policy v1", "is ben's"),
        "{signed}"
    );
    assert_eq!(signed[0]["in_force"], true);
    let markdown = ask(&["review", &branch, "--markdown"]).ok().out;
    assert!(markdown.contains("### the gate") && markdown.contains("| signature | ok | by ana |"), "{markdown}");
    ask(&["review", &branch, "--html", "review.html"]).ok();
    let page = std::fs::read_to_string(there.path("review.html")).unwrap();
    assert!(page.contains("default-src 'none'") && page.contains("<td>not yet</td>") && !page.contains("<script"));
    // The lab says the same of itself.
    assert_eq!(desk.assay(&["explain", "trend", "--json"]).ok().json(), links);
    let other = "0".repeat(64);
    there.assay(&["audit", "--repo", "c", "--genesis", &other]).fails(1, "--genesis");
    there.assay(&["audit", "--repo", "c"]).fails(2, "--genesis");
    there.assay(&["audit", "--repo", "none", "--genesis", &root]).fails(3, "none");
    // A commit that the gate never saw, as somebody who holds the remote could serve it.
    there.git(&["-C", "c", "checkout", "-q", "main"]).ok();
    std::fs::write(there.path("c/configs/live/trend.toml"), "x").unwrap();
    there.git(&["-C", "c", "commit", "-q", "-a", "-m", "x"]).ok();
    there.git(&["-C", "c", "update-ref", "refs/remotes/origin/main", "main"]).ok();
    ask(&["active"]).fails(1, "configs/live/trend.toml");
}

/// A log that somebody else made in the host's name is told from the host's by its key; an old one, or one of another
/// time, by what it says.
#[test]
fn a_hosts_log_that_is_none() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    let root = genesis(&desk);
    let own = std::fs::read_to_string(desk.path("lab/deploy.git/assay/ledger/log.vkey")).unwrap();
    let ask = |clone: &str, args: &[&str]| {
        desk.assay(&[args, &["--repo", clone, "--genesis", &root, "--host-key", own.trim()]].concat())
    };
    desk.git(&["clone", "-q", "--bare", "lab/deploy.git", "evil.git"]).ok();
    let branches = desk.git(&["-C", "evil.git", "for-each-ref", "--format=%(refname)", "refs/heads/ledger"]).ok().out;
    let hosts = branches.lines().find(|l| l.contains("deploy")).unwrap().to_string();
    desk.git(&["clone", "-q", "lab/deploy.git", "true"]).ok();
    ask("true", &["audit"]).ok();
    ask("true", &["active", "--at", "2026-01-01"]).ok();
    let said = desk.assay(&["audit", "--repo", "true", "--genesis", &root]).ok();
    assert!(said.err.contains("nothing here vouches for the key") && said.err.contains(own.trim()), "{}", said.err);
    // The branch as it is, the host's log as it was: versions that went live are missing.
    desk.git(&[
        "-C",
        "true",
        "update-ref",
        &hosts.replace("heads", "remotes/origin"),
        &format!("{hosts}~1").replace("heads", "remotes/origin"),
    ])
    .ok();
    ask("true", &["active", "--at", "2999-01-01"]).fails(1, "does not say that it went live yet");
    ask("true", &["active", "--history"]).fails(1, "does not say that it went live yet");
    assert!(ask("true", &["active"]).ok().err.contains("does not say that it went live yet"));
    // Another log under the host's name, by who serves the clone.
    desk.git(&["-C", "evil.git", "update-ref", "-d", &hosts]).ok();
    let policy = desk.git(&["-C", "evil.git", "show", "main:configs/policy.toml"]).ok().out;
    std::fs::write(desk.path("first.toml"), policy).unwrap();
    let live = format!("sqlite:{}", desk.path("evil.sqlite").display());
    desk.assay(&["hook", "install", "--repo", "evil.git", "--policy", "first.toml", "--live", &live]).ok();
    desk.assay(&["reconcile", "--gate", "evil.git/assay"]).ok();
    desk.git(&["clone", "-q", "evil.git", "c2"]).ok();
    for args in [&["audit"][..], &["active"], &["explain", "trend"]] {
        ask("c2", args).fails(1, "by another key than");
    }
}
