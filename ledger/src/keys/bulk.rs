//! Many signatures by few keys, with exactly the verdict of `verify_strict`.
//!
//! A log has thousands of entries by one author. For a key that comes back, a table of its
//! multiples turns both multiplications into additions of looked-up points; that is about twice as
//! fast as a lone verification and, unlike batch verification with random coefficients, gives the
//! same verdict each time. The equation is ed25519-dalek's strict one:
//! `compress(s·B − k·A) == R`, `s` canonical, neither `A` nor `R` of small order. Nothing here is
//! secret, so nothing needs constant time.

use crate::keys::public::PublicKey;
use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::Identity as _;
use sha2::{Digest as _, Sha512};
use std::sync::LazyLock;

/// Signed digits of 8 bits: 32 windows of 128 multiples each, 640 KB.
struct Multiples(Vec<EdwardsPoint>);

const WINDOWS: usize = 32;
const HALF: usize = 128;

/// Encodings of the eight points of small order.
static SMALL_ORDER: LazyLock<[[u8; 32]; 8]> = LazyLock::new(|| EIGHT_TORSION.map(|t| t.compress().0));

static BASE: LazyLock<Multiples> = LazyLock::new(|| Multiples::of(ED25519_BASEPOINT_POINT));

impl Multiples {
    fn of(point: EdwardsPoint) -> Multiples {
        let mut table = Vec::with_capacity(WINDOWS * HALF);
        let mut unit = point;
        for _ in 0..WINDOWS {
            let mut multiple = unit;
            for _ in 0..HALF {
                table.push(multiple);
                multiple += unit;
            }
            // The last multiple is 129 units; the next window's unit is 256.
            unit = table[table.len() - 1] + table[table.len() - 1];
        }
        Multiples(table)
    }

    /// Adds `scalar` times the point to `sum`.
    fn add_to(&self, mut sum: EdwardsPoint, scalar: &Scalar) -> EdwardsPoint {
        let mut carry = 0u16;
        for (window, byte) in self.0.chunks_exact(HALF).zip(scalar.as_bytes()) {
            let digit = u16::from(*byte) + carry;
            carry = u16::from(digit > HALF as u16);
            if carry == 1 {
                let below = usize::from(256 - digit);
                if below > 0 {
                    sum -= &window[below - 1];
                }
            } else if digit > 0 {
                sum += &window[usize::from(digit) - 1];
            }
        }
        // A canonical scalar is below 2^253, so nothing is carried out of the last window.
        sum
    }
}

/// A public key with a table of multiples of its negation.
pub struct PreparedKey {
    bytes: [u8; 32],
    minus_a: Multiples,
}

impl std::fmt::Debug for PreparedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PreparedKey({})", crate::format::hash::hex(&self.bytes))
    }
}

impl PreparedKey {
    /// Prepares a key: as costly as about fifty verifications.
    pub fn new(key: &PublicKey) -> Option<PreparedKey> {
        let point = CompressedEdwardsY(key.to_bytes()).decompress()?;
        if point.is_small_order() || key.inner().is_weak() {
            return None;
        }
        Some(PreparedKey { bytes: key.to_bytes(), minus_a: Multiples::of(-point) })
    }

    /// `s·B − k·A`, or nothing when `s` is not canonical.
    fn expected(&self, message: &[u8], signature: &[u8; 64]) -> Option<EdwardsPoint> {
        let (r, s) = signature.split_at(32);
        let s = Option::<Scalar>::from(Scalar::from_canonical_bytes(s.try_into().ok()?))?;
        let digest: [u8; 64] =
            Sha512::new().chain_update(r).chain_update(self.bytes).chain_update(message).finalize().into();
        let k = Scalar::from_bytes_mod_order_wide(&digest);
        Some(self.minus_a.add_to(BASE.add_to(EdwardsPoint::identity(), &s), &k))
    }

    /// Whether `signature` is this key's over `message`; the verdict of `verify_strict`.
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        verify_all(&[(self, message, *signature)]) == [true]
    }
}

/// One signature to verify: key, message, signature.
pub type Item<'a, M> = (&'a PreparedKey, M, [u8; 64]);

/// The verdict of `verify_strict` for each item; compressing many points at once is cheaper.
pub fn verify_all<M: AsRef<[u8]>>(items: &[Item<'_, M>]) -> Vec<bool> {
    let points: Vec<Option<EdwardsPoint>> =
        items.iter().map(|(key, message, sig)| key.expected(message.as_ref(), sig)).collect();
    let whole: Vec<EdwardsPoint> = points.iter().map(|p| p.unwrap_or_default()).collect();
    let compressed = EdwardsPoint::compress_batch_alloc(&whole);
    let verdict = |((point, bytes), item): ((&Option<EdwardsPoint>, &CompressedEdwardsY), &Item<'_, M>)| {
        point.is_some() && bytes.0 == item.2[..32] && !SMALL_ORDER.contains(&bytes.0)
    };
    points.iter().zip(&compressed).zip(items).map(verdict).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::signer::Signer;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn same_verdict_as_verify_strict(seed: [u8; 32], message: Vec<u8>, flip in 0usize..600, r: [u8; 32]) {
            let signer = Signer::from_seed(seed);
            let key = signer.public();
            let prepared = PreparedKey::new(&key).unwrap();
            let good = signer.sign(&message).unwrap();
            prop_assert!(prepared.verify(&message, &good));
            let mut bad = good;
            if flip < 512 { bad[flip / 8] ^= 1 << (flip % 8) } else { bad[..32].copy_from_slice(&r) }
            prop_assert_eq!(prepared.verify(&message, &bad), key.verify_strict(&message, &bad).is_ok());
        }
    }

    /// The eight small-order points as R, and scalars that are not canonical.
    #[test]
    fn edge_cases_as_verify_strict() {
        let signer = Signer::from_seed([1; 32]);
        let (key, prepared) = (signer.public(), PreparedKey::new(&signer.public()).unwrap());
        for point in EIGHT_TORSION {
            let mut sig = [0; 64];
            sig[..32].copy_from_slice(&point.compress().0);
            assert_eq!(prepared.verify(b"m", &sig), key.verify_strict(b"m", &sig).is_ok());
            assert!(PublicKey::from_bytes(&point.compress().0).is_none(), "weak keys are refused");
        }
        let mut high = signer.sign(b"m").unwrap();
        // s + L is the same scalar in a non-canonical spelling.
        let l = [0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14];
        let mut carry = 0u16;
        for i in 0..32 {
            let add: u8 = if i < 16 {
                l[i]
            } else if i == 31 {
                0x10
            } else {
                0
            };
            let sum = u16::from(high[32 + i]) + u16::from(add) + carry;
            high[32 + i] = sum as u8;
            carry = sum >> 8;
        }
        assert!(!prepared.verify(b"m", &high) && key.verify_strict(b"m", &high).is_err());
    }
}
