//! The RFC 6962 tree over a log's entries, the proofs from it, its checkpoints and its tiles.

pub mod checkpoint;
pub mod consistency;
pub mod frontier;
pub mod merkle;
pub mod proof;
pub mod tile;
pub mod tile_check;
