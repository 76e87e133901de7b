//! Payloads of revision 4: several packets in one HTTP body, in text form with separators between them.
//!
//! Revision 3 has two other forms, in [`v3`]. [`jsonp`] is an encoding around any of them.
//!
//! Nothing is escaped: a text message that contains the separator itself becomes two packets in a payload, as
//! in the official implementation. JSON never contains the separator unescaped.

pub mod jsonp;
#[cfg(test)]
mod tests;
pub mod v3;

use super::packet::{Packet, ParseError, Protocol, decode_text, encode_base64, encode_text};
use super::text::Text;

/// The separator between two packets: U+001E, the record separator.
pub const SEPARATOR: u8 = 0x1e;

/// The default of the largest number of packets in one payload.
///
/// A packet can be as small as two bytes, so without a limit a body of a megabyte is half a million events.
pub const DEFAULT_MAX_PACKETS: usize = 16_384;

/// Decodes the packets of a body one by one.
///
/// Text shares the buffer of `body`. Each packet is decoded by the call that returns it, so a caller that
/// stops early, at a close packet for instance, does not pay for the rest. The first error is the last item.
pub fn decode(body: Text, max_packets: usize) -> Packets {
    Packets { rest: Some(body), left: max_packets }
}

/// The packets of a revision 4 payload: see [`decode`].
#[derive(Clone, Debug)]
pub struct Packets {
    /// The undecoded rest. An empty rest is still a packet, an invalid one; `None` is the end.
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

/// Encodes the packets of one body.
#[derive(Clone, Debug, Default)]
pub struct Encoder(Vec<u8>);

impl Encoder {
    /// An empty payload with capacity for `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    /// Appends a packet. A binary message is encoded as base64.
    pub fn push(&mut self, packet: &Packet) {
        self.separate();
        encode_text(packet, Protocol::V4, &mut self.0);
    }

    /// Appends a packet in text form: type digit and data, or `b` and base64.
    pub fn push_encoded(&mut self, packet: &[u8]) {
        self.separate();
        self.0.extend_from_slice(packet);
    }

    /// Appends a binary message as base64.
    pub fn push_binary(&mut self, data: &[u8]) {
        self.separate();
        encode_base64(data, Protocol::V4, &mut self.0);
    }

    /// The length of the payload in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the payload has no packets.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The body.
    pub fn finish(self) -> Vec<u8> {
        self.0
    }

    fn separate(&mut self) {
        // Packets are never empty, so an empty payload has no packets.
        if !self.0.is_empty() {
            self.0.push(SEPARATOR);
        }
    }
}
