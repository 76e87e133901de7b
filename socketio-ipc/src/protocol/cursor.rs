//! The parts of a message, read one after the other.

use bytes::{Buf, Bytes};
use socketio_cluster::streams::EntryId;

use super::ProtocolError;

/// A message that is being read. What it returns shares the memory of the frame.
pub(super) struct Cursor(pub(super) Bytes);

impl Cursor {
    pub(super) fn byte(&mut self) -> Result<u8, ProtocolError> {
        self.0.try_get_u8().map_err(|_| ProtocolError::Malformed)
    }

    pub(super) fn number(&mut self) -> Result<u64, ProtocolError> {
        self.0.try_get_u64().map_err(|_| ProtocolError::Malformed)
    }

    pub(super) fn bytes(&mut self) -> Result<Bytes, ProtocolError> {
        let length = self.0.try_get_u32().map_err(|_| ProtocolError::Malformed)? as usize;
        if length > self.0.len() {
            return Err(ProtocolError::Malformed);
        }
        Ok(self.0.split_to(length))
    }

    pub(super) fn text(&mut self) -> Result<String, ProtocolError> {
        String::from_utf8(self.bytes()?.into()).map_err(|_| ProtocolError::Malformed)
    }

    pub(super) fn id(&mut self) -> Result<EntryId, ProtocolError> {
        Ok(EntryId { milliseconds: self.number()?, sequence: self.number()? })
    }

    /// Whether there are no further parts.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The message has no further parts.
    pub(super) fn finish(self) -> Result<(), ProtocolError> {
        if self.is_empty() { Ok(()) } else { Err(ProtocolError::Malformed) }
    }
}
