//! The policy: people, keys, roles, thresholds, origins and gates. A root of trust.

mod role;
mod usual;

pub use role::Role;

use crate::format::{FormatError, config};
use assay_ledger::keys::cosign::Witness;
use assay_ledger::keys::note::Verifier;
use assay_ledger::{Hash, PublicKey};
use serde::{Deserialize, Serialize};

/// Where the policy stands in the repository.
pub const PATH: &str = "configs/policy.toml";
/// Where the rendered `allowed_signers` stands in the repository.
pub const SIGNERS_PATH: &str = "configs/allowed_signers";
/// SSHSIG namespace of signatures over a policy.
pub const NAMESPACE: &str = "policy@assay";
/// Git's own, of signatures over commits.
pub const GIT_NAMESPACE: &str = "git";

/// The policy file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Format of its text.
    pub format: u32,
    /// Counts up by exactly one with each change.
    pub version: u64,
    /// Names for people.
    pub name: String,
    /// One person alone may change it, and so decides alone what goes live. Said wherever it matters.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub single_person: bool,
    /// How many people must agree.
    pub thresholds: Thresholds,
    /// What a promotion's evidence must show.
    pub gates: Gates,
    /// Who may do what, with which keys.
    pub people: Vec<Person>,
    /// Logs whose evidence counts.
    #[serde(default)]
    pub origins: Vec<Origin>,
    /// Who may cosign the logs' checkpoints.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub witnesses: Vec<WitnessKey>,
}

/// Numbers of people, not of keys.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// Approvals of a promotion, besides its author.
    pub approvals: u32,
    /// Signatures of a policy change, of the old and of the new policy's people.
    pub policy: u32,
    /// Witnesses that must have cosigned a promotion's checkpoint.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub witnesses: u32,
    /// People besides the author who must have run the trial and its study again.
    #[serde(default = "one")]
    pub reproductions: u32,
    /// Those of them who must have imported the data anew from files that the vendor's archive confirmed to them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reproductions_from_vendor: u32,
}

fn one() -> u32 {
    1
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// Limits that a promotion's recorded evidence must keep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gates {
    /// Fewest out-of-sample trades.
    pub min_trades: u32,
    /// Highest leverage.
    pub max_leverage: f64,
    /// Largest out-of-sample drawdown, a positive fraction.
    pub max_drawdown: f64,
    /// Smallest deflated Sharpe ratio (a probability).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_dsr: Option<f64>,
    /// Largest probability of backtest overfitting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_pbo: Option<f64>,
    /// Engine versions whose results count.
    pub engine_versions: Vec<String>,
    /// Days from a study's close after which its evidence is too old.
    pub max_evidence_age_days: u32,
    /// Whether a trial's minimum track record must lie within its data.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub track_record: bool,
    /// Whether a study's seed must come from one of the policy's witnesses.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub witnessed_seed: bool,
    /// Days by which another log may have gone on since a proposal counted its trials.
    #[serde(default = "count_age", skip_serializing_if = "is_count_age")]
    pub max_count_age_days: u32,
    /// Whether results on generated data may be promoted (for demonstrations only).
    #[serde(default)]
    pub allow_generated: bool,
}

fn count_age() -> u32 {
    7
}

fn is_count_age(days: &u32) -> bool {
    *days == count_age()
}

/// A person; several keys are still one person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// Name.
    pub name: String,
    /// What the person may do.
    pub roles: Vec<Role>,
    /// OpenSSH public keys.
    pub keys: Vec<PublicKey>,
}

/// A log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The log's verifier key; its name is the origin.
    pub vkey: String,
}

/// A witness.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessKey {
    /// Its verifier key for cosignatures, as `assay witness` prints it.
    pub vkey: String,
}

impl Policy {
    /// Everything that a reader checks beside the shape. Floors are enforced here, in code.
    pub(crate) fn check(&self) -> Result<(), FormatError> {
        self.people_differ()?;
        self.thresholds_can_be_reached()?;
        let g = &self.gates;
        let fractions = [Some(g.max_drawdown), g.min_dsr, g.max_pbo];
        if fractions.into_iter().flatten().any(|v| !(0.0..=1.0).contains(&v))
            || !(1.0..=150.0).contains(&g.max_leverage)
        {
            return wrong("a gate is out of range: fractions lie in 0 to 1, leverage in 1 to 150");
        }
        for origin in &self.origins {
            origin.vkey.parse::<Verifier>().map_err(|e| FormatError::Wrong(e.to_string()))?;
        }
        self.witnesses_differ()
    }

