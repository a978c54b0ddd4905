//! Keys: made, added to a ledger, revoked, replaced, listed.

use crate::error::LabError;
use crate::folder::Lab;
use crate::place::read_text;
use crate::session::Session;
use crate::standing::follow;
use crate::writer::Writer;
use assay_ledger::keys::sshsig;
use assay_ledger::log::Receipt;
use assay_ledger::{Log, PublicKey, Signer};
use assay_shared::event::change::Change;
use assay_shared::event::roster::{Member, Role};
use assay_shared::event::{
    CONSENT_NAMESPACE, Consent, Event, KeyAdded, KeyAddedV2, KeyRevoked, KeyRevokedV2, KeyRotated, KeyRotatedV2,
    KeyThresholdSet, rotation_message,
};
use assay_shared::policy;
use std::path::{Path, PathBuf};

/// A person's name is what a policy can hold, and names files: their keys, beside the log's.
///
/// # Errors
/// A name that will not do.
pub fn check_name(name: &str) -> Result<(), LabError> {
    let hint = "write it like ana or ana.lopez: lower-case letters, digits, '.', '_' and '-', beginning with a letter";
    policy::check_name(name).map_err(|e| LabError::usage(e.to_string(), hint))?;
    match name {
        "log" | "deploy" => Err(LabError::usage(format!("the name '{name}' is taken by a key of the lab's"), hint)),
        _ if name.starts_with(|c: char| c.is_ascii_lowercase()) => Ok(()),
        _ => Err(LabError::usage(format!("the name '{name}' does not begin with a letter"), hint)),
    }
}

/// Makes a key file, encrypted when asked to; the public half goes beside it as `.pub`.
///
/// # Errors
/// A file that exists, or no passphrase for a key that is to be encrypted.
pub fn new_key(path: &Path, comment: &str, encrypt: bool, session: &Session) -> Result<Signer, LabError> {
    let passphrase = if encrypt { Some(ask(path, session)?) } else { None };
    write_new(path, comment, passphrase.as_deref())
}

/// The passphrase of a key that is to be made.
pub(crate) fn ask(path: &Path, session: &Session) -> Result<String, LabError> {
    let none = || LabError::usage("no passphrase was given", "run in a terminal to be asked, or set ASSAY_PASSPHRASE");
    session.observer.passphrase(path).filter(|p| !p.is_empty()).ok_or_else(none)
}

/// Makes a key file, encrypted if there is a passphrase.
pub(crate) fn write_new(path: &Path, comment: &str, passphrase: Option<&str>) -> Result<Signer, LabError> {
    let signer = Signer::generate()?;
    signer.write(path, comment, passphrase)?;
    Ok(signer)
}

/// Reads an OpenSSH public key file.
///
/// # Errors
/// A file that cannot be read or holds another kind of key.
pub fn read_public(path: &Path) -> Result<PublicKey, LabError> {
    read_text(path, 1 << 16)?
        .parse()
        .map_err(|e| LabError::usage(format!("{}: {e}", path.display()), "give the .pub file of an ed25519 key"))
}

/// Reads the names of roles in a log.
///
/// # Errors
/// An unknown role.
pub fn roles(names: &[String]) -> Result<Vec<Role>, LabError> {
    let unknown =
        |name: &String| LabError::usage(format!("there is no role '{name}'"), format!("roles are {}", Role::list()));
    names.iter().map(|name| Role::parse(name).ok_or_else(|| unknown(name))).collect()
}

/// Lets a key write to the lab's ledger. Where it may already, as just that, nothing is recorded twice.
///
/// # Errors
/// A name that will not do, a key that is known as something else or was revoked, or a signer who may
/// not add keys.
pub fn add(lab: &Lab, person: &str, roles: &[Role], key: &PublicKey, agreed: &[PathBuf]) -> Result<Receipt, LabError> {
    let event = added(person, roles, key)?;
    let mut writer = lab.writer()?;
    let at = writer.record_one(with_consents(event, writer.log.origin(), agreed)?)?;
    close(lab, &mut writer)?;
    let revoked = writer.members().find(|m| m.key == *key).and_then(|m| m.revoked_at);
    match revoked {
        Some(since) => {
            Err(LabError::Refused(format!("{} was added at entry {} and revoked at {since}", key.id(), at.seq)))
        }
        None => Ok(at),
    }
}

