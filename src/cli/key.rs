//! `assay key`

use super::Context;
use super::output::{print, print_json, say, table};
use assay_lab::LabError;
use assay_lab::keys::{add, list, new_key, read_public, revoke, roles, rotate};
use assay_ledger::keys::signer::public_path;
use assay_shared::event::roster::Member;
use serde_json::json;
use std::path::PathBuf;

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
    /// Example: assay key rotate --to lab/keys/ana-2027
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

pub fn run(cx: &Context, args: Args) -> Result<(), LabError> {
    match args {
        Args::New { out, comment, encrypt } => {
            let signer = new_key(&out, &comment, encrypt, &cx.session)?;
            let public = public_path(&out);
            say(&format!("key {} written to {} and {}", signer.id(), out.display(), public.display()));
        }
        Args::Add { person, roles: names, public } => {
            let (roles, key) = (roles(&names)?, read_public(&public)?);
            add(&cx.lab()?, &person, &roles, &key)?;
            say(&format!("{} of {person} may now record as {}", key.id(), names.join(", ")));
        }
        Args::Revoke { public, reason } => {
            let key = read_public(&public)?;
            let at = revoke(&cx.lab()?, &key, &reason)?;
            say(&format!("{} counts no more from entry {at} on", key.id()));
        }
        Args::Rotate { to, encrypt } => {
            let (new, at) = rotate(&mut cx.lab()?, &to, encrypt)?;
            say(&format!("{} takes over from entry {} on; the old key counts no more", new.id(), at.seq));
            say("where a policy names the old key, change it there too: `assay review` shows the policy in force");
        }
        Args::List => show(cx)?,
    }
    Ok(())
}

fn show(cx: &Context) -> Result<(), LabError> {
    let members = list(&cx.lab()?)?;
    let roles = |m: &Member| m.roles.iter().map(|r| r.name()).collect::<Vec<_>>();
    if cx.json {
        let row = |m: &Member| json!({"person": m.person, "roles": roles(m), "key": m.key.to_openssh(), "id": m.key.id().to_string(), "revoked_at": m.revoked_at});
        print_json(&members.iter().map(row).collect::<Vec<_>>());
        return Ok(());
    }
    let row = |m: &Member| {
        let state = m.revoked_at.map_or("valid".into(), |at| format!("revoked at {at}"));
        vec![m.person.clone(), roles(m).join(","), m.key.id().to_string(), state]
    };
    print(&table(&["person", "roles", "key", "state"], &members.iter().map(row).collect::<Vec<_>>()));
    Ok(())
}
