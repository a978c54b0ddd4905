//! The repositories: configs, evidence and approvals as git objects. The only room that knows git2.
//!
//! Files are read from objects, never from a checkout, so no attribute or filter touches them.

mod brought;
mod commit;
pub mod evidence;
pub mod folder;
pub mod git;
mod listing;
mod merge;
mod remote;
#[cfg(test)]
mod tests;
mod tree;

pub use git::{Files, Repo, RepoError, SignBy};
pub use remote::can_push;
pub use tree::Changed;
