//! Whose keys count in a log and which names are taken, with everything verified that nobody vouched for.

use assay_ledger::{LedgerError, Log};
use assay_shared::event::standing::Standing;

/// What a log says of keys and names, from the log's own note of it or from its first entry on; every
/// entry that nobody vouched for is verified.
///
/// # Errors
/// The first entry that does not verify.
pub(crate) fn follow(log: &mut Log) -> Result<Standing, LedgerError> {
    let mut standing = remembered(log).unwrap_or_default();
    log.follow(standing.seen, &mut standing, |_| ())?;
    Ok(standing)
}

/// What the log's own note of it says, if there is one that fits.
pub(crate) fn remembered(log: &Log) -> Option<Standing> {
    log.remembered().and_then(|(size, body)| Standing::parse(&body).filter(|s| s.seen == size))
}