fn added(person: &str, roles: &[Role], key: &PublicKey) -> Result<Event, LabError> {
    check_name(person)?;
    let roles = roles.iter().map(|r| r.name().into()).collect();
    Ok(KeyAdded { person: person.into(), roles, key: key.to_bytes() }.into())
}

/// A change with the consents in some files, each checked; as it is when there are none.
fn with_consents(event: Event, origin: &str, files: &[PathBuf]) -> Result<Event, LabError> {
    if files.is_empty() {
        return Ok(event);
    }
    let statement = statement(&event, origin);
    let read = |path: &PathBuf| -> Result<Consent, LabError> {
        let text = read_text(path, 1 << 16)?;
        let wrong = |e| {
            LabError::usage(
                format!("{}: {e}", path.display()),
                "it must agree to this very change: see `assay key agree`",
            )
        };
        let (key, signature) = sshsig::open(text.as_bytes(), CONSENT_NAMESPACE, statement.as_bytes()).map_err(wrong)?;
        Ok(Consent { key: key.to_bytes(), signature })
    };
    let consents = files.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    Ok(match event {
        Event::KeyAdded(e) => KeyAddedV2 { person: e.person, roles: e.roles, key: e.key, consents }.into(),
        Event::KeyRevoked(e) => KeyRevokedV2 { key: e.key, reason: e.reason, consents }.into(),
        Event::KeyRotated(e) => KeyRotatedV2 { old: e.old, new: e.new, proof: e.proof, consents }.into(),
        other => other,
    })
}

fn statement(event: &Event, origin: &str) -> String {
    Change::of(event).map(|change| change.statement(origin)).unwrap_or_default()
}

/// A change of keys that an admin may agree to.
#[derive(Debug, Clone)]
pub enum Proposal {
    /// A key is to count.
    Add(String, Vec<Role>, PublicKey),
    /// A key is to count no more.
    Revoke(PublicKey),
    /// A key is to count in the place of another.
    Rotate(PublicKey, PublicKey),
}

/// What an admin signs to agree to a change in the lab's log.
///
/// # Errors
/// A name that will not do; a ledger that is missing.
pub fn to_agree(lab: &Lab, proposal: &Proposal) -> Result<String, LabError> {
    let log = lab.log()?;
    let event = match proposal {
        Proposal::Add(person, roles, key) => added(person, roles, key)?,
        Proposal::Revoke(key) => KeyRevoked { key: key.to_bytes(), reason: String::new() }.into(),
        Proposal::Rotate(old, new) => KeyRotated { old: old.to_bytes(), new: new.to_bytes(), proof: [0; 64] }.into(),
    };
    Ok(statement(&event, log.origin()))
}

/// An admin's consent, as a file for `--agreed`: the same that `ssh-keygen -Y sign -n key-change@assay`
/// makes of the statement.
///
/// # Errors
/// As [`to_agree`]; a key that cannot be read.
pub fn agree(lab: &Lab, proposal: &Proposal, key: &Path) -> Result<String, LabError> {
    let statement = to_agree(lab, proposal)?;
    let signer = Signer::read(key, &|path| lab.session.observer.passphrase(path))?;
    Ok(sshsig::sign(&signer, CONSENT_NAMESPACE, statement.as_bytes())?)
}

/// Sets how many admins a change of who counts needs from here on. It never goes down.
///
/// # Errors
/// More than there are admins, fewer than needed before, or a signer who is none.
pub fn threshold(lab: &Lab, admins: u32) -> Result<Receipt, LabError> {
    let mut writer = lab.writer()?;
    let now = writer.threshold();
    let now = now.max(1);
    if admins < now {
        return Err(LabError::Refused(format!(
            "changes of who counts need {now} of the admins: a threshold only rises"
        )));
    }
    let there_are = writer.admins();
    if admins > there_are {
        let hint = "add another first: `assay key add PERSON --role admin --public FILE`";
        return Err(LabError::usage(format!("{admins} admins cannot agree where there are {there_are}"), hint));
    }
    let at = writer.record_one(KeyThresholdSet { admins })?;
    close(lab, &mut writer)?;
    Ok(at)
}

