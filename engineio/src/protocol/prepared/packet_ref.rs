//! The packets of a message, for polling payloads.

use bytes::Bytes;

use super::Binary;

/// A packet of a polling payload.
pub enum PacketRef<'a> {
    /// Type digit and data.
    Text(&'a [u8]),
    /// A binary message.
    Binary(BinaryRef<'a>),
}

/// A binary message of a polling payload.
pub struct BinaryRef<'a>(pub(super) &'a Binary);

impl<'a> BinaryRef<'a> {
    /// The raw bytes.
    pub fn data(&self) -> &'a [u8] {
        &self.0.data
    }

    /// The raw bytes, shared.
    pub fn bytes(&self) -> Bytes {
        self.0.data.clone()
    }

    /// `b` and the base64 form, encoded once for all polling clients.
    pub fn base64(&self) -> &'a [u8] {
        self.0.base64()
    }
}
