//! Keys and signatures: OpenSSH ed25519 keys, an agent, SSHSIG, signed notes, cosignatures.

pub mod agent;
pub mod bulk;
mod bulk_sign;
pub mod cosign;
pub mod note;
pub mod public;
pub mod seed;
pub(crate) mod signatures;
pub mod signer;
pub mod sshsig;
