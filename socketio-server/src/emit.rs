//! Packets to messages: the only place that encodes.

use engineio::{Prepared, TextBuf};
use serde::Serialize;
use socketio_parser::{EncodeError, Parser, Revision, ToArgs};

/// Room that most events fit into without growing.
const CAPACITY: usize = 128;

/// An event, ready for every session that gets it.
pub(crate) fn event<A: ToArgs + ?Sized>(
    parser: Parser,
    namespace: &str,
    ack_id: Option<u64>,
    name: &str,
    args: &A,
) -> Result<Prepared, EncodeError> {
    encode(parser, |out| parser.encode_event(out, namespace, ack_id, name, args))
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

/// The confirmation of a CONNECT.
pub(crate) fn connect<T: Serialize>(
    parser: Parser,
    namespace: &str,
    payload: &T,
) -> Result<Prepared, EncodeError> {
    encode(parser, |out| parser.encode_connect(out, namespace, Some(payload)).map(|()| Vec::new()))
}

/// The refusal of a CONNECT.
pub(crate) fn connect_error(
    parser: Parser,
    namespace: &str,
    message: &str,
    data: Option<&serde_json::Value>,
) -> Result<Prepared, EncodeError> {
    encode(parser, |out| {
        parser.encode_connect_error(out, Revision::V5, namespace, message, data).map(|()| Vec::new())
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
