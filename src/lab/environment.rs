//! The version lock: what a result depends on beside its inputs.

use assay_ledger::Hash;
use assay_shared::event::Environment;

/// The versions that this build's results depend on. A commit that ends with `-dirty` was built from
/// a tree with changes that no commit has.
pub fn environment() -> Environment {
    Environment {
        engine_version: env!("CARGO_PKG_VERSION").into(),
        source_commit: env!("ASSAY_COMMIT").into(),
        lock_hash: Hash::of(include_bytes!("../../Cargo.lock")).to_string(),
        rustc: env!("ASSAY_RUSTC").into(),
        target: env!("ASSAY_TARGET").into(),
        talib_version: assay_shared::indicator::TALIB_VERSION.into(),
        results: Some(assay_shared::RESULTS),
    }
}
