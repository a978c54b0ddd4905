//! The version lock as it is worked with, whatever version recorded it.

use super::kinds::{EnvironmentV1, EnvironmentV2};
use serde::Serialize;

/// Versions that a result depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Environment {
    /// Version of assay.
    pub engine_version: String,
    /// Commit it was built from; `-dirty` behind it when the tree had other changes.
    pub source_commit: String,
    /// SHA-256 of its `Cargo.lock`.
    pub lock_hash: String,
    /// Compiler.
    pub rustc: String,
    /// Target.
    pub target: String,
    /// Version of the indicator library.
    pub talib_version: String,
    /// Version of the results that the golden streams pin; absent before they were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub results: Option<u32>,
}

impl Environment {
    /// Its fields, each with its length in front: what is hashed of it.
    pub fn hashed(&self) -> Vec<u8> {
        let results = self.results.map(|r| r.to_string()).unwrap_or_default();
        let fields = [
            &self.engine_version,
            &self.source_commit,
            &self.lock_hash,
            &self.rustc,
            &self.target,
            &self.talib_version,
            &results,
        ];
        fields.iter().flat_map(|f| [&(f.len() as u64).to_be_bytes()[..], f.as_bytes()].concat()).collect()
    }

    /// As a new event records it.
    pub fn recorded(&self) -> EnvironmentV2 {
        let e = self.clone();
        EnvironmentV2 {
            engine_version: e.engine_version,
            source_commit: e.source_commit,
            lock_hash: e.lock_hash,
            rustc: e.rustc,
            target: e.target,
            talib_version: e.talib_version,
            results: e.results.unwrap_or_default(),
        }
    }
}

impl From<EnvironmentV1> for Environment {
    fn from(e: EnvironmentV1) -> Environment {
        Environment {
            engine_version: e.engine_version,
            source_commit: e.source_commit,
            lock_hash: e.lock_hash,
            rustc: e.rustc,
            target: e.target,
            talib_version: e.talib_version,
            results: None,
        }
    }
}

impl From<EnvironmentV2> for Environment {
    fn from(e: EnvironmentV2) -> Environment {
        Environment {
            engine_version: e.engine_version,
            source_commit: e.source_commit,
            lock_hash: e.lock_hash,
            rustc: e.rustc,
            target: e.target,
            talib_version: e.talib_version,
            results: Some(e.results),
        }
    }
}
