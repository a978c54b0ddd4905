//! Version 1 of a policy, as release 0.1.0 wrote it. Frozen.

use crate::format::FormatError;
use crate::policy::{Gates, Origin, Person, Policy, Role, Thresholds, WitnessKey};
use assay_ledger::PublicKey;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyV1 {
    version: u64,
    name: String,
    thresholds: ThresholdsV1,
    gates: GatesV1,
    people: Vec<PersonV1>,
    origins: Vec<VkeyV1>,
    #[serde(default)]
    witnesses: Vec<VkeyV1>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ThresholdsV1 {
    approvals: u32,
    policy: u32,
    #[serde(default)]
    witnesses: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GatesV1 {
    min_trades: u32,
    max_leverage: f64,
    max_drawdown: f64,
    min_dsr: Option<f64>,
    max_pbo: Option<f64>,
    engine_versions: Vec<String>,
    max_evidence_age_days: u32,
    #[serde(default)]
    allow_generated: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PersonV1 {
    name: String,
    roles: Vec<String>,
    keys: Vec<PublicKey>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VkeyV1 {
    vkey: String,
}

/// Reads the text.
pub(super) fn read(text: &str) -> Result<Policy, FormatError> {
    let p: PolicyV1 = toml::from_str(text).map_err(|e| FormatError::toml(&e))?;
    let role = |name: &String| {
        let unknown = || FormatError::Wrong(format!("there is no role '{name}' (there are: {})", Role::list()));
        Role::parse(name).ok_or_else(unknown)
    };
    let person = |p: PersonV1| -> Result<Person, FormatError> {
        let roles = p.roles.iter().map(role).collect::<Result<_, _>>()?;
        Ok(Person { name: p.name, roles, keys: p.keys })
    };
    let g = p.gates;
    Ok(Policy {
        format: 1,
        version: p.version,
        name: p.name,
        // It knew no other.
        single_person: true,
        thresholds: Thresholds {
            approvals: p.thresholds.approvals,
            policy: p.thresholds.policy,
            witnesses: p.thresholds.witnesses,
            reproductions: 0,
            reproductions_from_vendor: 0,
        },
        gates: Gates {
            min_trades: g.min_trades,
            max_leverage: g.max_leverage,
            max_drawdown: g.max_drawdown,
            min_dsr: g.min_dsr,
            max_pbo: g.max_pbo,
            engine_versions: g.engine_versions,
            max_evidence_age_days: g.max_evidence_age_days,
            track_record: false,
            witnessed_seed: false,
            max_count_age_days: 7,
            allow_generated: g.allow_generated,
        },
        people: p.people.into_iter().map(person).collect::<Result<_, _>>()?,
        origins: p.origins.into_iter().map(|o| Origin { vkey: o.vkey }).collect(),
        witnesses: p.witnesses.into_iter().map(|w| WitnessKey { vkey: w.vkey }).collect(),
    })
}
