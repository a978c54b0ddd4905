//! Studies: ask in batches, evaluate in parallel, tell in trial order.
//!
//! A sampler is a pure function of what is recorded, so parallelism never changes a result and a
//! killed study resumes to the same trials.

pub mod evaluate;
pub mod normal;
pub mod objective;
pub mod run;
pub mod sampler;
pub mod settings;
pub mod split;
pub mod statistics;

pub use evaluate::{Evaluated, Evaluator, Outcome};
pub use run::{Finished, Progress, run};
pub use settings::Settings;
