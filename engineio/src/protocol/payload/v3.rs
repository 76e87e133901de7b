//! Payloads of revision 3: several packets in one HTTP body, each with its length in front.
//!
//! A text payload counts UTF-16 code units, which are the `length` of a JavaScript string. A payload with a
//! binary message is sent as bytes if the client accepts bytes, and otherwise with base64 in a text payload.

use std::iter::FusedIterator;

use bytes::{Buf, Bytes};

use crate::protocol::packet::{
    Packet, PacketType, ParseError, Protocol, decode_binary, decode_text, encode_text,
};
use crate::protocol::text::Text;

/// An encoded payload. Its variant decides the body's content type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// `<length>:<packet>` for each packet: `text/plain`.
    Text(Vec<u8>),
    /// A marker, the length, 0xFF and the packet for each packet: `application/octet-stream`.
    Binary(Vec<u8>),
}

/// Encodes packets, as bytes if one of them is binary and the client accepts binary.
pub fn encode(packets: &[Packet], supports_binary: bool) -> Payload {
    let mut out = Vec::new();
    let mut packet_text = Vec::new();
    let mut text_of = |packet: &Packet, push: &mut dyn FnMut(&[u8])| {
        packet_text.clear();
        encode_text(packet, Protocol::V3, &mut packet_text);
        push(&packet_text);
    };
    if supports_binary && packets.iter().any(|packet| packet.binary().is_some()) {
        for packet in packets {
            match packet.binary() {
                Some(data) => push_binary(&mut out, data),
                None => text_of(packet, &mut |text| push_string(&mut out, text)),
            }
        }
        return Payload::Binary(out);
    }
    if packets.is_empty() {
        // Clients treat an empty body as an error.
        out.extend_from_slice(b"0:");
    }
    for packet in packets {
        text_of(packet, &mut |text| push_text(&mut out, text));
    }
    Payload::Text(out)
}

/// Appends a packet in text form to a text payload.
pub fn push_text(out: &mut Vec<u8>, packet: &[u8]) {
    push_digits(out, utf16_len(packet), b'0');
    out.push(b':');
    out.extend_from_slice(packet);
}

/// Appends a packet in text form to a binary payload.
pub fn push_string(out: &mut Vec<u8>, packet: &[u8]) {
    out.push(STRING);
    push_digits(out, packet.len(), 0);
    out.push(LENGTH_END);
    out.extend_from_slice(packet);
}

/// Appends a binary message to a binary payload.
pub fn push_binary(out: &mut Vec<u8>, data: &[u8]) {
    out.push(BINARY);
    push_digits(out, 1 + data.len(), 0);
    out.push(LENGTH_END);
    out.push(PacketType::Message as u8);
    out.extend_from_slice(data);
}

/// Decodes the packets of a text payload one by one: see [`super::decode`].
pub fn decode_text_payload(body: Text, max_packets: usize) -> TextPackets {
    TextPackets { empty: body.is_empty(), body, at: 0, left: max_packets }
}

/// Decodes the packets of a binary payload one by one: see [`super::decode`].
///
/// The official server reads all lengths before it decodes the first packet, and treats a length past the end
/// as the length of the rest. Here the packets before such a length are returned, and the length is an error.
pub fn decode_binary_payload(body: Bytes, max_packets: usize) -> BinaryPackets {
    BinaryPackets { rest: body, left: max_packets }
}

/// The first byte of a text packet in a binary payload.
const STRING: u8 = 0;
/// The first byte of a binary packet in a binary payload.
const BINARY: u8 = 1;
/// The end of the length in a binary payload.
const LENGTH_END: u8 = 0xff;
/// The largest number of digits of a length. No body is near this long, and the number cannot overflow.
const MAX_LENGTH_DIGITS: usize = 15;

/// The packets of a text payload: see [`decode_text_payload`].
#[derive(Clone, Debug)]
pub struct TextPackets {
    body: Text,
    at: usize,
    left: usize,
    /// A completely empty body is an error; `0:` is the encoding of no packets.
    empty: bool,
}

