//! Studies: ask in batches, evaluate in parallel, tell in trial order.
//!
//! A sampler is a pure function of what is recorded, so parallelism never changes a result and a
//! killed study resumes to the same trials.

mod blocks;
mod closing;
mod evaluate;
mod finished;
mod run;
mod stitched;
#[cfg(test)]
mod tests;

pub use closing::close;
pub use evaluate::{Evaluated, Evaluator, Inputs, StudyError, TrialOutcome};
pub use finished::{Finished, best};
pub use run::{StudyProgress, run};
