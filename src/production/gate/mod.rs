//! The gate: verifies a push from objects and pins alone, and fails closed.
//!
//! The policy before the push judges the push. Everything is read from objects; nothing is
//! written. The reconciler asks the same questions again before it deploys.

mod age;
pub mod approvals;
mod checked;
mod claims;
mod config;
mod depends;
mod facts;
mod gates;
mod in_force;
pub mod line;
mod log;
mod memory;
mod paths;
pub mod pins;
mod policy;
mod preview;
#[cfg(test)]
mod proposals_tests;
pub mod push;
mod recount;
pub mod refusal;
mod relied;
pub mod replay;
mod reproductions;
mod restore;
mod signed;
mod studies;
#[cfg(test)]
mod tests;
mod verdict;
mod walked;

pub use config::Deployment;
pub use depends::{Dependent, dependents, revoked};
pub use gates::Limit;
pub use in_force::InForce;
pub use line::walk;
pub use log::{Logs, VerifiedLog};
pub use pins::{GateSettings, Host, Pin};
pub use policy::{at as policy_at, genesis_of};
pub use preview::{Check, Figures, Preview, preview};
pub use push::{Relied, Update, Verdict, judge};
pub use recount::{case, counted_of, lineage};
pub use refusal::{Code, GateError, Refusal};
pub use relied::moving;
pub use replay::{host_log, logs, logs_beside};
pub use reproductions::{found as reproductions, least as least_reproduced};
pub use restore::{step, version as version_of};
pub use walked::{Ever, Tips, tips};
