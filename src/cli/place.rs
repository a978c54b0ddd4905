//! Where a question is asked: in a lab, or of a plain clone of the deploy repository.

use super::Context;
use super::output::say;
use assay_lab::clone::Clone;
use assay_lab::host::repo_of;
use assay_lab::{Lab, LabError};
use assay_ledger::Hash;
use assay_ledger::keys::note::Verifier;
use assay_production::gate::Host;
use assay_production::repository::Repo;
use std::path::PathBuf;

/// A clone, and what is trusted of it.
#[derive(Debug, Default, clap::Args)]
pub struct Place {
    /// A clone of the deploy repository, instead of a lab; fetch all its branches before
    #[arg(long, value_name = "CLONE", requires = "genesis")]
    repo: Option<PathBuf>,
    /// SHA-256 of its first policy, from somebody you trust (`assay policy check` says it)
    #[arg(long, value_name = "SHA256", requires = "repo")]
    genesis: Option<Hash>,
    /// Verifier key of its deploy host's log (`assay/ledger/log.vkey` there), from somebody you trust: without it the
    /// clone's own is taken for it
    #[arg(long, value_name = "VKEY", requires = "repo")]
    host_key: Option<Verifier>,
}

impl Place {
    /// Whether a clone is asked: one that was named, or what a lab fetched last whose deploy repository is elsewhere.
    pub fn is_clone(&self, cx: &Context) -> bool {
        self.repo.is_some() || cx.lab().is_ok_and(|lab| elsewhere(&lab).is_some())
    }

    /// Whether a clone was named.
    pub fn is_named(&self) -> bool {
        self.repo.is_some()
    }

    /// The clone, or the lab's deploy repository, verified.
    ///
    /// # Errors
    /// What does not verify.
    pub fn verified(&self, cx: &Context) -> Result<Clone, LabError> {
        match (&self.repo, self.genesis) {
            (Some(path), Some(genesis)) => {
                let mut clone = Clone::open(path, genesis)?;
                clone.host_key = self.host_key.clone();
                Ok(clone)
            }
            _ => {
                let lab = cx.lab()?;
                if let Some(genesis) = elsewhere(&lab) {
                    say("as `assay sync` fetched it last");
                    return Clone::of(lab.repo()?.fetched()?, Host::nowhere(genesis));
                }
                let mut gate = lab.gate()?;
                (gate.full, gate.looks) = (true, true);
                Clone::of(repo_of(&gate)?, gate)
            }
        }
    }

    /// The repository with the proposals: the clone, whose deploy branch is verified first, or the lab's.
    ///
    /// # Errors
    /// What does not verify.
    pub fn proposals(&self, cx: &Context) -> Result<Repo, LabError> {
        if self.repo.is_some() { Ok(self.verified(cx)?.repo) } else { cx.lab()?.repo() }
    }
}

/// The first policy that a lab trusts whose deploy repository is elsewhere.
fn elsewhere(lab: &Lab) -> Option<Hash> {
    lab.config.deploy.as_ref().and(lab.config.genesis)
}
