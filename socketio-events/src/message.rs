//! Encoding of packets into messages. This module is the only place that encodes.

use bytes::Bytes;
use engineio::prepared::PacketRef;
use engineio::{Prepared, TextBuf};
use serde::Serialize;
use socketio_parser::{
    ArgWriter, ConnectionParser, DecodeError, Decoder, EncodeError, Encoded, Event, Limits, Packet, Parser,
    Payload, Revision, ToArgs,
};
use thiserror::Error;

/// Limits apply to received packets, not to what the application sends.
const UNLIMITED: Limits = Limits {
    max_attachments: u32::MAX,
    max_attachment_bytes: usize::MAX,
    max_packet_bytes: usize::MAX,
    max_depth: 1000,
    max_arguments: u32::MAX,
    max_namespace_bytes: usize::MAX,
};

/// Initial capacity in bytes. Most events fit without reallocation.
const CAPACITY: usize = 128;

/// Event that no peer could decode. Server and client convert it into their own error types.
#[derive(Debug, Error)]
pub enum UnreadableError {
    /// The event name or the arguments cannot be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The arguments are nested more deeply than decoders allow.
    #[error(transparent)]
    Nested(#[from] DecodeError),
}

/// The packet has more binary parts than the peer accepts, which would close the connection: see
/// `max_attachments` of the configuration.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("{count} binary parts, and the peer accepts {max} (`Config::max_attachments`)")]
#[non_exhaustive]
pub struct TooManyAttachments {
    /// Number of binary parts.
    pub count: usize,
    /// The limit.
    pub max: usize,
}

impl TooManyAttachments {
    /// An error if there are more than `max`.
    #[inline]
    pub fn check(count: usize, max: usize) -> Result<(), Self> {
        if count > max { Err(Self { count, max }) } else { Ok(()) }
    }
}

/// The part of the [tag](Prepared::tag) of an event that is set if its last argument is an offset, by which clients of
/// Socket.IO are recovered. Translators for other clients leave that argument out.
pub const OFFSET_TAG: u8 = 0x80;

/// An EVENT packet, encoded once for any number of sessions. Its [tag](Prepared::tag) is the number of its
/// arguments, at most 127, for translators.
pub fn event<A: ToArgs + ?Sized>(
    parser: Parser,
    namespace: &str,
    ack_id: Option<u64>,
    name: &str,
    args: &A,
) -> Result<Prepared, EncodeError> {
    let encoded = encode(parser, |out| parser.encode_event(out, namespace, ack_id, name, args));
    encoded.map(|message| message.with_tag(tag(args)))
}

/// An event in its decoded form, as the peer will read it: for listeners of outgoing events, for other
/// cluster nodes, and for retries.
pub fn to_event<A: ToArgs + ?Sized>(parser: Parser, name: &str, args: &A) -> Result<Event, UnreadableError> {
    let mut packet = Vec::with_capacity(CAPACITY);
    let attachments = parser.encode_event(&mut packet, "/", None, name, args)?;
    let mut decoder = Decoder::new(parser, UNLIMITED);
    let mut decoded =
        if parser.is_binary() { decoder.binary(packet.into())? } else { decoder.text(packet.into())? };
    for attachment in attachments {
        decoded = decoder.binary(attachment)?;
    }
    match decoded.map(|packet| packet.payload) {
        Some(Payload::Event(event)) => Ok(event),
        _ => Err(DecodeError::Empty.into()),
    }
}

/// An event for other servers, in its decoded form. Its name may be one that is reserved in packets.
pub fn server_event<A: ToArgs + ?Sized>(name: &str, args: &A) -> Result<Event, UnreadableError> {
    let mut packet = Vec::with_capacity(CAPACITY);
    // The list of an acknowledgement has the form of an event, and its first element may be any string.
    let attachments = Parser::Json.encode_ack(&mut packet, "/", 0, &WithName(name, args))?;
    let list = packet.iter().position(|byte| *byte == b'[').unwrap_or(packet.len());
    Ok(Event::from_json_array(Bytes::from(packet).slice(list..), attachments, &UNLIMITED)?)
}

/// A name followed by arguments.
struct WithName<'a, A: ?Sized>(&'a str, &'a A);

impl<A: ToArgs + ?Sized> ToArgs for WithName<'_, A> {
    fn count(&self) -> usize {
        1 + self.1.count()
    }

    fn write(&self, writer: &mut ArgWriter<'_>) -> Result<(), EncodeError> {
        self.0.write(writer)?;
        self.1.write(writer)
    }
}

