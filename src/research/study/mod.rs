//! Studies: ask in batches, evaluate in parallel, tell in trial order.
//!
//! A sampler is a pure function of what is recorded, so parallelism never changes a result and a
//! killed study resumes to the same trials.

mod evaluate;
mod identity;
mod later;
#[cfg(test)]
mod nulls;
mod run;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod truth;
#[cfg(test)]
mod truth_extended;
#[cfg(test)]
mod truth_figures;
#[cfg(test)]
mod truth_later;
mod walk;

pub use evaluate::{Evaluated, Evaluator, StudyError, TrialOutcome, TrialRun};
pub use identity::Inputs;
pub use later::{Later, later};
pub use run::{StudyProgress, again, finish, run};
pub use walk::{Candidate, Step, Walk};
