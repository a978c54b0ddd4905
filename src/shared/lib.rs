//! The single source of truth for research and production.
//!
//! No files, clocks, networks, threads or printing here; texts and columns come in, values go out.
//!
//! | room | what it is for |
//! |---|---|
//! | [`market`] | aligned columns of prices, marks and funding; their hash |
//! | [`rulebook`] | dated brackets, fees, steps; the liquidation price |
//! | [`indicator`] | every TA-Lib function by name, batch and streaming |
//! | `lanes` | loops over many values, at every width of the machine |
//! | [`strategy`] | the strategy file and its expression language |
//! | [`order`] | what is asked of an account: orders, sizes, levels, target weights |
//! | [`account`] | the bar state machine: fills, fees, funding, margin, liquidation |
//! | [`metric`] | performance figures, absent when undefined, and their table |
//! | [`statistic`] | PSR, DSR, PBO, minimum track record |
//! | [`study`] | what a study file says: splits, objective, guardrails |
//! | [`search`] | spaces and samplers: pure functions of (space, seed, number, history) |
//! | [`event`] | the recorded facts, their bytes, who may record them |
//! | [`recount`] | what a log says of its studies, computed again |
//! | [`policy`] | people, keys, roles, thresholds, gates |
//! | [`mod@format`] | frozen texts: strategy, study, config, policy, rule book |

pub mod account;
pub mod event;
pub mod format;
pub mod indicator;
mod lanes;
pub mod market;
pub mod metric;
pub mod order;
pub mod policy;
pub mod recount;
pub mod rulebook;
pub mod search;
pub mod statistic;
pub mod strategy;
pub mod study;
pub mod time;

/// Version of the results that the golden streams, suggestions and statistics pin. Whoever changes a
/// result changes this with it, on purpose, with a line in the CHANGELOG.
pub const RESULTS: u32 = 3;
