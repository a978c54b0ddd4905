//! `assay policy`

use super::Context;
use super::output::{print, print_json, say};
use assay_lab::LabError;
use assay_lab::policy::{Found, diff, read, risks, sign};
use assay_lab::proposal;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Check, compare and sign policies: the root of trust of a deploy branch
///
/// A change is made in a clone: edit `configs/policy.toml`, raise its version by one, have it signed by enough root
/// people of the old and of the new policy, commit, and push it alone.
#[derive(Debug, clap::Subcommand)]
pub enum Args {
    /// Check a policy file, and say what it asks for
    ///
    /// Example: assay policy check configs/policy.toml
    Check {
        /// The file
        file: PathBuf,
    },
    /// Say what changes from one policy to another, and what the gate would refuse in it
    ///
    /// Example: assay policy diff configs/policy.toml --from old-policy.toml
    Diff {
        /// The new policy
        file: PathBuf,
        /// The policy before [default: the one on the lab's main branch]
        #[arg(long)]
        from: Option<PathBuf>,
    },
    /// Sign a policy file as a root person
    ///
    /// Writes `policy.sigs/PERSON.sig` and `allowed_signers` beside it. (`ssh-keygen -Y sign -n policy@assay` makes
    /// the same signature.)
    ///
    /// Example: assay policy sign configs/policy.toml --key ~/.ssh/id_ed25519
    Sign {
        /// The file
        file: PathBuf,
        /// Your private key
        #[arg(long)]
        key: PathBuf,
        /// The policy before, for who is a root person of that one only [default: the one in force in the lab]
        #[arg(long)]
        from: Option<PathBuf>,
    },
}

pub fn run(cx: &Context, args: Args) -> Result<(), LabError> {
    match args {
        Args::Check { file } => check(cx, &read(&file)?),
        Args::Diff { file, from } => {
            let new = read(&file)?.policy;
            let old = match from {
                Some(path) => read(&path)?.policy,
                None => {
                    let none = |e| match e {
                        LabError::Usage { message, .. } => {
                            LabError::usage(message, "name the policy before: --from FILE")
                        }
                        other => other,
                    };
                    proposal::policy(&cx.lab().map_err(none)?.repo()?)?.0
                }
            };
            let lines = diff(&old, &new);
            if cx.json {
                print_json(&lines);
            } else {
                print(&if lines.is_empty() { "nothing changes".into() } else { lines.join("\n") });
            }
            if let Some(refused) = lines.iter().find_map(|line| line.strip_prefix("REFUSED: ")) {
                return Err(LabError::Refused(format!("the gate would refuse it: {refused}")));
            }
        }
        Args::Sign { file, key, from } => {
            let before = match from {
                Some(path) => Some(read(&path)?.policy),
                // Whoever leaves, or gets another key, signs as who they are now.
                None => cx.lab().and_then(|lab| Ok(proposal::policy(&lab.repo()?)?.0)).ok(),
            };
            let ask = |path: &Path| cx.session.observer.passphrase(path);
            let signed = sign(&file, &key, before.as_ref(), &ask)?;
            print(&format!("signed by {}", signed.person));
            signed.files.iter().for_each(|f| say(&format!("  {}", f.display())));
        }
    }
    Ok(())
}

fn check(cx: &Context, found: &Found) {
    let (p, t) = (&found.policy, &found.policy.thresholds);
    if cx.json {
        print_json(&json!({"sha256": found.sha256, "policy": p, "cautions": risks(p)}));
        return;
    }
    print(&format!("policy v{} '{}', {}", p.version, p.name, found.sha256));
    if p.single_person {
        print("SINGLE-PERSON POLICY: one person alone may change it");
    }
    print(&format!(
        "a promotion needs {} approvals, {} reproductions ({} from the vendor's files) and {} witnesses; a change of the \
         policy {} signatures",
        t.approvals, t.reproductions, t.reproductions_from_vendor, t.witnesses, t.policy
    ));
    let g = &p.gates;
    let asked = |v: Option<f64>| v.map_or("any".into(), |v| v.to_string());
    print(&format!(
        "gates: {} trades out of sample or more, leverage up to {}, drawdown up to {:.0} %, deflated Sharpe ratio from {}, \
         probability of overfitting up to {}, minimum track record within the data: {}, evidence up to {} days old",
        g.min_trades,
        g.max_leverage,
        g.max_drawdown * 100.0,
        asked(g.min_dsr),
        asked(g.max_pbo),
        if g.track_record { "yes" } else { "not asked for" },
        g.max_evidence_age_days
    ));
    if g.allow_generated {
        print("GENERATED DATA may go live");
    }
    let looser = g.looser_than_usual();
    if !looser.is_empty() {
        print(&format!("looser than a first policy: {}", looser.join(", ")));
    }
    for person in &p.people {
        let roles: Vec<&str> = person.roles.iter().map(|r| r.name()).collect();
        print(&format!("  {:<16} {} ({} keys)", person.name, roles.join(", "), person.keys.len()));
    }
    risks(p).iter().for_each(|what| print(&format!("CAUTION: {what}")));
}
