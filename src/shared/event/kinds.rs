//! The facts themselves. Hashes are SHA-256, times milliseconds since 1970, money USDT.
//!
//! These structs are frozen: their bytes are in signed logs. Nothing secret or personal belongs
//! here; a person is a name that the lab chose.

use super::codec::{Decode, Encode, Real};
use crate::metric::Metric;
use serde::{Serialize, Serializer};

/// 32 bytes, shown as hex.
pub type Digest = [u8; 32];

pub(super) fn hex<const N: usize, S: Serializer>(bytes: &[u8; N], s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(&assay_ledger::format::hash::hex(bytes))
}

macro_rules! facts {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty),* $(,)? })*) => {
        $($(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Encode, Decode, Serialize)]
        #[allow(missing_docs)]
        pub struct $name { $($(#[$field_doc])* pub $field: $type),* })*
    };
}
pub(super) use facts;

/// A parameter's value.
#[derive(Debug, Clone, Copy, PartialEq, Encode, Decode, Serialize)]
#[serde(untagged)]
#[allow(missing_docs)]
pub enum ParamValue {
    Int(i64),
    Float(Real),
}

/// A parameter's value, version 2.
#[derive(Debug, Clone, PartialEq, Encode, Decode, Serialize)]
#[serde(untagged)]
#[allow(missing_docs)]
pub enum ParamV2 {
    Int(i64),
    Float(Real),
    Truth(bool),
    Text(String),
}

/// Where a study's seed comes from: how far it was in the researcher's reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SeedGrade {
    /// The study file named it.
    Named,
    /// A witness's signature gave it.
    Witnessed,
}

/// A figure by its number in the table of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct MetricCode(pub u16);

impl Serialize for MetricCode {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match Metric::of_code(self.0) {
            Some(metric) => s.serialize_str(metric.name()),
            None => s.serialize_u16(self.0),
        }
    }
}

