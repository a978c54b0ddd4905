//! One entry of the log: its bytes, its link in the chain, and its leaf in the tree.
//!
//! The layout is fixed and length-prefixed (see `FORMAT.md`, "Entry"). The chain links the
//! *content* (everything before the signature), so a batch can be signed on all cores; the
//! Merkle leaf covers the whole stored entry, signature included. Hashes are taken over stored
//! bytes, never over a re-serialisation.

use crate::error::LedgerError;
use crate::format::hash::{Hash, hex};
use crate::keys::public::KeyId;
use crate::keys::signer::Signer;
use bytes::Bytes;
use std::fmt;
use std::ops::Range;

/// The first four bytes of an entry of format version 1.
pub const MARKER: &[u8; 4] = b"ASY1";
/// The largest stored entry: a C2SP entry bundle counts in 16 bits.
pub const MAX_ENTRY: usize = 65_535;
/// The longest kind, in bytes of ASCII.
pub const MAX_KIND: usize = 64;
/// Sequence numbers stay below 2^63, so they fit a signed 64-bit column everywhere.
pub const MAX_SEQ: u64 = i64::MAX as u64;
/// What stands before a content hash when it is signed.
pub const SIGN_DOMAIN: &[u8; 15] = b"assay/entry/v1\0";

/// The unique name of an event: 16 bytes. Appending the same id with the same content again is
/// no error and changes nothing; with different content it is refused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId(pub [u8; 16]);

impl EventId {
    /// An id derived from a logical key, so that doing a thing twice gives the same id.
    pub fn derived(parts: &[&[u8]]) -> EventId {
        let mut bytes = b"assay/event-id/v1\0".to_vec();
        for part in parts {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        let mut id = [0; 16];
        id.copy_from_slice(&Hash::of(&bytes).0[..16]);
        EventId(id)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// What a caller wants recorded. Sequence number, link, author and signature are the log's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Unique name of the event.
    pub id: EventId,
    /// Kind, ASCII, 1 to 64 bytes.
    pub kind: String,
    /// Schema version of the payload.
    pub version: u16,
    /// The payload, opaque here.
    pub payload: Vec<u8>,
}

/// A decoded entry together with the very bytes it was read from, which may be a part of a larger
/// block that was read at once.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    bytes: Bytes,
    origin: Range<usize>,
    kind: Range<usize>,
    payload: Range<usize>,
    /// Position in the log, from 0.
    pub seq: u64,
    /// Content hash of the entry before, zeros for the first.
    pub prev: Hash,
    /// Unique name of the event.
    pub id: EventId,
    /// Schema version of the payload.
    pub version: u16,
    /// Microseconds since 1970-01-01 UTC; never less than the entry before.
    pub time_us: u64,
    /// Who signed: SHA-256 of the OpenSSH public key blob.
    pub author: KeyId,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (origin, kind) = (self.origin(), self.kind());
        write!(f, "Entry({origin} #{} {kind} v{}, {} bytes)", self.seq, self.version, self.bytes.len())
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize, what: &str) -> Result<&'a [u8], String> {
        let end = self.at.checked_add(n).filter(|e| *e <= self.bytes.len());
        let end = end.ok_or_else(|| format!("ends inside {what}"))?;
        let out = &self.bytes[self.at..end];
        self.at = end;
        Ok(out)
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], String> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N, what)?);
        Ok(out)
    }

    /// Where a text stands.
    fn text(&mut self, max: usize, what: &str) -> Result<Range<usize>, String> {
        let len = usize::from(self.array::<1>(what)?[0]);
        let bytes = self.take(len, what)?;
        if len == 0 || len > max || !bytes.iter().all(|b| b.is_ascii_graphic()) {
            return Err(format!("{what} is not 1 to {max} printable ASCII characters"));
        }
        Ok(self.at - len..self.at)
    }
}

/// Whether bytes begin like an entry of a format that comes after this one.
pub fn is_newer(entry: &[u8]) -> bool {
    entry.starts_with(&MARKER[..3]) && entry.get(3).is_some_and(|v| (b'2'..=b'9').contains(v))
}

impl Entry {
    /// Decodes one entry. Every encoding that this crate would not write itself is refused, so
    /// decoding and encoding again gives the same bytes.
    ///
    /// # Errors
    /// [`LedgerError::BadEntry`], naming the field.
    pub fn decode(bytes: impl Into<Bytes>) -> Result<Entry, LedgerError> {
        let bytes = bytes.into();
        Entry::parse(&bytes).map(|entry| Entry { bytes, ..entry })
    }