/// Publishes what was recorded, and brings the mirror up to it.
fn close(lab: &Lab, writer: &mut Writer) -> Result<(), LabError> {
    writer.publish()?;
    lab.refresh_mirror()
}

/// Stops a key from counting, from the position on that is given back. One that does not count any more
/// stays as it is.
///
/// # Errors
/// An unknown key, the last admin's, or a signer who may not revoke it.
pub fn revoke(lab: &Lab, key: &PublicKey, reason: &str, agreed: &[PathBuf]) -> Result<u64, LabError> {
    let mut writer = lab.writer()?;
    let revoked = writer.members().find(|m| m.key == *key).and_then(|m| m.revoked_at);
    let at = match revoked {
        Some(at) => at,
        None => {
            let event = KeyRevoked { key: key.to_bytes(), reason: reason.into() }.into();
            writer.record_one(with_consents(event, writer.log.origin(), agreed)?)?.seq
        }
    };
    close(lab, &mut writer)?;
    Ok(at)
}

/// Replaces the lab's own key by the one in a file, which is made if there is none. The old key
/// signs the event, the new one that it takes over; the lab's settings then name the new one.
///
/// # Errors
/// A key file that cannot be read or made, the log's own key, or a ledger that cannot be written.
pub fn rotate(lab: &mut Lab, to: &Path, encrypt: bool, agreed: &[PathBuf]) -> Result<(Signer, u64), LabError> {
    let mut writer = lab.writer()?;
    let new = match to.exists() {
        true => Signer::read(to, &|path| lab.session.observer.passphrase(path))?,
        false => new_key(to, &lab.config.person, encrypt, &lab.session)?,
    };
    if new.public() == lab.log_signer()?.public() {
        return Err(LabError::usage("it is the key of the log", "a person's key is another one; name a new file"));
    }
    let (old, new_raw) = (lab.signer()?.public().to_bytes(), new.public().to_bytes());
    // Run again after it was done: it is done.
    if let Some(at) = rotated(&writer.log, new_raw)?.filter(|_| old == new_raw) {
        close(lab, &mut writer)?;
        return Ok((new, at));
    }
    let proof = new.sign(&rotation_message(writer.log.origin(), &old, &new_raw))?;
    let event = with_consents(KeyRotated { old, new: new_raw, proof }.into(), writer.log.origin(), agreed)?;
    writer.keep()?;
    let _held = lab.session.stop.hold();
    let at = writer.record_one(event)?;
    writer.publish()?;
    writer.release();
    lab.config.key = inside(&lab.dir, to)?;
    lab.save()?;
    lab.refresh_mirror()?;
    Ok((new, at.seq))
}

/// Where a key took the place of another.
fn rotated(log: &Log, new: [u8; 32]) -> Result<Option<u64>, LabError> {
    for seq in log.newest_of("KeyRotated", 0..log.len(), usize::MAX)? {
        let found = match Event::of(&log.entry(seq)?)? {
            Event::KeyRotated(e) => e.new == new,
            Event::KeyRotatedV2(e) => e.new == new,
            _ => false,
        };
        if found {
            return Ok(Some(seq));
        }
    }
    Ok(None)
}

/// A path as the lab's settings name it: from the lab's folder when it lies there, so that the folder
/// can move; else absolute.
fn inside(lab: &Path, path: &Path) -> Result<PathBuf, LabError> {
    let whole = |p: &Path| p.canonicalize().map_err(LabError::io("find", p));
    let (lab, path) = (whole(lab)?, whole(path)?);
    Ok(path.strip_prefix(&lab).map(Path::to_path_buf).unwrap_or(path))
}

/// Every key that ever counted in the lab's ledger.
///
/// # Errors
/// A ledger that holds what nobody signed.
pub fn list(lab: &Lab) -> Result<Vec<Member>, LabError> {
    let standing = follow(&mut lab.open_log()?)?;
    Ok(standing.roster.members().cloned().collect())
}
