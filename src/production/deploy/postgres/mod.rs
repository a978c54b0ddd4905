//! The live table in PostgreSQL. The only folder that knows tokio-postgres.
//!
//! Names are schema-qualified (`assay.active_configs`). One transaction under an advisory lock
//! reads, plans, writes and notifies; every wait is bounded. Tables and rights are their owner's business.

mod address;
mod password;
mod reach;
mod schema;
mod table;
mod tls;

pub use reach::{Postgres, check};
