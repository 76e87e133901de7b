//! One Engine.IO packet, as text and as binary, in both revisions of the protocol.

#[cfg(test)]
mod tests;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;

use crate::protocol::text::Text;

/// A revision of the Engine.IO protocol: the `EIO` parameter of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Revision 3, spoken by clients of Socket.IO v2.
    V3,
    /// Revision 4, the current one.
    V4,
}

impl Protocol {
    /// The revision's number.
    pub const fn number(self) -> u8 {
        match self {
            Self::V3 => 3,
            Self::V4 => 4,
        }
    }
}

/// The type of a packet. Its number is sent on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum PacketType {
    /// The handshake, sent by the server.
    Open = 0,
    /// The end of a session.
    Close = 1,
    /// A heartbeat, or the probe of a new transport.
    Ping = 2,
    /// The answer to a ping.
    Pong = 3,
    /// Data of the application.
    Message = 4,
    /// The client moves to the transport that it has probed.
    Upgrade = 5,
    /// No content; it releases a waiting poll.
    Noop = 6,
}

impl PacketType {
    /// The type with this number.
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Open,
            1 => Self::Close,
            2 => Self::Ping,
            3 => Self::Pong,
            4 => Self::Message,
            5 => Self::Upgrade,
            6 => Self::Noop,
            _ => return None,
        })
    }

    /// The type for this first character of a text packet.
    pub const fn from_digit(digit: u8) -> Option<Self> {
        Self::from_number(digit.wrapping_sub(b'0'))
    }

    /// The first character of a text packet of this type.
    pub const fn digit(self) -> u8 {
        b'0' + self as u8
    }
}

/// A message of the application: text or bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// UTF-8 text.
    Text(Text),
    /// Bytes.
    Binary(Bytes),
}

impl Message {
    /// The length of the message in bytes.
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether the message has no bytes.
    pub fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }

    /// The bytes; of a text its UTF-8.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(data) => data,
        }
    }
}

impl From<&'static str> for Message {
    fn from(text: &'static str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<Text> for Message {
    fn from(text: Text) -> Self {
        Self::Text(text)
    }
}

impl From<Bytes> for Message {
    fn from(data: Bytes) -> Self {
        Self::Binary(data)
    }
}

impl From<Vec<u8>> for Message {
    fn from(data: Vec<u8>) -> Self {
        Self::Binary(data.into())
    }
}

/// A decoded packet.
///
/// Only a message can be binary. Data behind the type of a close, upgrade or noop packet has no meaning in
/// either revision and is dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    /// The handshake, as JSON.
    Open(Text),
    /// The session ends.
    Close,
    /// A heartbeat; with the data `probe` it probes a transport.
    Ping(Text),
    /// The answer to a ping, with the ping's data.
    Pong(Text),
    /// Data of the application.
    Message(Message),
    /// The client moves to the transport that it has probed.
    Upgrade,
    /// No content.
    Noop,
}

/// Bytes that are not a valid packet or payload. The session ends with `parse error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// A packet has no bytes.
    #[error("empty packet")]
    Empty,
    /// The first byte is not a packet type.
    #[error("unknown packet type")]
    UnknownType,
    /// Binary data in text form is not base64.
    #[error("invalid base64")]
    Base64,
    /// Text is not UTF-8.
    #[error("invalid UTF-8")]
    Utf8,
    /// The length in front of a packet is not a number, or does not match the bytes that follow.
    #[error("invalid packet length")]
    Length,
    /// The payload has more packets than the limit.
    #[error("too many packets in one payload")]
    TooManyPackets,
}

/// The mark of binary data in a text packet.
const BASE64_MARK: u8 = b'b';

/// Accepts base64 with and without padding: browsers and Node pad, some other clients do not, and the
/// official server accepts both.
///
/// Any other character is an error. The official server skips invalid characters and so decodes garbage into
/// shorter garbage; no correct client depends on that.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

impl Packet {
    /// The packet's type.
    pub fn kind(&self) -> PacketType {
        match self {
            Self::Open(_) => PacketType::Open,
            Self::Close => PacketType::Close,
            Self::Ping(_) => PacketType::Ping,
            Self::Pong(_) => PacketType::Pong,
            Self::Message(_) => PacketType::Message,
            Self::Upgrade => PacketType::Upgrade,
            Self::Noop => PacketType::Noop,
        }
    }

    fn data(&self) -> &[u8] {
        match self {
            Self::Open(text) | Self::Ping(text) | Self::Pong(text) => text.as_bytes(),
            Self::Message(message) => message.as_bytes(),
            Self::Close | Self::Upgrade | Self::Noop => &[],
        }
    }