impl TextPackets {
    fn advance(&mut self) -> Result<Option<Packet>, ParseError> {
        if std::mem::take(&mut self.empty) {
            return Err(ParseError::Empty);
        }
        while self.at < self.body.len() {
            let rest = &self.body.as_bytes()[self.at..];
            let (units, header) = read_length(rest, b'0', b':')?;
            let len = utf16_prefix(&rest[header..], units).ok_or(ParseError::Length)?;
            let start = self.at + header;
            self.at = start + len;
            // The official server skips empty packets in this form.
            if len > 0 {
                take_one(&mut self.left)?;
                return decode_text(self.body.slice(start..self.at), Protocol::V3).map(Some);
            }
        }
        Ok(None)
    }
}

impl Iterator for TextPackets {
    type Item = Result<Packet, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        let result = self.advance();
        if result.is_err() {
            self.at = self.body.len();
        }
        result.transpose()
    }
}

impl FusedIterator for TextPackets {}

/// The packets of a binary payload: see [`decode_binary_payload`].
#[derive(Clone, Debug)]
pub struct BinaryPackets {
    rest: Bytes,
    left: usize,
}

impl BinaryPackets {
    fn advance(&mut self) -> Result<Option<Packet>, ParseError> {
        let Some(&marker) = self.rest.first() else { return Ok(None) };
        let (len, header) = read_length(&self.rest[1..], 0, LENGTH_END)?;
        self.rest.advance(1 + header);
        if len > self.rest.len() {
            return Err(ParseError::Length);
        }
        take_one(&mut self.left)?;
        let packet = self.rest.split_to(len);
        match marker {
            STRING => {
                let text = Text::from_utf8(packet).map_err(|_| ParseError::Utf8)?;
                decode_text(text, Protocol::V3).map(Some)
            }
            BINARY => decode_binary(packet, Protocol::V3).map(Some),
            _ => Err(ParseError::UnknownType),
        }
    }
}

impl Iterator for BinaryPackets {
    type Item = Result<Packet, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        let result = self.advance();
        if result.is_err() {
            self.rest.clear();
        }
        result.transpose()
    }
}

impl FusedIterator for BinaryPackets {}

fn take_one(left: &mut usize) -> Result<(), ParseError> {
    *left = left.checked_sub(1).ok_or(ParseError::TooManyPackets)?;
    Ok(())
}

/// Parses decimal digits, counted from `zero`, up to `end`. Returns the number and the bytes consumed, `end`
/// included.
///
/// The official server parses the length with JavaScript's `Number`, which also accepts `1e3` and `0x10`; no
/// client sends those.
fn read_length(bytes: &[u8], zero: u8, end: u8) -> Result<(usize, usize), ParseError> {
    let mut number = 0_u64;
    for (at, &byte) in bytes.iter().take(MAX_LENGTH_DIGITS + 1).enumerate() {
        if byte == end && at > 0 {
            let number = usize::try_from(number).map_err(|_| ParseError::Length)?;
            return Ok((number, at + 1));
        }
        let digit = byte.wrapping_sub(zero);
        if digit > 9 {
            break;
        }
        number = number * 10 + u64::from(digit);
    }
    Err(ParseError::Length)
}

fn push_digits(out: &mut Vec<u8>, number: usize, zero: u8) {
    let mut rank = 1;
    while number / rank >= 10 {
        rank *= 10;
    }
    while rank > 0 {
        // One decimal digit.
        out.push(zero + (number / rank % 10) as u8);
        rank /= 10;
    }
}

/// The length of the text in UTF-16 code units.
fn utf16_len(text: &[u8]) -> usize {
    // One unit for each byte that starts a character, and one more for each character outside the basic
    // plane.
    text.iter().map(|&byte| usize::from(byte & 0xc0 != 0x80) + usize::from(byte >= 0xf0)).sum()
}

/// The length in bytes of this many UTF-16 code units of the text. `None` if the text is shorter, or if the
/// last unit is half a character.
fn utf16_prefix(text: &[u8], units: usize) -> Option<usize> {
    // A unit has at least one byte, so the loop below never reads beyond the packet.
    if text.get(..units)?.is_ascii() {
        return Some(units);
    }
    let mut counted = 0;
    let mut at = 0;
    while counted < units {
        let (bytes, width) = match *text.get(at)? {
            0..0x80 => (1, 1),
            0x80..0xe0 => (2, 1),
            0xe0..0xf0 => (3, 1),
            0xf0.. => (4, 2),
        };
        at += bytes;
        counted += width;
    }
    (counted == units).then_some(at)
}
