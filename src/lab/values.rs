//! What a strategy's own names are, bar by bar.

use crate::error::LabError;
use crate::folder::Lab;
use crate::study::{chosen, prices};
use assay_shared::market::Market;
use assay_shared::strategy::read::Named;
use assay_shared::strategy::space::defaults;
use assay_shared::strategy::{Params, Strategy};
use assay_shared::time::interval_text;

/// Computes a strategy's names on a snapshot, the newest one when none is named: with its defaults, but for what `given`
/// says. Gives the market too.
///
/// # Errors
/// A snapshot that is missing or lacks a symbol; values that are in no range.
pub fn values(
    lab: &Lab,
    strategy: &Strategy,
    data: Option<&str>,
    given: &[(String, String)],
) -> Result<(Market, Vec<Named>), LabError> {
    let params = with(strategy, given)?;
    let hash = chosen(lab, strategy, data)?;
    let (_, market) = prices(lab, &hash, strategy)?;
    if market.interval_ms != strategy.interval_ms {
        let (is, wanted) = (interval_text(market.interval_ms), interval_text(strategy.interval_ms));
        let message = format!("the snapshot {} has bars of {is}, and the strategy wants {wanted}", &hash[..12]);
        return Err(LabError::usage(message, "import such bars, or look at them with on(4h, …) from shorter ones"));
    }
    let named = strategy.named(&params, &market).map_err(|e| LabError::could_not(e.to_string()))?;
    Ok((market, named))
}

/// The defaults, but for what is given.
pub(crate) fn with(strategy: &Strategy, given: &[(String, String)]) -> Result<Params, LabError> {
    let ranges = &strategy.file.parameters;
    let mut params = defaults(ranges);
    for (k, (name, text)) in given.iter().enumerate() {
        if given[..k].iter().any(|(before, _)| before == name) {
            return Err(LabError::usage(format!("'{name}' is set twice"), "say once what it is"));
        }
        let known = ranges.keys().cloned().collect::<Vec<_>>().join(", ");
        let range = ranges.get(name);
        let range = range
            .ok_or_else(|| LabError::usage(format!("there is no parameter '{name}'"), format!("there are {known}")))?;
        let value = range
            .read(text)
            .ok_or_else(|| LabError::usage(format!("'{text}' is not in the range of '{name}'"), range.words()))?;
        params.insert(name.clone(), value);
    }
    Ok(params)
}
