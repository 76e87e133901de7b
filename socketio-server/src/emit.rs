//! Packets to messages: the only place that encodes.

use engineio::{Prepared, TextBuf};
use serde::Serialize;
use socketio_parser::{
    ArgWriter, DecodeError, Decoder, EncodeError, Event, Limits, Parser, Payload, RawValue, Revision, ToArgs,
};

use crate::error::EmitError;

/// What the application itself sends is not limited.
const UNLIMITED: Limits = Limits {
    max_attachments: u32::MAX,
    max_attachment_bytes: usize::MAX,
    max_packet_bytes: usize::MAX,
    max_depth: 1000,
    max_arguments: u32::MAX,
    max_namespace_bytes: usize::MAX,
};

/// Room that most events fit into without growing.
const CAPACITY: usize = 128;

/// An event, ready for every session that gets it. An offset, which a client that recovers needs, is its last
/// argument.
pub(crate) fn event<A: ToArgs + ?Sized>(
    parser: Parser,
    namespace: &str,
    ack_id: Option<u64>,
    name: &str,
    args: &A,
    offset: Option<&str>,
) -> Result<Prepared, EncodeError> {
    encode(parser, |out| match offset {
        None => parser.encode_event(out, namespace, ack_id, name, args),
        Some(offset) => parser.encode_event(out, namespace, ack_id, name, &WithOffset(args, offset)),
    })
}

/// An event as other servers get it, and listeners of outgoing events: encoded, and checked as if a peer had sent it.
pub(crate) fn to_event<A: ToArgs + ?Sized>(parser: Parser, name: &str, args: &A) -> Result<Event, EmitError> {
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

/// One value as another server gets it.
pub(crate) fn to_value<A: ToArgs + ?Sized>(parser: Parser, args: &A) -> Result<Option<RawValue>, EmitError> {
    Ok(to_event(parser, "answer", args)?.args().get(0).map(|first| first.to_owned()))
}

/// The answer to an event.
pub(crate) fn ack<A: ToArgs + ?Sized>(
    parser: Parser,
    namespace: &str,
    id: u64,
    args: &A,
) -> Result<Prepared, EncodeError> {
    encode(parser, |out| parser.encode_ack(out, namespace, id, args))
}

/// The confirmation of a CONNECT. Clients of Socket.IO v2 get none of the payload.
pub(crate) fn connect<T: Serialize>(
    parser: Parser,
    namespace: &str,
    payload: Option<&T>,
) -> Result<Prepared, EncodeError> {
    encode(parser, |out| parser.encode_connect(out, namespace, payload).map(|()| Vec::new()))
}

/// The refusal of a CONNECT.
pub(crate) fn connect_error(
    parser: Parser,
    revision: Revision,
    namespace: &str,
    message: &str,
    data: Option<&serde_json::Value>,
) -> Result<Prepared, EncodeError> {
    encode(parser, |out| {
        parser.encode_connect_error(out, revision, namespace, message, data).map(|()| Vec::new())
    })
}

/// The server leaves a namespace.
pub(crate) fn disconnect(parser: Parser, namespace: &str) -> Result<Prepared, EncodeError> {
    encode(parser, |out| parser.encode_disconnect(out, namespace).map(|()| Vec::new()))
}

fn encode(
    parser: Parser,
    write: impl FnOnce(&mut Vec<u8>) -> Result<Vec<bytes::Bytes>, EncodeError>,
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

/// Arguments, and the offset behind them.
struct WithOffset<'a, A: ?Sized>(&'a A, &'a str);

impl<A: ToArgs + ?Sized> ToArgs for WithOffset<'_, A> {
    fn count(&self) -> usize {
        self.0.count() + 1
    }

    fn write(&self, writer: &mut ArgWriter<'_>) -> Result<(), EncodeError> {
        self.0.write(writer)?;
        self.1.write(writer)
    }
}
