//! What a log says of its studies, computed again from recorded facts alone.
//!
//! A study's events are enough to know how many trials were asked for and in which order, what the sampler would
//! have suggested, what each score is, who was pruned, and every statistic of every trial. So nobody is believed who
//! could be computed: not the closing of a study, not a report, not a proposal.
//!
//! | part | what it computes |
//! |---|---|
//! | [`blocks`] | sums over returns, and a trial's Sharpe ratio, skewness and kurtosis from them |
//! | [`Finished`] | a recorded trial as samplers and statistics see it |
//! | [`pruning`] | which trial is stopped after which fold |
//! | [`Tally`] | how much was ever tried on prices that overlap, in a log and over several |
//! | [`Counts`] | the same, kept small: what a gate remembers of a log |
//! | [`Lineage`] | what the best of so much has by chance |
//! | [`figures`] | PSR, DSR, minimum track record of one trial; PBO of a study |
//! | [`Case`] | a study against itself: order, suggestions, scores, constraints, pruning, closing, what was seen later |

pub mod blocks;
pub mod figures;
pub mod pruning;

mod case;
mod check;
mod closing;
mod counts;
mod extension;
mod finished;
mod later;
mod later_run;
mod lineage;
mod looked;
mod returns;
mod sharpes;
mod tally;

pub use case::{Case, Finding, Wrong, number_of};
pub use closing::close;
pub use counts::{Counts, Scope};
pub use finished::{Best, Finished, best};
pub use later_run::LaterRun;
pub use lineage::Lineage;
pub use looked::Looked;
pub use sharpes::Sharpes;
pub use tally::Tally;
