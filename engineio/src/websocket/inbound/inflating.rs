//! Compressed messages. The compressed bytes of a message are collected, and decompressed at its end.

use bytes::Bytes;

use super::event::{Event, WsError};
use super::partial::Partial;
use super::{Inbound, event};
#[cfg(any(feature = "server", feature = "client"))]
use crate::deflate::{Agreed, Contexts};
use crate::deflate::{InflateError, inflate};

impl Inbound {
    /// Accepts compressed messages, if that was agreed. The limit of a message is the one of its decompressed bytes,
    /// and of its compressed bytes too.
    #[cfg(any(feature = "server", feature = "client"))]
    #[must_use]
    pub(crate) fn deflate(mut self, agreed: Option<Agreed>) -> Self {
        self.deflate = agreed.is_some();
        self.with_context = agreed.is_some_and(|agreed| agreed.reads_with_context);
        self
    }

    /// The contexts of the connection, for the writer.
    #[cfg(any(feature = "server", feature = "client"))]
    pub(crate) fn contexts(&mut self) -> &mut Option<Box<Contexts>> {
        &mut self.contexts
    }

    /// Decompresses a message.
    pub(super) fn inflate(&mut self, message: &[u8]) -> Result<Bytes, WsError> {
        let inflated = if self.with_context {
            let contexts = self.contexts.get_or_insert_default();
            contexts.reading.get_or_insert_default().message(message, self.max_message)
        } else {
            inflate(message, self.max_message)
        };
        inflated.map_err(|error| match error {
            InflateError::Invalid => WsError::InvalidDeflate,
            InflateError::TooBig => WsError::MessageTooBig,
        })
    }

    /// The event of a complete message.
    pub(super) fn finish(&mut self, message: Partial) -> Result<Event, WsError> {
        if message.compressed {
            let inflated = self.inflate(&message.data)?;
            return event(message.is_text, inflated);
        }
        message.finish()
    }
}
