//! Market data: imports in the exchange's own layouts, quality findings, Parquet snapshots.

mod align;
pub mod assemble;
pub mod brackets;
pub mod cells;
pub mod error;
pub mod exchange;
pub mod fetch;
pub mod files;
mod finer;
#[cfg(test)]
mod finer_tests;
pub mod frame;
mod funding;
pub mod generate;
pub mod json;
pub mod layout;
pub mod quality;
pub mod request;
pub mod rows;
mod series;
pub mod snapshot;
pub mod source;
#[cfg(test)]
mod tests;
pub mod treat;

pub use assemble::{Assembled, assemble};
pub use error::DataError;
pub use quality::{Oddity, Quality};
pub use request::Request;
pub use snapshot::{Contents, Draft};
pub use treat::Treatments;
