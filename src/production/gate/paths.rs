//! Every path of the deploy branch and of a log's branch has an owner: nothing lies there that nobody answers for.

use super::refusal::{Code, GateError, refuse};
use super::signed;
use crate::repository::git::Repo;
use assay_ledger::Hash;
use assay_ledger::keys::sshsig;
use assay_shared::format::config::{LiveConfig, NAMESPACE, REPRODUCTIONS, proposal_of};
use assay_shared::policy::{self, Policy, Role};

/// Files that one step of the deploy branch may change.
const MOST_CHANGES: usize = 512;
/// Files in which a proposal's branch may differ from what is deployed.
const MOST_FILES: usize = 20_000;
/// Bytes of a file of evidence.
const MOST_BYTES: usize = 256 * 1024;

/// Words for whoever looks at the repository.
pub(super) const README: &str = "README.md";

/// What a path of the deploy branch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place<'a> {
    /// The policy.
    Policy,
    /// A signature over it.
    PolicySignature,
    /// The rendered list of signers.
    Signers,
    /// Words for whoever looks at the repository.
    Readme,
    /// A strategy's config, or its signature.
    Config(&'a str),
    /// A file beside a version of a strategy's config.
    Evidence {
        /// The strategy.
        strategy: &'a str,
        /// The version.
        version: u64,
        /// Its name there.
        file: &'a str,
    },
}

/// What a path is; none for one that has no meaning there.
pub(super) fn place(path: &str) -> Option<Place<'_>> {
    let parts: Vec<&str> = path.split('/').collect();
    match parts[..] {
        [README] => Some(Place::Readme),
        ["configs", "policy.toml"] => Some(Place::Policy),
        ["configs", "allowed_signers"] => Some(Place::Signers),
        ["configs", "policy.sigs", name] => name.ends_with(".sig").then_some(Place::PolicySignature),
        ["configs", "live", name] => name.trim_end_matches(".sig").strip_suffix(".toml").map(Place::Config),
        ["evidence", strategy, version, ..] if parts.len() > 3 => {
            let number = version.strip_prefix('v').and_then(|v| v.parse::<u64>().ok())?;
            // Written as we write it.
            let file = &path[strategy.len() + version.len() + "evidence///".len()..];
            (format!("v{number}") == version).then_some(Place::Evidence { strategy, version: number, file })
        }
        _ => None,
    }
}

/// Whether a file belongs to a version's evidence: its statement, its checkpoint, its events with their proofs, and
/// signatures by people of the policy.
fn is_evidence(file: &str, policy: &Policy) -> bool {
    const EVENTS: [&str; 6] = ["study", "trial", "closed", "walk-forward", "parity", "proposal"];
    let person = |name: &str| policy.people.iter().any(|p| p.name == name);
    let parts: Vec<&str> = file.split('/').collect();
    match parts[..] {
        ["statement" | "checkpoint"] => true,
        [name] => name
            .rsplit_once('.')
            .is_some_and(|(event, suffix)| EVENTS.contains(&event) && matches!(suffix, "entry" | "tlog-proof")),
        ["approvals", name] => name.strip_suffix(".sig").is_some_and(person),
        [REPRODUCTIONS, name] => name.strip_suffix(".sig").or(name.strip_suffix(".txt")).is_some_and(person),
        _ => false,
    }
}

/// That a step changes no more than it may, and that new evidence is of a version that comes with it.
pub(super) fn owned(
    repo: &Repo,
    new: &str,
    changed: &[&str],
    brought: &[(String, u64)],
    policy: &Policy,
) -> Result<(), GateError> {
    if changed.len() > MOST_CHANGES {
        let what = format!("{} files change in one step, over {MOST_CHANGES}", changed.len());
        return refuse(Code::TooLarge, new, what);
    }
    for path in changed {
        if repo.file(new, path)?.is_some_and(|bytes| bytes.len() > MOST_BYTES) {
            return refuse(Code::TooLarge, *path, format!("it is over {MOST_BYTES} bytes"));
        }
        let Some(Place::Evidence { strategy, version, file }) = place(path) else { continue };
        if !brought.iter().any(|(s, v)| s == strategy && *v == version) {
            let what = "evidence may come only with the version of the config that it belongs to";
            return refuse(Code::PathNotAllowed, *path, what);
        }
        if !is_evidence(file, policy) {
            return refuse(Code::PathNotAllowed, *path, "this file is no part of a version's evidence");
        }
        signed::by_whom_it_says(repo, new, (path, file), policy)?;
    }
    Ok(())
}

