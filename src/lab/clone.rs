//! The deploy repository from a plain clone: what is live, and what was live when, without a lab and without its host.

use crate::error::LabError;
use crate::lawful::{Halted, Policies, ended_unlawfully, halt_of, halted, without};
use assay_ledger::Hash;
use assay_ledger::keys::note::Verifier;
use assay_production::deploy::halts::Halt;
use assay_production::gate::{self, Code, Dependent, Ever, GateError, Host, InForce, VerifiedLog};
use assay_production::repository::Repo;
use assay_production::repository::evidence::ledger_branch;
use assay_shared::event::Event;
use assay_shared::format::config::LiveConfig;
use assay_shared::time::{format_us, parse_us};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// A clone whose deploy branch verified from the pinned first policy on, with every log that its policy lists.
#[derive(Debug)]
pub struct Clone {
    /// The clone.
    pub repo: Repo,
    /// The commit that was looked at.
    pub head: String,
    /// The configs in force.
    pub live: Vec<InForce>,
    /// Every version that ever was on the branch.
    pub ever: Ever,
    /// Entries of each log that verified.
    pub logs: BTreeMap<String, u64>,
    /// What is live and rests on people or keys that do not count any more.
    pub dependents: Vec<Dependent>,
    /// The key of the host's log, from somebody one trusts. Without it the log's own is taken: whoever serves the clone
    /// could have made another log.
    pub host_key: Option<Verifier>,
    host: Host,
}

/// A refusal by the gate, said to somebody who only looks: what stands there does not verify.
fn unverified(e: GateError, repo: &Repo) -> LabError {
    match e {
        GateError::Refused(r) if r.code == Code::Genesis => {
            LabError::Verification("the first policy of the branch is not the one that was named (--genesis)".into())
        }
        GateError::Refused(r)
            if r.code == Code::UnknownOrigin && repo.branches("ledger/").is_ok_and(|b| b.is_empty()) =>
        {
            let hint = "fetch all branches: `git fetch origin '+refs/heads/*:refs/remotes/origin/*'`";
            LabError::usage("the clone has no branch of a log: it was made of one branch only", hint)
        }
        GateError::Refused(r) => LabError::Verification(r.to_string()),
        e => e.into(),
    }
}

/// How far clocks of two machines may be apart.
const AHEAD_US: u64 = 10 * 60 * 1_000_000;

/// A version that went live, as the host's log says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Went {
    /// The strategy.
    pub strategy: String,
    /// Its version.
    pub version: u64,
    /// SHA-256 of its config.
    pub config_sha256: Hash,
    /// When, microseconds since 1970, by the host's clock.
    pub at_us: u64,
    /// The commit that brought it in.
    pub commit: String,
    /// It took the strategy out of force.
    pub retired: bool,
    /// When it was proposed, as its author's clock said.
    #[serde(skip)]
    pub proposed_us: Option<u64>,
    /// The deploy branch has it: a log that says more than the branch is not believed.
    pub on_the_branch: bool,
    /// The position of the host's entry, and its leaf.
    pub entry: (u64, Hash),
}

impl Clone {
    /// Opens a clone and verifies it. `genesis` is the SHA-256 of the first policy, from somebody one trusts.
    ///
    /// # Errors
    /// No repository, or the first thing that does not verify.
    pub fn open(path: &Path, genesis: Hash) -> Result<Clone, LabError> {
        Clone::of(Repo::look(path)?, Host::nowhere(genesis))
    }

    /// The repository of a gate, by its host's own memory.
    ///
    /// # Errors
    /// As [`Clone::open`].
    pub fn of(repo: Repo, host: Host) -> Result<Clone, LabError> {
        let reference = host.deploy_reference();
        let missing = || LabError::usage(format!("the repository has no {reference}"), "fetch it first: `git fetch`");
        let head = repo.tip(&reference).ok_or_else(missing)?;
        if repo.is_shallow() {
            let what = "the clone is shallow: nothing can be verified from the first policy on";
            return Err(LabError::usage(what, "`git fetch --unshallow`"));
        }
        let mut logs = gate::Logs::new();
        let (live, ever) = gate::walk(&repo, &head, &host, &mut logs).map_err(|e| unverified(e, &repo))?;
        let revoked: Vec<_> =
            logs.iter().flat_map(|(origin, log)| log.pin.revoked.iter().map(|key| (origin.clone(), *key))).collect();
        let dependents = gate::dependents(&repo, &head, &live, &revoked)?;
        let logs = logs.into_iter().map(|(origin, log)| (origin, log.len())).collect();
        Ok(Clone { repo, head, live, ever, logs, dependents, host_key: None, host })
    }

