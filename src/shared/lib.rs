//! The single source of truth for research and production.
//!
//! No files, clocks, networks, threads or printing here; texts and columns come in, values go out.
//!
//! | room | what it is for |
//! |---|---|
//! | [`market`] | aligned columns of prices, marks and funding; their hash |
//! | [`rulebook`] | dated brackets, fees, steps; the liquidation price |
//! | [`indicator`] | every TA-Lib function by name, batch and streaming |
//! | [`strategy`] | the strategy file and its expression language |
//! | [`account`] | the bar state machine: fills, fees, funding, margin, liquidation |
//! | [`metric`] | performance figures, absent when undefined |
//! | [`event`] | the recorded facts and their bytes |
//! | [`policy`] | people, keys, roles, thresholds, gates |
//! | [`promotion`] | the promoted config and what is signed for it |

pub mod account;
pub mod event;
pub mod indicator;
pub mod market;
pub mod metric;
pub mod policy;
pub mod promotion;
pub mod rulebook;
pub mod strategy;
pub mod time;
