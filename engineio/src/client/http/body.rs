//! The bodies of polling requests and responses, in either revision of the protocol.

use crate::protocol::packet::{Packet, ParseError, Protocol};
use crate::protocol::payload::v3::{self, TextPackets};
use crate::protocol::payload::{self, Encoder};
use crate::protocol::text::Text;

/// Collects the packets of a request.
pub(crate) enum Body {
    V4(Encoder),
    V3(Vec<u8>),
}

impl Body {
    pub(crate) fn new(protocol: Protocol) -> Self {
        match protocol {
            Protocol::V4 => Self::V4(Encoder::default()),
            Protocol::V3 => Self::V3(Vec::new()),
        }
    }

    /// Appends a packet in text form.
    pub(crate) fn push(&mut self, packet: &[u8]) {
        match self {
            Self::V4(body) => body.push_encoded(packet),
            Self::V3(body) => v3::push_text(body, packet),
        }
    }

    /// Appends a binary message: `b` and base64. Revision 3 adds the packet type.
    pub(crate) fn push_base64(&mut self, packet: &[u8]) {
        match self {
            Self::V4(body) => body.push_encoded(packet),
            Self::V3(body) => {
                let data = packet.strip_prefix(b"b").unwrap_or(packet);
                v3::push_text(body, &[b"b4", data].concat());
            }
        }
    }

    /// The largest length of the body with one more packet of this length.
    pub(crate) fn len_with(&self, packet: usize) -> usize {
        match self {
            Self::V4(body) => body.len() + 1 + packet,
            // Up to ten digits, a colon, and the type in front of base64.
            Self::V3(body) => body.len() + 12 + packet,
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::V4(body) => body.len(),
            Self::V3(body) => body.len(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        match self {
            Self::V4(body) => body.finish(),
            Self::V3(body) => body,
        }
    }
}

/// The packets of a response.
pub(crate) enum Packets {
    V4(payload::Packets),
    V3(TextPackets),
}

impl Packets {
    pub(crate) fn decode(body: Text, protocol: Protocol, max_packets: usize) -> Self {
        match protocol {
            Protocol::V4 => Self::V4(payload::decode(body, max_packets)),
            Protocol::V3 => Self::V3(v3::decode_text_payload(body, max_packets)),
        }
    }
}

impl Iterator for Packets {
    type Item = Result<Packet, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::V4(packets) => packets.next(),
            Self::V3(packets) => packets.next(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for (protocol, written) in
            [(Protocol::V4, "4hi\u{20ac}\u{1e}bAQI=\u{1e}1"), (Protocol::V3, "4:4hi\u{20ac}6:b4AQI=1:1")]
        {
            let mut body = Body::new(protocol);
            assert!(body.is_empty());
            body.push("4hi\u{20ac}".as_bytes());
            body.push_base64(b"bAQI=");
            body.push(b"1");
            assert_eq!(body.len(), written.len());
            let body = String::from_utf8(body.finish()).unwrap();
            assert_eq!(body, written);
            let packets: Result<Vec<_>, _> = Packets::decode(body.into(), protocol, 3).collect();
            let expected =
                [Packet::Message("hi\u{20ac}".into()), Packet::Message(vec![1, 2].into()), Packet::Close];
            assert_eq!(packets.unwrap(), expected);
        }
    }
}