facts! {
    /// Versions that a result depends on, version 1.
    EnvironmentV1 {
        engine_version: String,
        source_commit: String,
        lock_hash: String,
        rustc: String,
        target: String,
        talib_version: String,
    }

    /// Versions that a result depends on, version 2: with the version of the results that the golden
    /// streams pin.
    EnvironmentV2 {
        engine_version: String,
        source_commit: String,
        lock_hash: String,
        rustc: String,
        target: String,
        talib_version: String,
        results: u32,
    }

    /// One walk-forward fold: the objective in and out of sample, absent when undefined.
    Fold {
        in_sample: Option<Real>,
        out_of_sample: Option<Real>,
        is_trades: u32,
        oos_trades: u32,
    }

    /// One walk-forward fold, version 2: a value for each objective.
    FoldV2 {
        in_sample: Vec<Option<Real>>,
        out_of_sample: Vec<Option<Real>>,
        is_trades: u32,
        oos_trades: u32,
    }

    /// A block of consecutive out-of-sample returns.
    BlockV2 {
        /// Returns in it.
        bars: u32,
        /// Returns that are not zero.
        active: u32,
        /// Sums of the first four powers.
        powers: [Real; 4],
        /// Sum of each return times the one before it; the first return of all has none before it.
        lagged: Real,
    }

    /// A rule book was taken into use.
    RulebookRegistered {
        #[serde(serialize_with = "hex")] hash: Digest,
        name: String,
        source: String,
    }

    /// Market data was imported.
    SnapshotRegistered {
        #[serde(serialize_with = "hex")] data_hash: Digest,
        #[serde(serialize_with = "hex")] file_sha256: Digest,
        symbols: Vec<String>,
        interval_ms: i64,
        first_ms: i64,
        last_ms: i64,
        bars: u64,
        /// True for a generated market: never real data.
        generated: bool,
        source: String,
        /// How findings were treated, as the import was told to.
        treatments: Vec<String>,
        findings: u32,
    }

    /// Market data was imported, version 2: bound to its rule book, and to the files that it came from.
    SnapshotRegisteredV2 {
        #[serde(serialize_with = "hex")] data_hash: Digest,
        #[serde(serialize_with = "hex")] file_sha256: Digest,
        /// The rule book that holds for these data, unless a study names another.
        #[serde(serialize_with = "hex")] rulebook_hash: Digest,
        symbols: Vec<String>,
        interval_ms: i64,
        first_ms: i64,
        last_ms: i64,
        bars: u64,
        generated: bool,
        source: String,
        treatments: Vec<String>,
        /// What its rule book assumes, in words.
        assumptions: Vec<String>,
        findings: u32,
        /// Raw files that were used.
        files: u32,
        /// Of them, those that were compared with the vendor's checksum beside them.
        vendor_checked: u32,
        /// SHA-256 of their list, in the form of `sha256sum`, sorted by path.
        #[serde(serialize_with = "hex")] files_sha256: Digest,
    }

    /// A strategy was taken into use.
    StrategyRegistered {
        name: String,
        #[serde(serialize_with = "hex")] hash: Digest,
        canonical: String,
    }

    /// A study began. Written before its first trial, so nothing can be left out later.
    StudyOpened {
        #[serde(serialize_with = "hex")] study_id: [u8; 16],
        name: String,
        strategy: String,
        #[serde(serialize_with = "hex")] strategy_hash: Digest,
        #[serde(serialize_with = "hex")] data_hash: Digest,
        #[serde(serialize_with = "hex")] rulebook_hash: Digest,
        /// Canonical JSON: sampler, seed, budget, splits, objective, guardrails, assumptions, space.
        settings: String,
        environment: EnvironmentV1,
        generated: bool,
    }

    /// A study began, version 2. Its text is the canonical one, and its environment names the version
    /// of the results.
    StudyOpenedV2 {
        #[serde(serialize_with = "hex")] study_id: [u8; 16],
        name: String,
        strategy: String,
        #[serde(serialize_with = "hex")] strategy_hash: Digest,
        #[serde(serialize_with = "hex")] data_hash: Digest,
        #[serde(serialize_with = "hex")] rulebook_hash: Digest,
        /// Canonical text: sampler, seed, budget, splits, objective, guardrails, assumptions.
        text: String,
        environment: EnvironmentV2,
        generated: bool,
        /// Where the seed comes from.
        seed: SeedGrade,
    }

    /// A trial ended with a score. Constraints hold at zero or less.
    TrialCompleted {
        #[serde(serialize_with = "hex")] study_id: [u8; 16],
        number: u32,
        params: Vec<(String, ParamValue)>,
        #[serde(serialize_with = "hex")] identity: Digest,
        score: Real,
        constraints: Vec<Real>,
        folds: Vec<Fold>,
        metrics: Vec<(String, Real)>,
        /// Sum and sum of squares of the out-of-sample returns in sixteen equal blocks.
        blocks: Vec<(Real, Real)>,
        #[serde(serialize_with = "hex")] stream_hash: Digest,
    }

    /// A trial ended with a score, version 2: values of several types, several objectives, and for
    /// each block of out-of-sample returns what every statistic is computed from.
    TrialCompletedV2 {
        #[serde(serialize_with = "hex")] study_id: [u8; 16],
        number: u32,
        params: Vec<(String, ParamV2)>,
        #[serde(serialize_with = "hex")] identity: Digest,
        scores: Vec<Real>,
        constraints: Vec<Real>,
        folds: Vec<FoldV2>,
        metrics: Vec<(MetricCode, Real)>,
        blocks: Vec<BlockV2>,
        #[serde(serialize_with = "hex")] stream_hash: Digest,
    }

    /// A trial was stopped early, version 2: with its returns as far as it went.
    TrialPrunedV2 {
        #[serde(serialize_with = "hex")] study_id: [u8; 16],
        number: u32,
        params: Vec<(String, ParamV2)>,
        #[serde(serialize_with = "hex")] identity: Digest,
        folds: Vec<FoldV2>,
        blocks: Vec<BlockV2>,
        reason: String,
    }

    /// A witness gave a study's seed: its note over the opening, which nobody can choose and everybody can check.
    StudySeeded {
        study_id: [u8; 16],
        /// The witness's verifier key.
        witness: String,
        /// What it signed: SHA-256 of the signature is the seed.
        note: String,
    }

    /// A pruned trial was run to its end after its study, with the returns that it then had: what it would have
    /// been is part of what the study chose from. It keeps its place among the pruned.
    PrunedTrialFinished {
        #[serde(serialize_with = "hex")] study_id: [u8; 16],
        number: u32,
        #[serde(serialize_with = "hex")] identity: Digest,
        folds: Vec<FoldV2>,
        blocks: Vec<BlockV2>,
        #[serde(serialize_with = "hex")] stream_hash: Digest,
        /// Why it has no returns: it was ruined, or fell too far.
        reason: Option<String>,
    }

    /// A trial had no score, version 2: with the folds that it had.
    TrialFailedV2 {
        #[serde(serialize_with = "hex")] study_id: [u8; 16],
        number: u32,
        params: Vec<(String, ParamV2)>,
        #[serde(serialize_with = "hex")] identity: Digest,
        folds: Vec<FoldV2>,
        reason: String,
    }

    /// A trial was stopped early.
    TrialPruned {
        #[serde(serialize_with = "hex")] study_id: [u8; 16],
        number: u32,
        params: Vec<(String, ParamValue)>,
        #[serde(serialize_with = "hex")] identity: Digest,
        folds: Vec<Fold>,
        reason: String,
    }

    /// A trial had no score. It counts all the same.
    TrialFailed {
        #[serde(serialize_with = "hex")] study_id: [u8; 16],
        number: u32,
        params: Vec<(String, ParamValue)>,
        #[serde(serialize_with = "hex")] identity: Digest,
        reason: String,
    }

    /// A study ended: its best trial and its overfitting statistics.
    StudyClosed {
        #[serde(serialize_with = "hex")] study_id: [u8; 16],
        trials: u32,
        best: Option<u32>,
        statistics: Vec<(String, Real)>,
    }

    /// A trial's out-of-sample windows, stitched.
    WalkForwardCompleted {
        #[serde(serialize_with = "hex")] study_id: [u8; 16],
        number: u32,
        folds: Vec<Fold>,
        metrics: Vec<(String, Real)>,
        #[serde(serialize_with = "hex")] stream_hash: Digest,
    }

    /// Research and production gave the same stream of orders, fills and cash.
    ParityVerified {
        #[serde(serialize_with = "hex")] study_id: [u8; 16],
        number: u32,
        #[serde(serialize_with = "hex")] data_hash: Digest,
        bars: u64,
        #[serde(serialize_with = "hex")] research_stream: Digest,
        #[serde(serialize_with = "hex")] production_stream: Digest,
    }

    /// A trial was proposed for production.
    PromotionProposed {
        strategy: String,
        version: u64,
        /// SHA-256 of the config without its `[ledger]` table.
        #[serde(serialize_with = "hex")] core_sha256: Digest,
        /// SHA-256 of the config it replaces, zeros for the first.
        #[serde(serialize_with = "hex")] replaces_sha256: Digest,
        #[serde(serialize_with = "hex")] study_id: [u8; 16],
        number: u32,
    }

    /// An earlier config was proposed again.
    RollbackProposed {
        strategy: String,
        version: u64,
        #[serde(serialize_with = "hex")] core_sha256: Digest,
        #[serde(serialize_with = "hex")] replaces_sha256: Digest,
        restores_version: u64,
        reason: String,
    }

    /// The deploy host saw a valid approval.
    ApprovalRecorded {
        strategy: String,
        version: u64,
        #[serde(serialize_with = "hex")] config_sha256: Digest,
        person: String,
        #[serde(serialize_with = "hex")] key: Digest,
    }

    /// A config went live.
    PromotionDeployed {
        strategy: String,
        version: u64,
        #[serde(serialize_with = "hex")] config_sha256: Digest,
        commit: String,
        #[serde(serialize_with = "hex")] policy_sha256: Digest,
    }

    /// The live table was not what git says.
    DriftDetected {
        strategy: String,
        detail: String,
        at_ms: i64,
    }

    /// The live table was set right.
    DriftHealed {
        strategy: String,
        version: u64,
        at_ms: i64,
    }

    /// The table of halts said something: that a strategy stops, a vote that it goes on, or that it does.
    HaltSaid {
        strategy: String,
        word: String,
        at_us: i64,
        person: String,
        statement: String,
        signature: String,
    }
}
