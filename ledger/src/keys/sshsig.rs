//! SSHSIG signatures over files: what `ssh-keygen -Y sign` makes and `-Y verify` checks.
//!
//! Source: OpenSSH PROTOCOL.sshsig. The key inside a signature is only a claim; trust comes from
//! the caller, who compares it with the keys that the policy names.

use crate::error::LedgerError;
use crate::keys::public::PublicKey;
use crate::keys::signer::Signer;
use ssh_key::{HashAlg, LineEnding, Signature, SshSig};

/// The bytes that an ed25519 signature over a message in a namespace signs (with SHA-512): for a
/// signature that is kept without its armour.
///
/// # Errors
/// [`LedgerError::Malformed`] for an empty namespace.
pub fn signed_data(namespace: &str, message: &[u8]) -> Result<Vec<u8>, LedgerError> {
    let bad = |e: ssh_key::Error| LedgerError::Malformed { what: "signature", why: e.to_string() };
    SshSig::signed_data(namespace, HashAlg::Sha512, message).map_err(bad)
}

/// Verifies an armoured signature, and gives the key that made it and the 64 bytes without the armour.
///
/// # Errors
/// As [`verify`], and [`LedgerError::Malformed`] for another hash than SHA-512.
pub fn open(armoured: &[u8], namespace: &str, message: &[u8]) -> Result<(PublicKey, [u8; 64]), LedgerError> {
    let key = verify(armoured, namespace, message)?;
    let bad = || LedgerError::Malformed { what: "SSH signature", why: "it is not over SHA-512".into() };
    let sig = SshSig::from_pem(armoured).ok().filter(|s| s.hash_alg() == HashAlg::Sha512).ok_or_else(bad)?;
    Ok((key, sig.signature_bytes().try_into().map_err(|_| bad())?))
}

/// Signs `message` in a namespace; gives the armoured text.
///
/// # Errors
/// [`LedgerError::Malformed`] for an empty namespace.
pub fn sign(signer: &Signer, namespace: &str, message: &[u8]) -> Result<String, LedgerError> {
    let bad = |e: ssh_key::Error| LedgerError::Malformed { what: "signature", why: e.to_string() };
    let data = SshSig::signed_data(namespace, HashAlg::Sha512, message).map_err(bad)?;
    let signature = Signature::new(ssh_key::Algorithm::Ed25519, signer.sign(&data)?).map_err(bad)?;
    let key = ssh_key::public::Ed25519PublicKey(signer.public().to_bytes());
    let sig = SshSig::new(key.into(), namespace, HashAlg::Sha512, signature).map_err(bad)?;
    sig.to_pem(LineEnding::LF).map(|t| if t.ends_with('\n') { t } else { t + "\n" }).map_err(bad)
}

/// Verifies an armoured signature and gives the key that made it.
///
/// # Errors
/// [`LedgerError::Malformed`] when it is no ed25519 SSHSIG; [`LedgerError::Unverified`] for
/// another namespace or another message.
pub fn verify(armoured: &[u8], namespace: &str, message: &[u8]) -> Result<PublicKey, LedgerError> {
    let bad = |why: String| LedgerError::Malformed { what: "SSH signature", why };
    let sig = SshSig::from_pem(armoured).map_err(|e| bad(e.to_string()))?;
    if sig.namespace() != namespace {
        let why = format!("it was made for the namespace '{}', not '{namespace}'", sig.namespace());
        return Err(LedgerError::Unverified { what: "the SSH signature", why });
    }
    let key = sig.public_key().ed25519().ok_or_else(|| bad(format!("{} keys are not accepted", sig.algorithm())))?;
    let key = PublicKey::from_bytes(&key.0).ok_or_else(|| bad("weak key".into()))?;
    let data = SshSig::signed_data(namespace, sig.hash_alg(), message).map_err(|e| bad(e.to_string()))?;
    key.verify_strict(&data, sig.signature_bytes())?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_and_refuses() {
        let signer = Signer::from_seed([9; 32]);
        let text = sign(&signer, "approval@assay", b"yes").unwrap();
        assert_eq!(verify(text.as_bytes(), "approval@assay", b"yes").unwrap(), signer.public());
        assert!(verify(text.as_bytes(), "promotion@assay", b"yes").is_err());
        assert!(verify(text.as_bytes(), "approval@assay", b"no").is_err());
        let (key, bare) = open(text.as_bytes(), "approval@assay", b"yes").unwrap();
        assert_eq!(key, signer.public());
        key.verify_strict(&signed_data("approval@assay", b"yes").unwrap(), &bare).unwrap();
        assert!(open(text.as_bytes(), "approval@assay", b"no").is_err());
        assert!(verify(b"junk", "approval@assay", b"yes").is_err());
    }
}
