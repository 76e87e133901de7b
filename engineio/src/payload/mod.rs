//! Many packets in one HTTP body, as revision 4 of the protocol does it: text packets between separators.
//!
//! Revision 3 has two other forms, in [`v3`]; [`jsonp`] is the coat that all of them can wear.
//!
//! Nothing is escaped: a text message that contains the separator itself comes out of a payload as two packets,
//! with the official implementation too. JSON never contains it raw.

pub mod jsonp;
#[cfg(test)]
mod tests;
pub mod v3;

use crate::packet::{Packet, ParseError, Protocol, decode_text, encode_base64, encode_text};
use crate::text::Text;

/// What stands between two packets: U+001E, the record separator.
pub const SEPARATOR: u8 = 0x1e;

/// How many packets one payload may have unless the caller knows better.
///
/// A packet can be as small as two bytes, so without a limit a body of a megabyte is half a million events.
pub const DEFAULT_MAX_PACKETS: usize = 16_384;

/// Decodes the packets of a body one by one.
///
/// Text shares the buffer of `body`. Each packet is decoded when it is asked for, so a caller that stops, at a
/// close packet for instance, does not pay for the rest. The first error is the last item.
pub fn decode(body: Text, max_packets: usize) -> Packets {
    Packets { rest: Some(body), left: max_packets }
}

/// The packets of a revision 4 payload: see [`decode`].
#[derive(Clone, Debug)]
pub struct Packets {
    /// What has not been looked at. An empty rest is still a packet, an erroneous one; `None` is the end.
    rest: Option<Text>,
    left: usize,
}

impl Iterator for Packets {
    type Item = Result<Packet, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.take()?;
        let Some(left) = self.left.checked_sub(1) else {
            return Some(Err(ParseError::TooManyPackets));
        };
        self.left = left;
        let packet = match memchr::memchr(SEPARATOR, rest.as_bytes()) {
            None => return Some(decode_text(rest, Protocol::V4)),
            Some(end) => decode_text(rest.slice(0..end), Protocol::V4).inspect(|_| {
                self.rest = Some(rest.skip(end + 1));
            }),
        };
        Some(packet)
    }
}

impl std::iter::FusedIterator for Packets {}

/// Writes the packets of one body.
#[derive(Clone, Debug, Default)]
pub struct Encoder(Vec<u8>);

impl Encoder {
    /// An empty payload with room for `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    /// Appends a packet; a binary message goes as base64.
    pub fn push(&mut self, packet: &Packet) {
        self.separate();
        encode_text(packet, Protocol::V4, &mut self.0);
    }

    /// Appends a packet that is in text form already: type digit and data, or `b` and base64.
    pub fn push_encoded(&mut self, packet: &[u8]) {
        self.separate();
        self.0.extend_from_slice(packet);
    }

    /// Appends a binary message as base64.
    pub fn push_binary(&mut self, data: &[u8]) {
        self.separate();
        encode_base64(data, Protocol::V4, &mut self.0);
    }

    /// How many bytes the payload has so far.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no packet yet.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The body.
    pub fn finish(self) -> Vec<u8> {
        self.0
    }

    fn separate(&mut self) {
        // No packet is empty, so a payload without bytes is one without packets.
        if !self.0.is_empty() {
            self.0.push(SEPARATOR);
        }
    }
}
