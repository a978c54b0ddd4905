//! A disk and an index in memory that fail, crash and forget on purpose. For tests alone: the feature
//! `testing` brings them, and no product has it.

pub mod disk;
mod disk_state;
pub mod store;

#[cfg(test)]
mod derived_tests;
#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod fuzz_tests;
#[cfg(test)]
mod log_tests;
#[cfg(test)]
mod race_tests;
#[cfg(test)]
mod sim_tests;
#[cfg(test)]
pub(crate) mod stage;
#[cfg(test)]
mod trust_tests;
