//! Time in the gate: a proposal says when it was made, and may not wait forever.
//!
//! The order of things is the ledger's. Clocks decide only this: whether evidence is too old to be
//! pushed now. What is deployed is never judged by a clock again.

use super::refusal::{Code, GateError, refuse};
use assay_shared::time;

const HOUR_US: u64 = 3_600_000_000;
const DAY_US: u64 = 24 * HOUR_US;

/// Microseconds since 1970 of `2024-01-31 23:00:00 UTC`.
pub(super) fn micros(stated: &str) -> Option<u64> {
    let ms = time::parse(stated.strip_suffix(" UTC").unwrap_or(stated))?;
    u64::try_from(ms).ok().map(|ms| ms * 1000)
}

/// The config's timestamp must be the one of its proposal's event, within an hour (L-24).
pub(super) fn same_time(stated: &str, recorded_us: u64, path: &str) -> Result<(), GateError> {
    match micros(stated) {
        None => refuse(Code::Timestamp, path, format!("'{stated}' is not a time")),
        Some(us) if us.abs_diff(recorded_us) > HOUR_US => {
            let recorded = time::format_us(recorded_us);
            refuse(Code::Timestamp, path, format!("it says {stated}, its proposal was recorded at {recorded}"))
        }
        Some(_) => Ok(()),
    }
}

/// What was proposed too long ago is not deployed any more: it has to be proposed again, on what is
/// known by then (P-13).
pub(super) fn fresh(stated: &str, now_us: u64, max_days: u32, path: &str) -> Result<(), GateError> {
    let proposed = micros(stated).unwrap_or(0);
    // A log may be ahead of the clock as far as its writer goes on with it.
    if proposed > now_us + DAY_US {
        let now = time::format_us(now_us);
        return refuse(Code::Future, path, format!("it was proposed at {stated}, and here it is {now}"));
    }
    let days = now_us.saturating_sub(proposed) / DAY_US;
    if days > u64::from(max_days) {
        return refuse(Code::Stale, path, format!("it was proposed {days} days ago, the policy allows {max_days}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(result: Result<(), GateError>) -> Option<Code> {
        match result {
            Err(GateError::Refused(r)) => Some(r.code),
            _ => None,
        }
    }

    /// L-24: a time in words and the time in the ledger must agree.
    #[test]
    fn l24_timestamps_agree() {
        let us = 1_700_000_000_000_000;
        let stated = time::format_us(us);
        assert_eq!(code(same_time(&format!("{} UTC", &stated[..19]), us + 5, "c")), None);
        assert_eq!(code(same_time(&stated[..19], us + 2 * HOUR_US, "c")), Some(Code::Timestamp));
        assert_eq!(code(same_time("yesterday", us, "c")), Some(Code::Timestamp));
    }

    /// P-13: old evidence blocks a promotion; it does not unmake one.
    #[test]
    fn p13_stale_evidence_is_not_deployed() {
        let proposed = "2024-01-01 00:00:00";
        let now = |days: u64| time::parse(proposed).unwrap() as u64 * 1000 + days * DAY_US;
        assert_eq!(code(fresh(proposed, now(30), 30, "c")), None);
        assert_eq!(code(fresh(proposed, now(31), 30, "c")), Some(Code::Stale));
        assert_eq!(code(fresh("2034-01-01 00:00:00", now(1), 30, "c")), Some(Code::Future));
    }
}