    /// The data of a binary message.
    pub fn binary(&self) -> Option<&Bytes> {
        match self {
            Self::Message(Message::Binary(data)) => Some(data),
            _ => None,
        }
    }

    fn with_text(kind: PacketType, text: Text) -> Self {
        match kind {
            PacketType::Open => Self::Open(text),
            PacketType::Close => Self::Close,
            PacketType::Ping => Self::Ping(text),
            PacketType::Pong => Self::Pong(text),
            PacketType::Message => Self::Message(Message::Text(text)),
            PacketType::Upgrade => Self::Upgrade,
            PacketType::Noop => Self::Noop,
        }
    }

    /// Revision 3 can express binary data in a ping and other packets. No client sends such data and no
    /// server reads it, so only the type counts.
    fn with_binary(kind: PacketType, data: Bytes) -> Self {
        match kind {
            PacketType::Message => Self::Message(Message::Binary(data)),
            other => Self::with_text(other, Text::new()),
        }
    }
}

/// Decodes a packet in text form: a WebSocket text message, or one packet of a text payload.
///
/// Text data shares the buffer of `text`.
pub fn decode_text(text: Text, protocol: Protocol) -> Result<Packet, ParseError> {
    let bytes = text.as_bytes();
    let (&first, rest) = bytes.split_first().ok_or(ParseError::Empty)?;
    if first == BASE64_MARK {
        return decode_base64(rest, protocol);
    }
    let kind = PacketType::from_digit(first).ok_or(ParseError::UnknownType)?;
    Ok(Packet::with_text(kind, text.skip(1)))
}

/// Decodes a packet in binary form: a WebSocket binary message, or one binary packet of a revision 3 payload.
///
/// In revision 4 binary data is always a message; revision 3 puts the packet type in front. The data shares
/// the buffer of `bytes`.
pub fn decode_binary(mut bytes: Bytes, protocol: Protocol) -> Result<Packet, ParseError> {
    match protocol {
        Protocol::V4 => Ok(Packet::Message(Message::Binary(bytes))),
        Protocol::V3 => {
            let first = *bytes.first().ok_or(ParseError::Empty)?;
            let kind = PacketType::from_number(first).ok_or(ParseError::UnknownType)?;
            Ok(Packet::with_binary(kind, bytes.split_off(1)))
        }
    }
}

/// `<base64>` in revision 4, `<type><base64>` in revision 3.
fn decode_base64(bytes: &[u8], protocol: Protocol) -> Result<Packet, ParseError> {
    let (kind, data) = match protocol {
        Protocol::V4 => (PacketType::Message, bytes),
        Protocol::V3 => {
            let (&digit, data) = bytes.split_first().ok_or(ParseError::Empty)?;
            (PacketType::from_digit(digit).ok_or(ParseError::UnknownType)?, data)
        }
    };
    let data = BASE64.decode(data).map_err(|_| ParseError::Base64)?;
    Ok(Packet::with_binary(kind, data.into()))
}

/// The number of bytes that [`encode_text`] appends.
pub fn text_len(packet: &Packet, protocol: Protocol) -> usize {
    match packet.binary() {
        Some(data) => base64_len(data.len(), protocol),
        None => 1 + packet.data().len(),
    }
}

/// Appends a packet in text form. Binary data becomes base64.
pub fn encode_text(packet: &Packet, protocol: Protocol, out: &mut Vec<u8>) {
    match packet.binary() {
        Some(data) => encode_base64(data, protocol, out),
        None => {
            out.reserve(text_len(packet, protocol));
            out.push(packet.kind().digit());
            out.extend_from_slice(packet.data());
        }
    }
}

/// Appends a binary message in binary form.
pub fn encode_binary(data: &[u8], protocol: Protocol, out: &mut Vec<u8>) {
    out.reserve(1 + data.len());
    if protocol == Protocol::V3 {
        out.push(PacketType::Message as u8);
    }
    out.extend_from_slice(data);
}

/// Appends a binary message in text form: `b<base64>`, in revision 3 `b4<base64>`.
pub fn encode_base64(data: &[u8], protocol: Protocol, out: &mut Vec<u8>) {
    let start = out.len();
    out.reserve(base64_len(data.len(), protocol));
    out.push(BASE64_MARK);
    if protocol == Protocol::V3 {
        out.push(PacketType::Message.digit());
    }
    let text = out.len();
    out.resize(start + base64_len(data.len(), protocol), 0);
    // The buffer has the exact length, so encoding cannot fail.
    let written = BASE64.encode_slice(data, &mut out[text..]);
    debug_assert_eq!(written.ok(), Some(out.len() - text));
}

fn base64_len(data: usize, protocol: Protocol) -> usize {
    let mark = if protocol == Protocol::V3 { 2 } else { 1 };
    mark + data.div_ceil(3) * 4
}
