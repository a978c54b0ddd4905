//! Production: what runs live, and what decides whether it may. Research is never imported here.
//!
//! | room | what it is for |
//! |---|---|
//! | [`engine`] | a strategy bar by bar, over the shared account |
//! | [`feed`] | where bars come from |
//! | [`repository`] | the repositories: configs, evidence, approvals (git2) |
//! | [`gate`] | verification of a push, from objects and pins alone |
//! | [`deploy`] | the live table: PostgreSQL (tokio-postgres) or embedded SQLite |
//! | [`reconcile`] | the one writer of the live table |

pub mod deploy;
pub mod engine;
pub mod feed;
pub mod gate;
pub mod reconcile;
pub mod repository;
