//! A host's live table, where it is: one that is gone is not taken for an empty one.

use crate::error::LabError;
use assay_ledger::Log;
use assay_production::deploy::{self, LiveTable};
use assay_production::gate::Host;
use std::path::Path;

/// The table for questions.
///
/// # Errors
/// One that cannot be reached, is gone, or belongs to another deployment.
pub(crate) fn look(host: &Host) -> Result<Box<dyn LiveTable>, LabError> {
    there(host)?;
    Ok(deploy::look(&host.settings.live, &identity(host))?)
}

/// The same where an answer is wanted: a table without any history, where versions were deployed, knows nothing.
///
/// # Errors
/// As [`look`]; one that was emptied.
pub(crate) fn asked(host: &Host) -> Result<Box<dyn LiveTable>, LabError> {
    let mut table = look(host)?;
    if table.versions()? == 0 && was_deployed(host)? {
        return Err(LabError::CouldNot {
            message: format!("the live table {} is empty, and versions were deployed: what is live is not known here", table.place()),
            hint: Some("where it was moved or lost: `assay deploy init` as its owner, if it is PostgreSQL, then `assay reconcile` makes it again".into()),
        });
    }
    Ok(table)
}

fn was_deployed(host: &Host) -> Result<bool, LabError> {
    let log = Log::open(&host.dir().join("ledger"))?;
    Ok(!log.newest_of("PromotionDeployed", 0..log.len(), 1)?.is_empty())
}

/// The table for words of people: a new one is not made for them.
///
/// # Errors
/// As [`look`].
pub(crate) fn open(host: &Host) -> Result<Box<dyn LiveTable>, LabError> {
    there(host)?;
    Ok(deploy::open(&host.settings.live, &identity(host))?)
}

/// The table for the reconciler, who makes it again where it is lost; with `write` unset for a comparison.
///
/// # Errors
/// As [`look`].
pub(crate) fn reconciled(host: &Host, write: bool) -> Result<Box<dyn LiveTable>, LabError> {
    let folder_is_there =
        file(host).and_then(Path::parent).is_none_or(|dir| dir.as_os_str().is_empty() || dir.is_dir());
    match write && folder_is_there {
        true => Ok(deploy::open(&host.settings.live, &identity(host))?),
        false => look(host),
    }
}

fn identity(host: &Host) -> String {
    host.settings.genesis_policy_sha256.to_string()
}

fn file(host: &Host) -> Option<&Path> {
    host.settings.live.strip_prefix("sqlite:").map(Path::new)
}

/// That a table in a file is there, once something was deployed into it.
fn there(host: &Host) -> Result<(), LabError> {
    let Some(file) = file(host).filter(|file| !file.exists()) else { return Ok(()) };
    if !was_deployed(host)? {
        return Ok(());
    }
    let repo = host.dir().parent().unwrap_or(Path::new("."));
    Err(LabError::CouldNot {
        message: format!("the live table {} is not there: what is live is not known here", file.display()),
        hint: Some(format!(
            "if it was moved, say where it is: `assay hook install --repo {} --live sqlite:FILE`; if it was lost, \
             `assay reconcile` makes it again, and whatever was halted since it ran last has to be halted again",
            repo.display()
        )),
    })
}
