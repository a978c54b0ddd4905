//! What a trial depends on, and the hash that it is recognised by.

use assay_ledger::Hash;
use assay_shared::event::Environment;
use assay_shared::format::costs_text;
use assay_shared::market::Market;
use assay_shared::rulebook::Rulebook;
use assay_shared::strategy::{Params, Strategy, Value};
use assay_shared::study::{FoldBars, Study};

/// Everything a trial depends on beside its parameters.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// The strategy.
    pub strategy: &'a Strategy,
    /// The data, with the strategy's symbols in its order.
    pub market: &'a Market,
    /// Hash of the whole snapshot the data comes from.
    pub data_hash: Hash,
    /// The rule book.
    pub book: &'a Rulebook,
    /// The study.
    pub study: &'a Study,
    /// Versions.
    pub environment: &'a Environment,
}

/// The identity of a trial: strategy, parameters, data, rule book, assumptions, windows and where
/// its indicators begin, environment. Seed, sampler, budget, objective and names are no part of
/// it, so that the same simulation is recognised across studies.
pub(super) fn of(shared: &[u8], params: &Params) -> Hash {
    let mut bytes = shared.to_vec();
    for (name, value) in params {
        let (kind, bits) = match value {
            Value::Int(i) => (0, *i as u64),
            Value::Float(f) => (1, (f + 0.0).to_bits()),
            Value::Truth(b) => (2, u64::from(*b)),
            Value::Text(text) => (3, text.len() as u64),
        };
        part(&mut bytes, name.as_bytes());
        bytes.push(kind);
        bytes.extend_from_slice(&bits.to_be_bytes());
        if let Value::Text(text) = value {
            bytes.extend_from_slice(text.as_bytes());
        }
    }
    Hash::of(&bytes)
}

fn part(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// What all trials of a study share: everything but their parameters.
pub(super) fn shared(inputs: &Inputs<'_>, folds: &[FoldBars]) -> Vec<u8> {
    let assumptions = &inputs.study.assumptions;
    let mut windows = Vec::new();
    for bars in folds.iter().flat_map(|f| [&f.in_sample, &f.out_of_sample]) {
        // By time: two ways to cut the same data into the same windows are the same.
        let (first, last) = (inputs.market.times[bars.start], inputs.market.times[bars.end - 1]);
        windows.extend_from_slice(&[first.to_be_bytes(), last.to_be_bytes()].concat());
    }
    // Indicators remember everything from the first bar on.
    let anchor = inputs.market.times.first().copied().unwrap_or_default();
    let mut out = b"assay/trial/v2\0".to_vec();
    for bytes in [
        &inputs.strategy.hash().0[..],
        &inputs.data_hash.0,
        &inputs.book.hash().0,
        &assumptions.initial_cash_usdt.to_bits().to_be_bytes(),
        &assumptions.slippage_bps.to_bits().to_be_bytes(),
        &anchor.to_be_bytes(),
        &windows,
        &inputs.environment.hashed(),
    ] {
        part(&mut out, bytes);
    }
    // Nothing is added where nothing more is assumed: what was recorded before is recognised.
    let costs = costs_text(assumptions);
    if !costs.is_empty() {
        part(&mut out, costs.as_bytes());
    }
    out
}