/// A packet in its decoded form, from a message of this parser.
pub fn to_packet(parser: Parser, message: &Prepared) -> Result<Packet, DecodeError> {
    let mut decoder = Decoder::new(parser, UNLIMITED);
    let mut packet = None;
    for part in message.packets() {
        packet = match part {
            // The first character is the packet type of Engine.IO.
            PacketRef::Text(_) => decoder.text(message.text_packet().slice(1..))?,
            PacketRef::Binary(data) => decoder.binary(Bytes::copy_from_slice(data.data()))?,
        };
    }
    packet.ok_or(DecodeError::Empty)
}

/// A packet from its decoded form.
pub fn packet(parser: Parser, packet: &Packet) -> Result<Prepared, EncodeError> {
    let message = encode(parser, |out| parser.encode_packet(out, packet))?;
    Ok(match &packet.payload {
        Payload::Event(event) => message.with_tag(tag(event.args())),
        Payload::Ack(args) => message.with_tag(tag(args)),
        _ => message,
    })
}

/// A message of a packet that a parser of the application encoded.
pub fn custom(encoded: Encoded) -> Result<Prepared, EncodeError> {
    match encoded {
        Encoded::Text(text, attachments) => {
            let mut out = TextBuf::with_capacity(text.len());
            out.buffer().extend_from_slice(text.as_bytes());
            Ok(out.finish_with(attachments))
        }
        Encoded::Binary(data) => Ok(Prepared::binary(data)),
        _ => Err(EncodeError::Custom("unknown form of a message".into())),
    }
}

/// The message of another parser for the packet of this one.
pub fn convert(from: Parser, to: &ConnectionParser, message: &Prepared) -> Result<Prepared, EncodeError> {
    let decoded = to_packet(from, message).map_err(|error| EncodeError::Custom(error.to_string().into()))?;
    let converted = match to {
        ConnectionParser::BuiltIn(parser) => packet(*parser, &decoded)?,
        ConnectionParser::Custom(parser) => custom(parser.encode(&decoded)?)?,
        _ => return Err(EncodeError::Custom("unknown kind of parser".into())),
    };
    let tag = converted.tag() | (message.tag() & OFFSET_TAG);
    let converted = converted.with_tag(tag).compress(message.may_compress());
    Ok(match message.conflation_key() {
        Some(key) => converted.conflate_by(key),
        None => converted,
    })
}

/// An ACK packet, with a tag as an event.
pub fn ack<A: ToArgs + ?Sized>(
    parser: Parser,
    namespace: &str,
    id: u64,
    args: &A,
) -> Result<Prepared, EncodeError> {
    let encoded = encode(parser, |out| parser.encode_ack(out, namespace, id, args));
    encoded.map(|message| message.with_tag(tag(args)))
}

/// A CONNECT packet: a client's request to join a namespace, or the server's confirmation.
pub fn connect<T: Serialize + ?Sized>(
    parser: Parser,
    namespace: &str,
    data: Option<&T>,
) -> Result<Prepared, EncodeError> {
    encode(parser, |out| parser.encode_connect(out, namespace, data).map(|()| Vec::new()))
}

/// A CONNECT_ERROR packet: the server refuses a client.
pub fn connect_error<T: Serialize + ?Sized>(
    parser: Parser,
    revision: Revision,
    namespace: &str,
    message: &str,
    data: Option<&T>,
) -> Result<Prepared, EncodeError> {
    encode(parser, |out| {
        parser.encode_connect_error(out, revision, namespace, message, data).map(|()| Vec::new())
    })
}

/// A DISCONNECT packet: one side leaves a namespace.
pub fn disconnect(parser: Parser, namespace: &str) -> Result<Prepared, EncodeError> {
    encode(parser, |out| parser.encode_disconnect(out, namespace).map(|()| Vec::new()))
}

fn tag<A: ToArgs + ?Sized>(args: &A) -> u8 {
    u8::try_from(args.count()).unwrap_or(u8::MAX).min(OFFSET_TAG - 1)
}

fn encode(
    parser: Parser,
    write: impl FnOnce(&mut Vec<u8>) -> Result<Vec<Bytes>, EncodeError>,
) -> Result<Prepared, EncodeError> {
    if parser.is_binary() {
        // A msgpack packet is one binary message, attachments included.
        let mut data = Vec::with_capacity(CAPACITY);
        write(&mut data)?;
        return Ok(Prepared::from(data));
    }
    let mut text = TextBuf::with_capacity(CAPACITY);
    let attachments = write(text.buffer())?;
    Ok(text.finish_with(attachments))
}
