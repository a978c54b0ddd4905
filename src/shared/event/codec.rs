//! The payload codec: bincode, pinned, in this file alone.
//!
//! Configuration: big endian, variable-length integers, at most 65,535 bytes. A number is finite;
//! minus zero is written as zero. Only the encoding that this file would write is read.

use bincode::config::{BigEndian, Configuration, Limit, Varint};
use bincode::de::Decoder;
use bincode::enc::Encoder;
use bincode::enc::write::Writer;
use bincode::error::{DecodeError, EncodeError};
pub(super) use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

const CONFIG: Configuration<BigEndian, Varint, Limit<65_535>> =
    bincode::config::standard().with_big_endian().with_limit::<65_535>();

/// A finite number.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Real(pub f64);

impl Encode for Real {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        if !self.0.is_finite() {
            return Err(EncodeError::Other("a number is not finite"));
        }
        (self.0 + 0.0).to_bits().to_be_bytes().encode(encoder)
    }
}

impl<C> Decode<C> for Real {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Real, DecodeError> {
        let v = f64::from_bits(u64::from_be_bytes(<[u8; 8]>::decode(decoder)?));
        if v.is_finite() { Ok(Real(v)) } else { Err(DecodeError::Other("a number is not finite")) }
    }
}

bincode::impl_borrow_decode!(Real);

pub(super) fn encode<T: Encode>(value: &T) -> Result<Vec<u8>, String> {
    bincode::encode_to_vec(value, CONFIG).map_err(|e| e.to_string())
}

pub(super) fn decode<T: Encode + Decode<()>>(bytes: &[u8]) -> Result<T, String> {
    let (value, read) = bincode::decode_from_slice::<T, _>(bytes, CONFIG).map_err(|e| e.to_string())?;
    if read != bytes.len() {
        return Err(format!("{} bytes after its end", bytes.len() - read));
    }
    let mut same = Same(bytes);
    match bincode::encode_into_writer(&value, &mut same, CONFIG) {
        Ok(()) if same.0.is_empty() => Ok(value),
        _ => Err("it is not in the canonical encoding".into()),
    }
}

/// Bytes that are expected next: writing anything else is an error.
struct Same<'b>(&'b [u8]);

impl Writer for Same<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0 = self.0.strip_prefix(bytes).ok_or(EncodeError::UnexpectedEnd)?;
        Ok(())
    }
}
