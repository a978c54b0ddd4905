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
