//! A message that arrives in parts, of frames or of reads.

use super::event::{Event, WsError};
use crate::protocol::text::Text;

/// An incomplete message.
#[derive(Debug)]
pub(super) struct Partial {
    pub(super) is_text: bool,
    /// The data is compressed, and is decompressed at the end of the message.
    pub(super) compressed: bool,
    pub(super) fragments: u32,
    /// The number of bytes at the end that are not checked as UTF-8 yet: an incomplete character of a text message.
    pub(super) unchecked: u8,
    pub(super) data: Vec<u8>,
}

impl Partial {
    /// Appends an unmasked part of a payload. `ending` is the number of bytes left in the message, this part
    /// included, if known.
    pub(super) fn append(&mut self, chunk: &[u8], ending: Option<usize>, max: usize) -> Result<(), WsError> {
        let len = self.data.len() + chunk.len();
        if len > self.data.capacity() {
            // A peer can announce any length at no cost, so the capacity follows the bytes that have arrived.
            // Doubling keeps the copying linear, and a known end makes the last buffer exact.
            let end = ending.map_or(max, |ending| self.data.len() + ending);
            let capacity = len.saturating_mul(2).min(end.max(len));
            self.data.reserve_exact(capacity - self.data.len());
        }
        self.data.extend_from_slice(chunk);
        if !self.is_text || self.compressed {
            return Ok(());
        }
        let tail = &self.data[len - chunk.len() - usize::from(self.unchecked)..];
        self.unchecked = match std::str::from_utf8(tail) {
            Ok(_) => 0,
            // An incomplete character, of at most three bytes, continues in the next part.
            Err(error) if error.error_len().is_none() => (tail.len() - error.valid_up_to()) as u8,
            Err(_) => return Err(WsError::InvalidUtf8),
        };
        Ok(())
    }

    pub(super) fn finish(self) -> Result<Event, WsError> {
        if !self.is_text {
            return Ok(Event::Binary(self.data.into()));
        }
        if self.unchecked > 0 {
            return Err(WsError::InvalidUtf8);
        }
        Ok(Event::Text(Text::from_checked(self.data.into())))
    }
}
