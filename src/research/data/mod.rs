//! Market data: imports in the exchange's own layouts, quality findings, Parquet snapshots.

pub mod assemble;
pub mod brackets;
pub mod error;
pub mod fetch;
pub mod generate;
pub mod quality;
pub mod rows;
pub mod snapshot;
pub mod source;
#[cfg(test)]
mod tests;

pub use assemble::{Treatments, assemble};
pub use error::DataError;
pub use quality::{Oddity, Quality};
