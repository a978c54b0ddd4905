//! Market data as aligned columns: one time index, and for each symbol its fields and its funding
//! settlements.
//!
//! Assets are columns, never rows. A symbol's bars go from its first to its last one without a gap; before
//! and after, its values are NaN: unknown. Settlements are events with a time of their own. Finer
//! bars of the same symbols may lie beside them: they show the path inside a bar.

mod bar;
mod columns;
pub mod course;
mod detail;
mod hash;
mod table;
#[cfg(test)]
pub(crate) mod tests;

pub use bar::{Bar, LiveBar, MarketBar};
pub use columns::{Columns, FIELDS, Field, STORED, Settlement};
pub use detail::UnevenDetail;
pub use hash::{
    SeriesSum, canonical_bits, column_hash, detailed_hash, market_hash, settlements_count, settlements_hash,
};
pub use table::{Detail, Market};
