//! JSON as bytes: validation, positions of arguments, escapes.

mod open;
pub(crate) mod placeholders;
pub(crate) mod scan;
pub(crate) mod spans;
pub(crate) mod text;
mod tokens;

use bytes::Bytes;

use crate::limits::Limit;
use crate::{DecodeError, Limits, PacketType};

/// Scans a text that is one array of arguments, and checks that its placeholders refer to the attachments.
pub(crate) fn whole_array(
    text: &[u8],
    attachments: &[Bytes],
    kind: PacketType,
    limits: &Limits,
) -> Result<scan::Array, DecodeError> {
    if text.len() > limits.packet_bytes() {
        return Err(DecodeError::Limit(Limit::PacketBytes));
    }
    if text.first() != Some(&b'[') {
        return Err(DecodeError::Shape(kind));
    }
    let array = scan::array(text, 0, limits)?;
    if !attachments.is_empty() {
        placeholders::check(text, attachments.len())?;
    }
    Ok(array)
}