/// That a proposal changes nothing but one strategy's config and the evidence of its version.
///
/// # Errors
/// The first path that would be refused.
pub(super) fn proposed(
    repo: &Repo,
    old: &str,
    new: &str,
    strategy: &str,
    version: u64,
    policy: &Policy,
) -> Result<(), GateError> {
    let changes = repo.changes(old, new)?;
    let changed: Vec<&str> = changes.iter().filter(|c| c.after).map(|c| c.path.as_str()).collect();
    for path in &changed {
        let fits = match place(path) {
            Some(Place::Config(name)) => name == strategy,
            Some(Place::Evidence { .. }) => true,
            _ => false,
        };
        if !fits {
            return refuse(Code::PathNotAllowed, *path, "it is no part of this proposal");
        }
    }
    owned(repo, new, &changed, &[(strategy.to_string(), version)], policy)
}

/// That the rendered list of signers is what the policy of a commit renders.
pub(super) fn signers(repo: &Repo, commit: &str, policy: &Policy) -> Result<(), GateError> {
    let stated = repo.file(commit, policy::SIGNERS_PATH)?;
    if stated.is_some_and(|bytes| bytes != policy.allowed_signers().into_bytes()) {
        let what = "it is not what the policy renders: write it with `assay policy sign`";
        return refuse(Code::BadSigners, policy::SIGNERS_PATH, what);
    }
    Ok(())
}

/// That the branch of a log holds its checkpoint, its key and its tiles, and nothing else.
pub(super) fn tiles(repo: &Repo, commit: &str, vkey: &str) -> Result<(), GateError> {
    for path in repo.list(commit)?.into_keys() {
        let fits = match path.as_str() {
            "checkpoint" => true,
            "log.vkey" => repo.file(commit, &path)?.is_some_and(|text| text.trim_ascii() == vkey.as_bytes()),
            _ => is_tile(&path),
        };
        if !fits {
            return refuse(Code::PathNotAllowed, path, "the branch of a log holds its checkpoint, key and tiles only");
        }
    }
    Ok(())
}

/// `tile/<level or entries>/x001/234`, or `….p/<width>`.
fn is_tile(path: &str) -> bool {
    let Some((level, rest)) = path.strip_prefix("tile/").and_then(|rest| rest.split_once('/')) else { return false };
    let number = |s: &str, most: u64| {
        !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit()) && s.parse::<u64>().is_ok_and(|n| n <= most)
    };
    let (index, width) = match rest.split_once(".p/") {
        Some((index, width)) => (index, Some(width)),
        None => (rest, None),
    };
    let groups: Vec<&str> = index.split('/').collect();
    let last = groups.len() - 1;
    let group = |(i, g): (usize, &&str)| {
        let digits = if i == last { Some(*g) } else { g.strip_prefix('x') };
        digits.is_some_and(|d| d.len() == 3 && number(d, 999))
    };
    (level == "entries" || number(level, 63))
        && groups.iter().enumerate().all(group)
        && width.is_none_or(|w| number(w, 255))
}

/// Commits that one push may bring to a branch, and bytes of one, its message included.
const MOST_COMMITS: usize = 4096;
const MOST_WORDS: u64 = 64 * 1024;

