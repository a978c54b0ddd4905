//! Research: data in, studies run, results shown. Production never imports this crate.
//!
//! | room | what it is for |
//! |---|---|
//! | [`data`] | imports, quality, snapshots (polars), the generated market, downloads |
//! | [`simulate`] | a strategy over whole columns and a window of bars |
//! | [`study`] | samplers, walk-forward, objective, overfitting statistics |
//! | [`mirror`] | the SQLite copy of the ledger, with Optuna's tables (rusqlite) |
//! | [`report`] | JSON and HTML reports |

pub mod data;
pub mod mirror;
pub mod report;
pub mod simulate;
pub mod study;

pub use rayon::ThreadPool;

/// A pool of `threads` threads. More threads never change a result.
///
/// # Errors
/// When the system gives no threads.
pub fn thread_pool(threads: usize) -> Result<ThreadPool, rayon::ThreadPoolBuildError> {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build()
}
