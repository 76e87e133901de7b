//! Packets to messages: the only place that encodes.

use bytes::Bytes;
use engineio::{Prepared, TextBuf};
use serde::Serialize;
use socketio_parser::{DecodeError, Decoder, EncodeError, Event, Limits, Parser, Payload, Revision, ToArgs};
use thiserror::Error;

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

/// Why arguments are no event that others can read. Each side makes an error of its own of either.
#[derive(Debug, Error)]
pub enum UnreadableError {
    /// They or the name cannot be written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// They can be written, but nobody could read them: they are nested too deeply.
    #[error(transparent)]
    Nested(#[from] DecodeError),
}

/// An event, ready for every session that gets it.
pub fn event<A: ToArgs + ?Sized>(
    parser: Parser,
    namespace: &str,
    ack_id: Option<u64>,
    name: &str,
    args: &A,
) -> Result<Prepared, EncodeError> {
    encode(parser, |out| parser.encode_event(out, namespace, ack_id, name, args))
}

/// An event as the other side will read it: for those who look at outgoing events, for other servers, and to be sent
/// more than once.
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

/// The answer to an event.
pub fn ack<A: ToArgs + ?Sized>(
    parser: Parser,
    namespace: &str,
    id: u64,
    args: &A,
) -> Result<Prepared, EncodeError> {
    encode(parser, |out| parser.encode_ack(out, namespace, id, args))
}

/// Asks for a namespace, or confirms that it was joined.
pub fn connect<T: Serialize + ?Sized>(
    parser: Parser,
    namespace: &str,
    data: Option<&T>,
) -> Result<Prepared, EncodeError> {
    encode(parser, |out| parser.encode_connect(out, namespace, data).map(|()| Vec::new()))
}

/// Refuses a client.
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

/// Leaves a namespace.
pub fn disconnect(parser: Parser, namespace: &str) -> Result<Prepared, EncodeError> {
    encode(parser, |out| parser.encode_disconnect(out, namespace).map(|()| Vec::new()))
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