    /// Decodes all but the bytes themselves.
    fn parse(bytes: &[u8]) -> Result<Entry, LedgerError> {
        let mut seq = 0;
        let bad = |seq, what| LedgerError::BadEntry { seq, what };
        if bytes.len() > MAX_ENTRY {
            return Err(bad(0, format!("{} bytes, more than {MAX_ENTRY}", bytes.len())));
        }
        let mut r = Reader { bytes, at: 0 };
        let mut fields = || -> Result<Entry, String> {
            if r.array::<4>("the marker")? != *MARKER {
                let newer = if is_newer(bytes) { "it is of a newer format" } else { "unknown format" };
                return Err(format!("{newer}: it does not begin with ASY1"));
            }
            let origin = r.text(255, "the origin")?;
            seq = u64::from_be_bytes(r.array("the sequence number")?);
            if seq > MAX_SEQ {
                return Err("the sequence number is over 2^63 - 1".into());
            }
            let prev = Hash(r.array("the previous hash")?);
            let id = EventId(r.array("the event id")?);
            let kind = r.text(MAX_KIND, "the kind")?;
            let version = u16::from_be_bytes(r.array("the schema version")?);
            let time_us = u64::from_be_bytes(r.array("the time")?);
            let author = KeyId(Hash(r.array("the author")?));
            let len = u32::from_be_bytes(r.array("the payload length")?) as usize;
            r.take(len, "the payload")?;
            let payload = r.at - len..r.at;
            r.take(64, "the signature")?;
            if r.at != bytes.len() {
                return Err(format!("{} bytes after its end", bytes.len() - r.at));
            }
            Ok(Entry { bytes: Bytes::new(), origin, seq, prev, id, kind, version, time_us, author, payload })
        };
        let parsed = fields();
        parsed.map_err(|what| bad(seq, what))
    }

    /// The stored bytes: what is journalled, published, and hashed into the leaf.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The log this entry belongs to.
    pub fn origin(&self) -> &str {
        self.text(&self.origin)
    }

    /// Kind of the event.
    pub fn kind(&self) -> &str {
        self.text(&self.kind)
    }

    /// Texts are ASCII: that was checked when the entry was decoded.
    fn text(&self, at: &Range<usize>) -> &str {
        std::str::from_utf8(&self.bytes[at.clone()]).unwrap_or_default()
    }

    /// The payload.
    pub fn payload(&self) -> &[u8] {
        &self.bytes[self.payload.clone()]
    }

    /// The signature's 64 bytes.
    pub fn signature(&self) -> &[u8] {
        &self.bytes[self.payload.end..]
    }

    /// SHA-256 over everything before the signature: what the next entry links to.
    pub fn content_hash(&self) -> Hash {
        Hash::of(&self.bytes[..self.payload.end])
    }

    /// RFC 6962 leaf hash of the whole stored entry.
    pub fn leaf_hash(&self) -> Hash {
        crate::tree::merkle::leaf_hash(&self.bytes)
    }

    /// The draft this entry was made from.
    pub fn draft(&self) -> Draft {
        Draft { id: self.id, kind: self.kind().into(), version: self.version, payload: self.payload().to_vec() }
    }
}

/// An entry with its two hashes.
#[derive(Debug, Clone)]
pub struct Hashed {
    /// The entry.
    pub entry: Entry,
    /// [`Entry::content_hash`].
    pub content: Hash,
    /// [`Entry::leaf_hash`].
    pub leaf: Hash,
}

impl From<Entry> for Hashed {
    fn from(entry: Entry) -> Hashed {
        Hashed { content: entry.content_hash(), leaf: entry.leaf_hash(), entry }
    }
}

/// The message an author signs for a content hash.
pub fn signed_message(content: &Hash) -> [u8; 47] {
    let mut out = [0; 47];
    out[..SIGN_DOMAIN.len()].copy_from_slice(SIGN_DOMAIN);
    out[SIGN_DOMAIN.len()..].copy_from_slice(&content.0);
    out
}

/// Where a new entry goes.
#[derive(Debug, Clone)]
pub struct Place<'a> {
    /// The log's origin.
    pub origin: &'a str,
    /// Sequence number.
    pub seq: u64,
    /// Content hash of the entry before.
    pub prev: Hash,
    /// Microseconds since 1970.
    pub time_us: u64,
}

