//! Many signatures by one key: bit for bit those of ed25519-dalek, with one field inversion for all
//! their commitments instead of one for each.
//!
//! RFC 8032, 5.1.6. The multiplications are dalek's own, in constant time; what is secret is wiped.

use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use ed25519_dalek::SigningKey;
use ed25519_dalek::hazmat::ExpandedSecretKey;
use sha2::{Digest as _, Sha512};
use zeroize::Zeroize as _;

fn wide(parts: [&[u8]; 3]) -> Scalar {
    let mut h = Sha512::new();
    parts.iter().for_each(|part| h.update(part));
    let mut digest: [u8; 64] = h.finalize().into();
    let scalar = Scalar::from_bytes_mod_order_wide(&digest);
    digest.zeroize();
    scalar
}

/// Signs each message.
pub(crate) fn sign_all<M: AsRef<[u8]>>(key: &SigningKey, messages: &[M]) -> Vec<[u8; 64]> {
    let secret = ExpandedSecretKey::from(key.as_bytes());
    let public = key.verifying_key().to_bytes();
    let mut nonces: Vec<Scalar> = messages.iter().map(|m| wide([&secret.hash_prefix, m.as_ref(), &[]])).collect();
    let points: Vec<EdwardsPoint> = nonces.iter().map(EdwardsPoint::mul_base).collect();
    let commitments = EdwardsPoint::compress_batch_alloc(&points);
    let sign = |((message, nonce), r): ((&M, &Scalar), &curve25519_dalek::edwards::CompressedEdwardsY)| {
        let s = nonce + wide([&r.0, &public, message.as_ref()]) * secret.scalar;
        let mut out = [0; 64];
        out[..32].copy_from_slice(&r.0);
        out[32..].copy_from_slice(s.as_bytes());
        out
    };
    let signatures = messages.iter().zip(&nonces).zip(&commitments).map(sign).collect();
    nonces.zeroize();
    signatures
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::Signer as _;
    use proptest::prelude::*;

    proptest! {
        /// Whatever the key and the messages, however many: the very bytes that dalek gives.
        #[test]
        fn as_one_by_one(seed: [u8; 32], messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..40)) {
            let key = SigningKey::from_bytes(&seed);
            let single: Vec<[u8; 64]> = messages.iter().map(|m| key.sign(m).to_bytes()).collect();
            prop_assert_eq!(sign_all(&key, &messages), single);
        }
    }
}