/// That nothing lies hidden on the way to what is pushed, which would be here for good: each commit that comes with it
/// changes only what has a meaning, in files of a size. The steps of the deploy branch itself, its `line`, are judged
/// elsewhere too.
///
/// # Errors
/// The first path that would be refused.
pub(super) fn on_the_way(repo: &Repo, known: &[String], new: &str, line: &[String]) -> Result<(), GateError> {
    let Some(steps) = repo.brings(known, new, MOST_COMMITS)? else {
        return refuse(Code::TooLarge, new, format!("it brings over {MOST_COMMITS} commits"));
    };
    for (parent, commit) in steps {
        let short = &commit[..12];
        let Some(parent) = parent else {
            let what =
                format!("the commit {short} begins a history of its own: merge a proposal that began on this branch");
            return refuse(Code::NotFirstParent, &commit, what);
        };
        if repo.bytes_of(&commit)? > MOST_WORDS {
            let what = format!("the commit {short} has more than {MOST_WORDS} bytes of words");
            return refuse(Code::TooLarge, &commit, what);
        }
        if !line.contains(&commit) && repo.is_idle(&commit)? {
            return refuse(Code::TooLarge, &commit, format!("the commit {short} changes nothing"));
        }
        for c in repo.changes(&parent, &commit)?.iter().filter(|c| c.after) {
            if place(&c.path).is_none() {
                let what = format!("the commit {short} on the way has it, and it has no meaning here");
                return refuse(Code::PathNotAllowed, &c.path, what);
            }
            if repo.size(&commit, &c.path)?.is_some_and(|bytes| bytes > MOST_BYTES as u64) {
                let what = format!("the commit {short} on the way has it, over {MOST_BYTES} bytes");
                return refuse(Code::TooLarge, &c.path, what);
            }
        }
    }
    Ok(())
}

/// That a proposal's branch is called after what it proposes, and that a researcher of the policy signed that, or that it
/// is deployed already: a branch of nothing would only be in everybody's way.
fn proposes(repo: &Repo, deployed: &str, commit: &str, branch: &str, policy: &Policy) -> Result<(), GateError> {
    let name = branch.trim_start_matches("refs/heads/");
    let nothing = |what: &str| {
        let what =
            format!("it proposes nothing: {what}; a proposal is made by `assay promote`, on a branch of its own");
        refuse(Code::WrongBranch, branch, what)
    };
    let Some((strategy, version, short)) = proposal_of(name) else {
        return nothing("its name is not promote/STRATEGY-vN-HASH");
    };
    let path = LiveConfig::path(strategy);
    let Some(bytes) = repo.file(commit, &path)? else { return nothing("it has no config of that strategy") };
    if Hash::of(&bytes).short() != short {
        return nothing("the config has another hash");
    }
    if LiveConfig::parse_again(&bytes).is_ok_and(|c| c.promotion.version != version) {
        return nothing("the config is of another version");
    }
    if repo.follows(deployed, commit)? {
        return Ok(());
    }
    let signature = repo.file(commit, &format!("{path}.sig"))?.unwrap_or_default();
    match sshsig::verify(&signature, NAMESPACE, &bytes) {
        Ok(key) if policy.person(&key, Role::Researcher).is_some() => Ok(()),
        _ => nothing("no researcher of the policy signed its config"),
    }
}

