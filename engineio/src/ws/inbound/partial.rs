//! A message that comes in parts: of frames, or of reads.

use super::event::{Event, WsError};
use crate::text::Text;

/// A message whose end has not arrived.
#[derive(Debug)]
pub(super) struct Partial {
    pub(super) is_text: bool,
    pub(super) fragments: u32,
    /// How many bytes are known to be UTF-8, in a text message.
    pub(super) valid: usize,
    pub(super) data: Vec<u8>,
}

impl Partial {
    /// Adds an unmasked part of a payload. `ending` is how many bytes are left of the message, with these, if that
    /// is known.
    pub(super) fn append(&mut self, chunk: &[u8], ending: Option<usize>, max: usize) -> Result<(), WsError> {
        let len = self.data.len() + chunk.len();
        if len > self.data.capacity() {
            // A length costs a peer nothing, so memory follows what has arrived. Twice that keeps the copying
            // linear, and the true end makes the last buffer exact.
            let end = ending.map_or(max, |ending| self.data.len() + ending);
            let capacity = len.saturating_mul(2).min(end.max(len));
            self.data.reserve_exact(capacity - self.data.len());
        }
        self.data.extend_from_slice(chunk);
        if !self.is_text {
            return Ok(());
        }
        match std::str::from_utf8(&self.data[self.valid..]) {
            Ok(_) => self.valid = len,
            // A character that is cut off goes on in the next part.
            Err(error) if error.error_len().is_none() => self.valid += error.valid_up_to(),
            Err(_) => return Err(WsError::InvalidUtf8),
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<Event, WsError> {
        if !self.is_text {
            return Ok(Event::Binary(self.data.into()));
        }
        if self.valid < self.data.len() {
            return Err(WsError::InvalidUtf8);
        }
        Ok(Event::Text(Text::from_checked(self.data.into())))
    }
}
