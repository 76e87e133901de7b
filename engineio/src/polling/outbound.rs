//! The response to a GET.

use bytes::Bytes;

use crate::protocol::packet::{PacketType, Protocol};
use crate::protocol::payload::{Encoder, v3};
use crate::protocol::prepared::{Dialect, PacketRef, Prepared};

/// The response of a session to a waiting GET.
#[derive(Debug)]
pub(crate) enum PollAnswer {
    /// 200 with a payload.
    Payload {
        body: Bytes,
        /// The body is `application/octet-stream` (revision 3).
        binary: bool,
        /// All messages allow compression.
        compress: bool,
    },
    /// 400: another GET waits, or the session has ended.
    Refused,
}

/// The payload of `messages`, followed by packets without data.
pub(crate) fn answer(dialect: Dialect, messages: &[Prepared], last: &[PacketType]) -> PollAnswer {
    // The official server compresses if any packet of the payload allows it; control packets have no such
    // flag.
    let compress = messages.iter().any(Prepared::may_compress);
    if let ([message], []) = (messages, last)
        && message.is_text()
        && dialect.protocol == Protocol::V4
    {
        return PollAnswer::Payload { body: message.text_packet(), binary: false, compress };
    }
    let (body, binary) = match dialect.protocol {
        Protocol::V4 => (encode_v4(messages, last), false),
        Protocol::V3 => encode_v3(messages, last, !dialect.base64),
    };
    PollAnswer::Payload { body: body.into(), binary, compress }
}

fn encode_v4(messages: &[Prepared], last: &[PacketType]) -> Vec<u8> {
    let mut payload = Encoder::with_capacity(messages.iter().map(|message| message.wire_len() + 1).sum());
    for packet in messages.iter().flat_map(Prepared::packets) {
        match packet {
            PacketRef::Text(text) => payload.push_encoded(text),
            PacketRef::Binary(binary) => payload.push_encoded(binary.base64()),
        }
    }
    for last in last {
        payload.push_encoded(&[last.digit()]);
    }
    payload.finish()
}

fn encode_v3(messages: &[Prepared], last: &[PacketType], takes_binary: bool) -> (Vec<u8>, bool) {
    let binary = takes_binary && messages.iter().any(|message| !message.is_text());
    let push_text = if binary { v3::push_string } else { v3::push_text };
    let mut body = Vec::new();
    for packet in messages.iter().flat_map(Prepared::packets) {
        match packet {
            PacketRef::Text(text) => push_text(&mut body, text),
            PacketRef::Binary(part) if binary => v3::push_binary(&mut body, part.data()),
            // Revision 3 has the packet type in base64 form too.
            PacketRef::Binary(part) => push_text(&mut body, &[b"b4", &part.base64()[1..]].concat()),
        }
    }
    for last in last {
        push_text(&mut body, &[last.digit()]);
    }
    (body, binary)
}