    /// A strategy's version that was in force once: the branch verified up to the step that brought it in.
    ///
    /// # Errors
    /// A version that the branch never had, or what does not verify.
    pub fn version(&self, strategy: &str, version: u64) -> Result<InForce, LabError> {
        let none = || {
            let there: Vec<_> =
                self.ever.iter().filter(|e| e.0 == strategy).map(|(_, version, _)| format!("v{version}")).collect();
            let hint = match there.is_empty() {
                true => "`assay active --history` lists all".to_string(),
                false => format!("it has {}", there.join(", ")),
            };
            LabError::usage(format!("'{strategy}' never had a version {version}"), hint)
        };
        let (_, commit) = gate::step(&self.repo, &self.head, strategy, version)?.ok_or_else(none)?;
        let (live, _) = gate::walk(&self.repo, &commit, &self.host, &mut gate::Logs::new())?;
        live.into_iter().find(|c| c.strategy == strategy && c.version == version).ok_or_else(none)
    }

    /// One of the logs, verified: of this origin, else the only one that a researcher keeps.
    ///
    /// # Errors
    /// Another origin, several logs without one, or one that does not verify.
    pub fn log(&self, origin: Option<&str>) -> Result<VerifiedLog<'_>, LabError> {
        let (_, policy) = gate::policy_at(&self.repo, &self.head)?;
        let host = self.host.origin();
        let names: Vec<&str> = self.logs.keys().map(String::as_str).chain([host.as_str()]).collect();
        let ask = |message: String| LabError::usage(message, format!("name one with --origin: {}", names.join(", ")));
        let origin = match (origin, self.logs.keys().next()) {
            (Some(origin), _) => origin,
            (None, Some(only)) if self.logs.len() == 1 => only,
            (None, _) => return Err(ask(format!("the repository holds {} logs", names.len()))),
        };
        if origin == host {
            return self.host_log()?.ok_or_else(|| ask("the repository has no log of its deploy host".into()));
        }
        let tip = self.repo.tip(&format!("refs/heads/{}", ledger_branch(origin)));
        let tip = tip.filter(|_| self.logs.contains_key(origin));
        let tip = tip.ok_or_else(|| ask(format!("the repository holds no log '{origin}' of its policy")))?;
        Ok(gate::replay::verify(&self.repo, &tip, None, &policy, &self.host)?)
    }

    /// What the host's log is called.
    pub fn host_origin(&self) -> String {
        self.host.origin()
    }

    /// The host's log, if its branch is there.
    ///
    /// # Errors
    /// One that does not verify.
    pub fn host_log(&self) -> Result<Option<VerifiedLog<'_>>, LabError> {
        let log = gate::host_log(&self.repo, &self.host)?;
        if self.host_key.is_some() && log.is_none() {
            let what = "the clone has no log of its host, whose key was named: it is not all that the host has";
            return Err(LabError::Verification(what.into()));
        }
        let other = |v: &&Verifier| log.as_ref().is_some_and(|log| log.roster.log_key != Some(v.key.to_bytes()));
        if let Some(named) = self.host_key.as_ref().filter(other) {
            let what =
                format!("the host's log is by another key than {named}: its times and deployments are not the host's");
            return Err(LabError::Verification(what));
        }
        Ok(log)
    }

    /// The key that the host's log names itself.
    ///
    /// # Errors
    /// A repository that cannot be read.
    pub fn host_vkey(&self) -> Result<Option<String>, LabError> {
        let Some(tip) = self.repo.tip(&format!("refs/heads/{}", ledger_branch(&self.host.origin()))) else {
            return Ok(None);
        };
        let text = self.repo.file(&tip, "log.vkey")?;
        Ok(text.map(|text| String::from_utf8_lossy(&text).trim().to_string()))
    }

    /// What went live, oldest first, as the host's log says.
    ///
    /// # Errors
    /// A host's log that is not there, or does not verify.
    pub fn went_live(&self) -> Result<Vec<Went>, LabError> {
        let missing = || LabError::usage("the repository has no log of its deploy host", "fetch all branches first");
        let log = self.host_log()?.ok_or_else(missing)?;
        let mut out = Vec::new();
        for seq in 0..log.len() {
            let entry = log.entry(seq)?;
            let Event::PromotionDeployed(e) = Event::of(&entry)? else { continue };
            let config_sha256 = Hash(e.config_sha256);
            // What it was, and which commit brought it in, the branch says.
            let known = self.ever.contains(&(e.strategy.clone(), e.version, config_sha256));
            let came = if known { gate::step(&self.repo, &self.head, &e.strategy, e.version)? } else { None };
            let text = match &came {
                Some((_, commit)) => self.repo.file(commit, &LiveConfig::path(&e.strategy))?,
                None => None,
            };
            let config = text.and_then(|t| LiveConfig::parse(&t).ok());
            out.push(Went {
                on_the_branch: came.is_some_and(|(_, commit)| commit == e.commit),
                proposed_us: config.as_ref().and_then(|c| parse_us(&c.promotion.promotion_timestamp)?.try_into().ok()),
                retired: config.is_some_and(|c| c.promotion.retired),
                strategy: e.strategy,
                version: e.version,
                config_sha256,
                at_us: entry.time_us,
                commit: e.commit,
                entry: (seq, entry.leaf_hash()),
            });
        }
        Ok(out)
    }

    /// What was said in the table of halts, oldest first, as the host's log has it.
    fn halts_said(&self) -> Result<Vec<(u64, Halt)>, LabError> {
        let Some(log) = self.host_log()? else { return Ok(Vec::new()) };
        let mut out = Vec::new();
        for seq in 0..log.len() {
            let entry = log.entry(seq)?;
            if let Event::HaltSaid(said) = Event::of(&entry)? {
                out.push((entry.time_us, halt_of(said)));
            }
        }
        Ok(out)
    }

    /// The halts that are in force, by strategy, or that were at a time, as the host's log has them.
    ///
    /// # Errors
    /// As [`Clone::host_log`].
    pub fn halted(&self, at_us: Option<u64>) -> Result<BTreeMap<String, Halted>, LabError> {
        let said = self.halts_said()?;
        if said.is_empty() {
            return Ok(BTreeMap::new());
        }
        let rows: Vec<Halt> = said.iter().map(|(_, row)| row.clone()).collect();
        Ok(halted(&rows, &said, &Policies::until(&self.repo, &self.head)?, at_us))
    }

    /// What is live: what the branch has in force, with the time that the host's log says, if it does.
    ///
    /// # Errors
    /// As [`Clone::host_log`].
    pub fn live_now(&self) -> Result<Vec<Went>, LabError> {
        let went = if self.host_log()?.is_some() { self.went_live()? } else { Vec::new() };
        let row = |d: &InForce| {
            let said = went.iter().find(|w| w.config_sha256 == d.sha256 && w.on_the_branch);
            Went {
                strategy: d.strategy.clone(),
                version: d.version,
                config_sha256: d.sha256,
                at_us: said.map_or(0, |w| w.at_us),
                commit: d.commit.clone(),
                retired: false,
                proposed_us: None,
                on_the_branch: true,
                entry: said.map_or((0, Hash::ZERO), |w| w.entry),
            }
        };
        Ok(self.live.iter().filter(|c| !c.retired).map(row).collect())
    }

    /// What was live at a time, as the host's log says and the branch allows.
    ///
    /// # Errors
    /// As [`Clone::went_live`].
    pub fn live_at(&self, at_us: u64) -> Result<Vec<Went>, LabError> {
        let mut live: BTreeMap<String, Went> = BTreeMap::new();
        for went in self.went_live()?.into_iter().filter(|w| w.at_us <= at_us && w.on_the_branch) {
            live.insert(went.strategy.clone(), went);
        }
        Ok(live.into_values().filter(|w| !w.retired).collect())
    }

    /// Versions in force that no host recorded as deployed, in words: it may be about to.
    ///
    /// # Errors
    /// As [`Clone::went_live`].
    pub fn unsaid(&self) -> Result<Vec<String>, LabError> {
        let went = self.went_live()?;
        let said = |d: &&InForce| !went.iter().any(|w| w.config_sha256 == d.sha256);
        let words = |d: &InForce| {
            let (strategy, version) = (&d.strategy, d.version);
            format!("{strategy} v{version} is on the branch, and the host's log does not say that it went live yet")
        };
        Ok(self.live.iter().filter(said).map(words).collect())
    }

    /// What does not fit together: deployments that the branch does not have, that are not in order, or of another time;
    /// and halts that too few have ended.
    ///
    /// # Errors
    /// As [`Clone::went_live`].
    pub fn oddities(&self) -> Result<Vec<String>, LabError> {
        let went = self.went_live()?;
        let now = assay_ledger::log::system_clock();
        let mut out: Vec<String> = went
            .iter()
            .filter(|w| !w.on_the_branch)
            .map(|w| format!("the host's log deployed {} v{}, which the branch never had", w.strategy, w.version))
            .collect();
        // A later version never goes live before an earlier one.
        let mut newest: BTreeMap<&str, u64> = BTreeMap::new();
        for w in &went {
            let before = newest.insert(&w.strategy, w.version).unwrap_or_default();
            if w.version <= before {
                out.push(format!(
                    "the host's log has {} v{} after v{before}: it is not in order",
                    w.strategy, w.version
                ));
            }
        }
        for w in went.iter().filter(|w| w.on_the_branch) {
            let what = format!("{} v{} went live at {}", w.strategy, w.version, format_us(w.at_us));
            if w.at_us > now.saturating_add(AHEAD_US) {
                out.push(format!("the host's log says that {what}, which has not come yet"));
            }
            if w.proposed_us.is_some_and(|proposed| w.at_us.saturating_add(AHEAD_US) < proposed) {
                out.push(format!("the host's log says that {what}, before it was proposed"));
            }
        }
        let halts = self.halts_said()?;
        if !halts.is_empty() {
            let rows: Vec<Halt> = halts.iter().map(|(_, row)| row.clone()).collect();
            let ended = ended_unlawfully(&rows, &halts, &Policies::until(&self.repo, &self.head)?);
            out.extend(ended.iter().map(|(halt, need)| without(&halt.strategy, *need)));
        }
        Ok(out)
    }
}
