//! `assay key`

use super::Context;
use super::error::CliError;
use super::init::add_member;
use super::lab::ask_passphrase;
use super::output::{print, print_json, say, table};
use super::verify;
use assay_ledger::{Authority, PublicKey, Signer};
use assay_shared::event::roster::{Role, Roster};
use assay_shared::event::{KeyRevoked, KeyRotated, rotation_message};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Make keys, and say which keys may write to the ledger
#[derive(Debug, clap::Subcommand)]
pub enum Args {
    /// Make an OpenSSH ed25519 key (the same files as `ssh-keygen -t ed25519`)
    ///
    /// Example: assay key new --out ~/.ssh/assay --comment ben
    New {
        /// File to create; the public half goes beside it as .pub
        #[arg(long)]
        out: PathBuf,
        /// Comment in the key, such as your name
        #[arg(long, default_value = "")]
        comment: String,
        /// Encrypt it (asks for a passphrase, or reads ASSAY_PASSPHRASE)
        #[arg(long)]
        encrypt: bool,
    },
    /// Let a key write to this lab's ledger
    ///
    /// Example: assay key add cyd --role researcher --public cyd.pub
    Add {
        /// The person
        person: String,
        /// Role: admin, researcher or deployer; repeat for several
        #[arg(long = "role", required = true)]
        roles: Vec<String>,
        /// OpenSSH public key file
        #[arg(long)]
        public: PathBuf,
    },
    /// Stop a key from counting, from here on
    ///
    /// Example: assay key revoke cyd.pub --reason "laptop lost"
    Revoke {
        /// OpenSSH public key file
        public: PathBuf,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Replace your own key by a new one, for the same person and roles
    ///
    /// The old key signs the event and the new one signs that it takes over; from there on the old
    /// one counts no more. The lab's settings then name the new key. The policy of the deploy
    /// branch names keys of its own: change it there too.
    ///
    /// Example: assay key rotate --to keys/ana-2027
    Rotate {
        /// The new private key; made if there is no such file
        #[arg(long)]
        to: PathBuf,
        /// Encrypt it when it is made (asks for a passphrase, or reads ASSAY_PASSPHRASE)
        #[arg(long)]
        encrypt: bool,
    },
    /// List the keys of this lab's ledger
    ///
    /// Example: assay key list --json
    List,
}

/// Makes a key file, encrypted when asked to.
pub fn new_key(path: &Path, comment: &str, encrypt: bool) -> Result<Signer, CliError> {
    let signer = Signer::generate()?;
    let passphrase = if encrypt {
        let none =
            || CliError::usage("no passphrase was given", "run in a terminal to be asked, or set ASSAY_PASSPHRASE");
        Some(ask_passphrase(path).filter(|p| !p.is_empty()).ok_or_else(none)?)
    } else {
        None
    };
    signer.write(path, comment, passphrase.as_deref())?;
    Ok(signer)
}

fn public(path: &Path) -> Result<PublicKey, CliError> {
    let text = std::fs::read_to_string(path).map_err(CliError::io("read", path))?;
    text.parse()
        .map_err(|e| CliError::usage(format!("{}: {e}", path.display()), "give the .pub file of an ed25519 key"))
}

pub fn run(cx: &Context, args: Args) -> Result<(), CliError> {
    match args {
        Args::New { out, comment, encrypt } => {
            let signer = new_key(&out, &comment, encrypt)?;
            say(&format!(
                "key {} written to {} and {}",
                signer.id(),
                out.display(),
                out.with_extension("pub").display()
            ));
            Ok(())
        }
        Args::Add { person, roles, public: file } => {
            if let Some(bad) = roles.iter().find(|r| Role::parse(r).is_none()) {
                return Err(CliError::usage(
                    format!("there is no role '{bad}'"),
                    "roles are admin, researcher and deployer",
                ));
            }
            let key = public(&file)?;
            let mut writer = cx.lab()?.writer()?;
            add_member(&mut writer, &person, &roles, &key)?;
            writer.publish()?;
            say(&format!("{} of {person} may now record as {}", key.id(), roles.join(", ")));
            Ok(())
        }
        Args::Revoke { public: file, reason } => {
            let key = public(&file)?;
            let mut writer = cx.lab()?.writer()?;
            let at = writer.record_one(KeyRevoked { key: key.to_bytes(), reason })?;
            writer.publish()?;
            say(&format!("{} counts no more from entry {} on", key.id(), at.seq));
            Ok(())
        }
        Args::Rotate { to, encrypt } => rotate(cx, &to, encrypt),
        Args::List => list(cx),
    }
}

fn rotate(cx: &Context, to: &Path, encrypt: bool) -> Result<(), CliError> {
    let mut lab = cx.lab()?;
    let mut writer = lab.writer()?;
    let new = match to.exists() {
        true => Signer::read(to, &ask_passphrase)?,
        false => new_key(to, &lab.config.person, encrypt)?,
    };
    let (old, new_raw) = (lab.signer()?.public().to_bytes(), new.public().to_bytes());
    let proof = new.sign(&rotation_message(writer.log.origin(), &old, &new_raw))?;
    let at = writer.record_one(KeyRotated { old, new: new_raw, proof })?;
    writer.publish()?;
    lab.config.key = std::path::absolute(to).map_err(CliError::io("find", to))?;
    lab.save()?;
    say(&format!("{} takes over from entry {} on; the old key counts no more", new.id(), at.seq));
    say("where a policy names the old key, change it there too: `assay review` shows the policy in force");
    Ok(())
}

fn list(cx: &Context) -> Result<(), CliError> {
    let lab = cx.lab()?;
    let log = lab.log()?;
    if let Some(f) = verify::findings(&lab.ledger_dir())?.1.first() {
        return Err(CliError::Verification(format!("entry {}: {}: {}", f.seq, f.reason, f.detail)));
    }
    let mut roster = Roster::new();
    log.scan(0, |entry| {
        let _ = roster.admit(&entry);
        Ok::<(), CliError>(())
    })?;
    let roles = |m: &assay_shared::event::roster::Member| {
        m.roles.iter().map(|r| format!("{r:?}").to_lowercase()).collect::<Vec<_>>()
    };
    if cx.json {
        let rows: Vec<_> = roster
            .members()
            .map(|m| json!({"person": m.person, "roles": roles(m), "key": m.key.to_openssh(), "id": m.key.id().to_string(), "revoked_at": m.revoked_at}))
            .collect();
        print_json(&rows);
        return Ok(());
    }
    let row = |m: &assay_shared::event::roster::Member| {
        let state = m.revoked_at.map_or("valid".into(), |at| format!("revoked at {at}"));
        vec![m.person.clone(), roles(m).join(","), m.key.id().to_string(), state]
    };
    print(&table(&["person", "roles", "key", "state"], &roster.members().map(row).collect::<Vec<_>>()));
    Ok(())
}
