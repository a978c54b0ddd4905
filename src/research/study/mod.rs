//! Studies: ask in batches, evaluate in parallel, tell in trial order.
//!
//! A sampler is a pure function of what is recorded, so parallelism never changes a result and a
//! killed study resumes to the same trials.

mod blocks;
mod closing;
mod evaluate;
mod finished;
mod identity;
mod run;
#[cfg(test)]
mod tests;

pub use closing::close;
pub use evaluate::{Evaluated, Evaluator, StudyError, TrialOutcome, TrialRun};
pub use finished::{Finished, best};
pub use identity::Inputs;
pub use run::{StudyProgress, run};