    fn people_differ(&self) -> Result<(), FormatError> {
        for (i, a) in self.people.iter().enumerate() {
            check_name(&a.name)?;
            for b in &self.people[..i] {
                if a.name == b.name || a.keys.iter().any(|k| b.keys.contains(k)) {
                    return wrong(format!("'{}' and '{}' share a name or a key", a.name, b.name));
                }
            }
        }
        Ok(())
    }

    fn thresholds_can_be_reached(&self) -> Result<(), FormatError> {
        let count = |role| self.people.iter().filter(|x| x.has(role) && !x.keys.is_empty()).count() as u32;
        let t = &self.thresholds;
        if self.version == 0 || t.approvals == 0 || t.policy == 0 {
            return wrong("version and thresholds begin at 1");
        }
        if !self.single_person && (t.policy < 2 || count(Role::Root) < 2) {
            return wrong(
                "nobody goes live alone: a policy needs two root people with keys and a threshold of two for its own \
                 changes, or says `single_person = true`",
            );
        }
        if count(Role::Reviewer) < t.approvals || count(Role::Root) < t.policy {
            return wrong("there are fewer reviewers or root people with keys than the thresholds ask for");
        }
        Ok(())
    }

    fn witnesses_differ(&self) -> Result<(), FormatError> {
        let mut witnesses: Vec<PublicKey> = Vec::new();
        for witness in &self.witnesses {
            let key = witness.vkey.parse::<Witness>().map_err(|e| FormatError::Wrong(e.to_string()))?.key;
            let of_a_log = |o: &Origin| o.vkey.parse::<Verifier>().is_ok_and(|v| v.key == key);
            let of_a_person = |person: &Person| person.keys.contains(&key);
            if witnesses.contains(&key) || self.people.iter().any(of_a_person) || self.origins.iter().any(of_a_log) {
                return wrong(format!("the witness key of '{}' stands twice", witness.vkey));
            }
            witnesses.push(key);
        }
        if (witnesses.len() as u32) < self.thresholds.witnesses {
            return wrong("there are fewer witnesses than the threshold asks for");
        }
        Ok(())
    }

    /// The witnesses whose cosignatures count.
    pub fn witnesses(&self) -> Vec<Witness> {
        self.witnesses.iter().filter_map(|w| w.vkey.parse().ok()).collect()
    }

    /// Who a key belongs to, if that person has the role.
    pub fn person(&self, key: &PublicKey, role: Role) -> Option<&Person> {
        self.people.iter().find(|p| p.has(role) && p.keys.contains(key))
    }

    /// The verifier of a log that counts.
    pub fn verifier(&self, origin: &str) -> Option<Verifier> {
        self.origins.iter().filter_map(|o| o.vkey.parse::<Verifier>().ok()).find(|v| v.name == origin)
    }

    /// The `allowed_signers` file for `ssh-keygen -Y verify`.
    pub fn allowed_signers(&self) -> String {
        let mut out = String::new();
        for person in &self.people {
            let mut spaces = Vec::new();
            for (role, space) in [
                (Role::Researcher, config::NAMESPACE),
                (Role::Reviewer, config::APPROVAL_NAMESPACE),
                (Role::Root, NAMESPACE),
            ] {
                if person.has(role) {
                    spaces.push(space);
                }
            }
            // Release 0.1.0 rendered without it.
            if self.format > 1 && (person.has(Role::Researcher) || person.has(Role::Reviewer)) {
                spaces.push(config::REPRODUCTION_NAMESPACE);
            }
            // And for the commits that carry it.
            if self.format > 1 {
                spaces.push(GIT_NAMESPACE);
            }
            for key in &person.keys {
                out += &format!("{} namespaces=\"{}\" {}\n", person.name, spaces.join(","), key.to_openssh());
            }
        }
        out
    }

    /// SHA-256 of a policy's text.
    pub fn hash_of(text: &[u8]) -> Hash {
        Hash::of(text)
    }
}