/// Checks a draft against the limits of the format, before anything is written.
///
/// # Errors
/// [`LedgerError::BadDraft`].
pub fn check_draft(draft: &Draft, origin: &str) -> Result<(), LedgerError> {
    let bad = |what: String| Err(LedgerError::BadDraft { what });
    if draft.kind.is_empty() || draft.kind.len() > MAX_KIND || !draft.kind.bytes().all(|b| b.is_ascii_graphic()) {
        return bad(format!(
            "its kind '{}' is not 1 to {MAX_KIND} printable ASCII characters",
            draft.kind.escape_debug()
        ));
    }
    let size = fixed_len(origin, &draft.kind) + draft.payload.len();
    if size > MAX_ENTRY {
        return bad(format!("it would take {size} bytes; an entry holds at most {MAX_ENTRY}"));
    }
    Ok(())
}

/// Bytes of an entry without its payload.
fn fixed_len(origin: &str, kind: &str) -> usize {
    4 + 1 + origin.len() + 8 + 32 + 16 + 1 + kind.len() + 2 + 8 + 32 + 4 + 64
}

/// The content bytes (all but the signature) of a draft at its place.
pub fn content(draft: &Draft, place: &Place<'_>, author: &KeyId) -> Vec<u8> {
    let mut out = Vec::with_capacity(fixed_len(place.origin, &draft.kind) + draft.payload.len());
    out.extend_from_slice(MARKER);
    out.push(place.origin.len() as u8);
    out.extend_from_slice(place.origin.as_bytes());
    out.extend_from_slice(&place.seq.to_be_bytes());
    out.extend_from_slice(&place.prev.0);
    out.extend_from_slice(&draft.id.0);
    out.push(draft.kind.len() as u8);
    out.extend_from_slice(draft.kind.as_bytes());
    out.extend_from_slice(&draft.version.to_be_bytes());
    out.extend_from_slice(&place.time_us.to_be_bytes());
    out.extend_from_slice(author.0.as_bytes());
    out.extend_from_slice(&(draft.payload.len() as u32).to_be_bytes());
    out.extend_from_slice(&draft.payload);
    out
}

/// Adds the author's signature to content bytes, which makes them an entry's bytes.
///
/// # Errors
/// When the signer cannot sign.
pub fn seal(mut content: Vec<u8>, hash: &Hash, signer: &Signer) -> Result<Vec<u8>, LedgerError> {
    let signature = signer.sign(&signed_message(hash))?;
    content.extend_from_slice(&signature);
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let signer = Signer::from_seed([7; 32]);
        let draft = Draft { id: EventId([3; 16]), kind: "Test".into(), version: 1, payload: b"hello".to_vec() };
        let place = Place { origin: "lab.example/a", seq: 0, prev: Hash::ZERO, time_us: 1_700_000_000_000_000 };
        let content = content(&draft, &place, &signer.id());
        let hash = Hash::of(&content);
        seal(content, &hash, &signer).unwrap()
    }

    #[test]
    fn round_trip_and_golden_hash() {
        let bytes = sample();
        let entry = Entry::decode(bytes.clone()).unwrap();
        assert_eq!(entry.bytes()[..], bytes[..]);
        assert_eq!((entry.seq, entry.kind(), entry.payload()), (0, "Test", &b"hello"[..]));
        let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/entry-v1.hex");
        if std::env::var_os("ASSAY_BLESS").is_some() {
            std::fs::write(golden, format!("{}\n", hex(&bytes))).unwrap();
        }
        assert_eq!(hex(&bytes), std::fs::read_to_string(golden).unwrap().trim());
    }

    /// L-01: every bit of a stored entry is covered by the decoder or by the signature.
    #[test]
    fn l01_every_flipped_bit_is_seen() {
        let bytes = sample();
        let public = Signer::from_seed([7; 32]).public();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut bad = bytes.clone();
                bad[at] ^= 1 << bit;
                let seen = match Entry::decode(bad) {
                    Err(_) => true,
                    Ok(e) => {
                        e.author != public.id()
                            || public.verify_strict(&signed_message(&e.content_hash()), e.signature()).is_err()
                    }
                };
                assert!(seen, "byte {at} bit {bit}");
            }
        }
    }

    /// L-22: the limit is stated and enforced before anything is written.
    #[test]
    fn l22_size_limits() {
        let origin = "o";
        let room = MAX_ENTRY - fixed_len(origin, "K");
        let draft = |n| Draft { id: EventId([0; 16]), kind: "K".into(), version: 1, payload: vec![0; n] };
        assert!(check_draft(&draft(0), origin).is_ok());
        assert!(check_draft(&draft(room), origin).is_ok());
        assert!(check_draft(&draft(room + 1), origin).is_err());
    }
}
