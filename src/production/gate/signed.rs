//! Evidence that carries a person's name was signed by them: junk under a name counts for nothing, and would stand there
//! for ever.

use super::refusal::{Code, GateError, refuse};
use crate::repository::git::Repo;
use assay_ledger::PublicKey;
use assay_ledger::keys::sshsig;
use assay_shared::format::config::{APPROVAL_NAMESPACE, REPRODUCTION_NAMESPACE, REPRODUCTIONS};
use assay_shared::policy::{GIT_NAMESPACE, Policy};

/// The folder of approvals beside a version's evidence.
const APPROVALS: &str = "approvals";

/// Whether a file of a version's evidence is somebody's word, which may come after the rest.
pub(super) fn is_word(file: &str) -> bool {
    file.split_once('/').is_some_and(|(folder, _)| [APPROVALS, REPRODUCTIONS].contains(&folder))
}

/// That a file of a version's evidence which carries a name was signed by that person. `file` is its name in the folder
/// of the evidence, `path` its whole path.
pub(super) fn by_whom_it_says(
    repo: &Repo,
    commit: &str,
    (path, file): (&str, &str),
    policy: &Policy,
) -> Result<(), GateError> {
    let Some((folder, (person, _))) = file.split_once('/').and_then(|(f, name)| Some((f, name.rsplit_once('.')?)))
    else {
        return Ok(());
    };
    let (stem, dir) = (path.rsplit_once('.').map_or(path, |(stem, _)| stem), path.trim_end_matches(file));
    let (signed, namespace, again) = match folder {
        APPROVALS => (format!("{dir}statement"), APPROVAL_NAMESPACE, "`assay approve` makes it anew, or remove it"),
        REPRODUCTIONS => {
            (format!("{stem}.txt"), REPRODUCTION_NAMESPACE, "`assay reproduce` makes it anew, or remove it")
        }
        _ => return Ok(()),
    };
    let (text, signature) = (repo.file(commit, &signed)?, repo.file(commit, &format!("{stem}.sig"))?);
    let why = match (text, signature) {
        (Some(text), Some(signature)) => match sshsig::verify(&signature, namespace, &text) {
            Ok(key) if theirs(policy, person, &key) => return Ok(()),
            Ok(key) => format!("the key {} is none of {person}'s in the policy", key.id()),
            Err(e) => e.to_string(),
        },
        (None, _) => format!("{signed} is not there"),
        (_, None) => "it has no signature".into(),
    };
    refuse(Code::PathNotAllowed, path, format!("{person} did not sign it ({why}): {again}"))
}

/// That a commit was signed by somebody of the policy, as git does it with SSH keys.
pub(super) fn commit(repo: &Repo, commit: &str, path: &str, policy: &Policy) -> Result<(), GateError> {
    let known = |key: &PublicKey| policy.people.iter().any(|p| p.keys.contains(key));
    let signer = match repo.signature_of(commit)? {
        Some((signature, content)) => sshsig::verify(&signature, GIT_NAMESPACE, &content).ok(),
        None => None,
    };
    match signer.is_some_and(|key| known(&key)) {
        true => Ok(()),
        false => {
            let what = format!(
                "nobody of the policy signed the commit {} that changes it: `git -c gpg.format=ssh -c user.signingkey=KEY commit -S`",
                &commit[..12.min(commit.len())]
            );
            refuse(Code::Unsigned, path, what)
        }
    }
}

fn theirs(policy: &Policy, person: &str, key: &PublicKey) -> bool {
    policy.people.iter().any(|p| p.name == person && p.keys.contains(key))
}
