//! `assay key`

use super::Context;
use super::output::{print, print_json, say, table};
use super::words;
use assay_lab::LabError;
use assay_lab::keys::{Proposal, add, agree, list, new_key, read_public, revoke, roles, rotate, threshold, to_agree};
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
        /// Another admin's consent, as `assay key agree` prints it; repeat for several
        #[arg(long = "agreed", value_name = "FILE")]
        agreed: Vec<PathBuf>,
    },
    /// Stop a key from counting, from here on
    ///
    /// Example: assay key revoke cyd.pub --reason "laptop lost"
    Revoke {
        /// OpenSSH public key file
        public: PathBuf,
        /// Why
        #[arg(long, value_parser = words::reason)]
        reason: String,
        /// Another admin's consent, as `assay key agree` prints it; repeat for several
        #[arg(long = "agreed", value_name = "FILE")]
        agreed: Vec<PathBuf>,
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
        /// Another admin's consent, as `assay key agree` prints it; repeat for several
        #[arg(long = "agreed", value_name = "FILE")]
        agreed: Vec<PathBuf>,
    },
    /// Let changes of who counts need several admins from here on
    ///
    /// It holds for adding an admin, revoking another person's key, and replacing an admin's. It never
    /// goes down, so that one stolen key cannot undo it.
    ///
    /// Example: assay key threshold 2
    Threshold {
        /// How many admins, the one who records it included
        admins: u32,
    },
    /// Agree as an admin to a change of keys: prints a signature for `--agreed`
    ///
    /// Without --key it prints what is to be signed, for
    /// `ssh-keygen -Y sign -n key-change@assay -f KEY FILE`.
    ///
    /// Example: assay key agree --revoke cyd.pub --key ~/.ssh/ben > ben.agreed
    #[command(group = clap::ArgGroup::new("change").required(true))]
    Agree {
        /// The key that is to count no more
        #[arg(long, value_name = "FILE", group = "change")]
        revoke: Option<PathBuf>,
        /// The key that is to be replaced, and the new one
        #[arg(long, num_args = 2, value_names = ["OLD", "NEW"], group = "change")]
        rotate: Option<Vec<PathBuf>>,
        /// The person whose key is to count, with --role and --public
        #[arg(long, value_name = "PERSON", group = "change", requires = "public")]
        add: Option<String>,
        /// Their roles
        #[arg(long = "role", requires = "add")]
        roles: Vec<String>,
        /// Their OpenSSH public key file
        #[arg(long, requires = "add")]
        public: Option<PathBuf>,
        /// Your private key
        #[arg(long)]
        key: Option<PathBuf>,
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
        Args::Add { person, roles: names, public, agreed } => {
            let (roles, key) = (roles(&names)?, read_public(&public)?);
            add(&cx.lab()?, &person, &roles, &key, &agreed)?;
            say(&format!("{} of {person} may now record as {}", key.id(), names.join(", ")));
        }
        Args::Revoke { public, reason, agreed } => {
            let key = read_public(&public)?;
            let at = revoke(&cx.lab()?, &key, &reason, &agreed)?;
            say(&format!("{} counts no more from entry {at} on", key.id()));
            say("next: `assay sync`, so that the deploy host learns of it, too");
        }
        Args::Rotate { to, encrypt, agreed } => {
            let (new, at) = rotate(&mut cx.lab()?, &to, encrypt, &agreed)?;
            say(&format!("{} takes over from entry {} on; the old key counts no more", new.id(), at));
            say("where a policy names the old key, change it there too: `assay review` shows the policy in force");
        }
        Args::Threshold { admins } => {
            let at = threshold(&cx.lab()?, admins)?;
            say(&format!("from entry {} on, changes of who counts need {admins} admins", at.seq));
        }
        Args::Agree { revoke, rotate, add, roles: names, public, key } => {
            let proposal = match (revoke, rotate.as_deref(), add, public) {
                (Some(key), ..) => Proposal::Revoke(read_public(&key)?),
                (_, Some([old, new]), ..) => Proposal::Rotate(read_public(old)?, read_public(new)?),
                (_, _, Some(person), Some(key)) => Proposal::Add(person, roles(&names)?, read_public(&key)?),
                _ => return Err(LabError::usage("no change is named", "give --revoke, --rotate or --add")),
            };
            let lab = cx.lab()?;
            let text = match key {
                Some(key) => agree(&lab, &proposal, &key)?,
                None => to_agree(&lab, &proposal)?,
            };
            print(text.trim_end());
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