/// Whether a person may be called so.
///
/// # Errors
/// [`FormatError::Wrong`].
pub fn check_name(name: &str) -> Result<(), FormatError> {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
    match !name.is_empty() && name.bytes().all(fits) {
        true => Ok(()),
        false => wrong(format!("'{name}' is not a name of lower-case letters, digits, '.', '_' and '-'")),
    }
}

impl Person {
    /// Whether the person has a role.
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }
}

fn wrong<T>(what: impl Into<String>) -> Result<T, FormatError> {
    Err(FormatError::Wrong(what.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use assay_ledger::Signer;

    fn policy() -> Policy {
        let person = |name: &str, role: Role, key: u8| Person {
            name: name.into(),
            roles: vec![role],
            keys: vec![Signer::from_seed([key; 32]).public()],
        };
        Policy {
            format: crate::format::policy::CURRENT,
            version: 1,
            name: "p".into(),
            single_person: true,
            thresholds: Thresholds {
                approvals: 1,
                policy: 1,
                witnesses: 0,
                reproductions: 0,
                reproductions_from_vendor: 0,
            },
            gates: Gates {
                min_trades: 1,
                max_leverage: 5.0,
                max_drawdown: 0.5,
                min_dsr: None,
                max_pbo: None,
                engine_versions: vec![],
                max_evidence_age_days: 30,
                track_record: false,
                witnessed_seed: false,
                max_count_age_days: 7,
                allow_generated: false,
            },
            people: vec![person("ana", Role::Root, 1), person("ben", Role::Reviewer, 2)],
            origins: vec![],
            witnesses: vec![],
        }
    }

    /// P-17: a quorum needs as many different witnesses.
    #[test]
    fn p17_witnesses_are_different_keys() {
        let vkey = |name: &str, key: u8| {
            let witness = Witness::new(name, Signer::from_seed([key; 32]).public()).unwrap();
            WitnessKey { vkey: witness.to_string() }
        };
        let of = |witnesses: Vec<WitnessKey>, need: u32| {
            let mut p = policy();
            (p.witnesses, p.thresholds.witnesses) = (witnesses, need);
            Policy::parse(&p.text())
        };
        assert_eq!(of(vec![vkey("w/1", 7), vkey("w/2", 8)], 2).unwrap().witnesses().len(), 2);
        assert!(of(vec![vkey("w/1", 7)], 2).unwrap_err().to_string().contains("fewer witnesses"));
        assert!(
            of(vec![vkey("w/1", 7), vkey("w/2", 7)], 2).unwrap_err().to_string().contains("twice"),
            "one key, two names"
        );
        assert!(
            of(vec![vkey("w/1", 1)], 1).unwrap_err().to_string().contains("twice"),
            "a person's key serves no other purpose"
        );
        let mut p = policy();
        let log = Verifier::new("lab.example/log", Signer::from_seed([9; 32]).public()).unwrap();
        p.origins = vec![Origin { vkey: log.to_string() }];
        (p.witnesses, p.thresholds.witnesses) = (vec![vkey("w/1", 9)], 1);
        assert!(Policy::parse(&p.text()).unwrap_err().to_string().contains("twice"), "a log is no witness of itself");
        assert!(!policy().text().contains("witness"), "without witnesses the text is as before");
    }

    /// K-10, G-21: a threshold that no people with keys can reach, or of zero, is no policy.
    #[test]
    fn k10_thresholds_need_people_with_keys() {
        assert!(Policy::parse(&policy().text()).is_ok());
        let refused = |change: fn(&mut Policy)| {
            let mut p = policy();
            change(&mut p);
            Policy::parse(&p.text()).unwrap_err().to_string()
        };
        assert!(refused(|p| p.thresholds.approvals = 2).contains("fewer reviewers"));
        assert!(refused(|p| p.people[1].keys.clear()).contains("fewer reviewers"));
        assert!(refused(|p| p.people[0].keys.clear()).contains("fewer reviewers or root"));
        assert!(refused(|p| p.single_person = false).contains("nobody goes live alone"));
        assert!(refused(|p| p.thresholds.approvals = 0).contains("begin at 1"));
        assert!(refused(|p| p.thresholds.policy = 0).contains("begin at 1"));
        assert!(refused(|p| p.people[1].keys = p.people[0].keys.clone()).contains("share"), "one person, one key");
    }
}