/// That a proposal's branch brings no heap of files to what is deployed: what is new belongs to one strategy, and is
/// what may lie there.
///
/// # Errors
/// The first path that would be refused.
pub(super) fn proposal(
    repo: &Repo,
    deployed: Option<&str>,
    (before, commit): (Option<&str>, &str),
    branch: &str,
) -> Result<(), GateError> {
    let Some(deployed) = deployed else {
        return refuse(Code::NoPolicy, commit, "the deploy branch must hold a policy before anything is proposed");
    };
    let (_, policy) = super::policy::at(repo, deployed)?;
    // Others may have moved since it was made.
    let base = repo.parted_at(deployed, commit)?.unwrap_or_else(|| deployed.into());
    let changes = repo.changes(&base, commit)?;
    let after = changes.iter().filter(|c| c.after);
    let files = after.clone().count();
    if files > MOST_FILES {
        return refuse(Code::TooLarge, commit, format!("it brings {files} files, over {MOST_FILES}"));
    }
    let (mut own, mut new) = (None, 0);
    for c in after {
        let (strategy, fits) = match place(&c.path) {
            Some(Place::Config(strategy)) => (Some(strategy), true),
            Some(Place::Evidence { strategy, file, .. }) => (Some(strategy), is_evidence(file, &policy)),
            // What was deployed when it was made.
            Some(_) => (None, c.before),
            None => (None, false),
        };
        if !fits {
            return refuse(Code::PathNotAllowed, &c.path, "it is no part of a proposal");
        }
        if c.before {
            continue;
        }
        new += 1;
        if *own.get_or_insert(strategy) != strategy {
            return refuse(Code::PathNotAllowed, &c.path, "a proposal is of one strategy");
        }
        if new > MOST_CHANGES || repo.file(commit, &c.path)?.is_some_and(|bytes| bytes.len() > MOST_BYTES) {
            let what = format!("a proposal brings at most {MOST_CHANGES} files of {MOST_BYTES} bytes");
            return refuse(Code::TooLarge, &c.path, what);
        }
        if let Some(Place::Evidence { file, .. }) = place(&c.path) {
            signed::by_whom_it_says(repo, commit, (&c.path, file), &policy)?;
        }
    }
    if let Some(strategy) = own.flatten().filter(|s| !branch.contains(&format!("promote/{s}-v"))) {
        let what = format!("a proposal of '{strategy}' is on a branch promote/{strategy}-vN-…");
        return refuse(Code::WrongBranch, branch, what);
    }
    match before {
        Some(before) => unchanged(repo, before, commit, branch)?,
        None => proposes(repo, deployed, commit, branch, &policy)?,
    }
    let known: Vec<String> = before.into_iter().chain([deployed]).map(Into::into).collect();
    on_the_way(repo, &known, commit, &[])
}

/// That what is proposed stays what it is: people add their words to it, and nobody takes away what they spoke of. A
/// proposal's name begins with `promote/STRATEGY-vN-`.
fn unchanged(repo: &Repo, before: &str, after: &str, branch: &str) -> Result<(), GateError> {
    let named = |strategy: &str, version: u64| branch.contains(&format!("promote/{strategy}-v{version}-"));
    let named_config = |strategy: &str| branch.contains(&format!("promote/{strategy}-v"));
    for c in repo.changes(before, after)? {
        let own = match place(&c.path) {
            Some(Place::Config(strategy)) => named_config(strategy),
            Some(Place::Evidence { strategy, version, file }) => {
                named(strategy, version) && !(signed::is_word(file) && c.after)
            }
            _ => false,
        };
        if own {
            let what = "what was proposed does not change under those who approve it: propose it anew";
            return refuse(Code::EvidenceChanged, &c.path, what);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let evidence = |file| Some(Place::Evidence { strategy: "trend", version: 4, file });
        assert_eq!(place("evidence/trend/v4/approvals/ben.sig"), evidence("approvals/ben.sig"));
        assert_eq!(place("evidence/trend/v4/statement"), evidence("statement"));
        assert_eq!(place("configs/live/trend.toml.sig"), Some(Place::Config("trend")));
        assert_eq!(place("configs/policy.sigs/ana.sig"), Some(Place::PolicySignature));
        for odd in [
            "evidence/trend/v04/statement",
            "evidence/trend/v4",
            "evidence/statement",
            "configs/live/a/b.toml",
            "configs/policy.sigs/ana.txt",
            "configs/other.toml",
            "run.sh",
        ] {
            assert_eq!(place(odd), None, "{odd}");
        }
    }

    #[test]
    fn tiles_and_nothing_else() {
        for good in ["tile/entries/000", "tile/0/x001/234", "tile/1/000.p/7", "tile/entries/x001/x002/003.p/255"] {
            assert!(is_tile(good), "{good}");
        }
        for bad in
            ["tile/entries/x", "tile/64/000", "tile/0/1", "tile/0/x001", "tile/0/000.p/256", "tile/e/000", "tile", "x"]
        {
            assert!(!is_tile(bad), "{bad}");
        }
    }
}
