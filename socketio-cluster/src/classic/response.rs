//! Answers to requests: JSON, and msgpack for the acknowledgement of a client.

use std::sync::Arc;

use bytes::Bytes;
use socketio_parser::Parser;
use socketio_parser::codec::{Reader, Writer};

use super::number;
use crate::error::{DecodeError, EncodeError};
use crate::id::RequestId;
use crate::limits::Limits;
use crate::message::Message;
use crate::wire::{self, Parts, type_number};

/// Bytes in which the request of an answer is looked for.
const BEGINNING: usize = 256;

/// A received answer. It does not say from whom it is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Response {
    /// An answer that every adapter has.
    Message(Message),
    /// The ids of the sockets of an old node.
    Sockets {
        /// Id of the request.
        request: RequestId,
        /// Ids of the sockets.
        sockets: Vec<Arc<str>>,
    },
    /// An old operation on one socket was carried out.
    Done {
        /// Id of the request.
        request: RequestId,
    },
}

/// Writes an answer.
pub fn encode_response(response: &Response, limits: &Limits) -> Result<Vec<u8>, EncodeError> {
    encode_response_in(Parser::Msgpack, response, limits)
}

/// As [`encode_response`], with acknowledgements of clients in the encoding of the official option `parser`.
pub fn encode_response_in(
    parser: Parser,
    response: &Response,
    limits: &Limits,
) -> Result<Vec<u8>, EncodeError> {
    let mut out = Vec::with_capacity(128);
    match response {
        Response::Message(message) => return encode_answer_in(parser, message, limits),
        Response::Done { request } => {
            let mut writer = Writer::new(Parser::Json, &mut out, limits.max_message_bytes);
            writer.object(1);
            id(&mut writer, request);
            writer.end_object();
        }
        Response::Sockets { request, sockets } => {
            let mut writer = Writer::new(Parser::Json, &mut out, limits.max_message_bytes);
            writer.object(2);
            id(&mut writer, request);
            writer.key("sockets");
            wire::rooms_to_join(&mut writer, sockets);
            writer.end_object();
        }
    }
    wire::check_written(&out, limits)?;
    Ok(out)
}

/// As [`encode_response_in`], for an answer that every adapter has.
pub fn encode_answer_in(parser: Parser, answer: &Message, limits: &Limits) -> Result<Vec<u8>, EncodeError> {
    let parser = match answer {
        Message::BroadcastAck { .. } => parser,
        _ => Parser::Json,
    };
    let mut out = Vec::with_capacity(wire::capacity(answer, limits));
    write(&mut Writer::new(parser, &mut out, limits.max_message_bytes), answer)?;
    wire::check_written(&out, limits)?;
    Ok(out)
}

fn write(writer: &mut Writer<'_>, answer: &Message) -> Result<(), EncodeError> {
    match answer {
        Message::FetchSocketsResponse { request, sockets } => {
            writer.object(2);
            id(writer, request);
            writer.key("sockets");
            wire::write_sockets(writer, sockets)?;
        }
        Message::AllRoomsResponse { request, rooms } => {
            writer.object(2);
            id(writer, request);
            writer.key("rooms");
            wire::rooms_to_join(writer, rooms);
        }
        Message::ServerSideEmitResponse { request, answer } => {
            writer.object(2 + usize::from(answer.is_some()));
            writer.key("type").number(number::SERVER_SIDE_EMIT.into());
            id(writer, request);
            if let Some(answer) = answer {
                writer.key("data").raw(answer)?;
            }
        }
        Message::BroadcastClientCount { request, count } => {
            writer.object(3);
            writer.key("type").number(number::CLIENT_COUNT.into());
            id(writer, request);
            writer.key("clientCount").number(*count as u64);
        }
        Message::BroadcastAck { request, answer } => {
            writer.object(2 + usize::from(answer.is_some()));
            writer.key("type").number(number::ACK.into());
            id(writer, request);
            if let Some(answer) = answer {
                writer.key("packet").raw(answer)?;
            }
        }
        other => return Err(EncodeError::Unsupported(other.kind())),
    }
    writer.end_object();
    Ok(())
}

fn id(writer: &mut Writer<'_>, request: &RequestId) {
    writer.key("requestId").text(request.as_str());
}

/// Reads an answer if `wanted` says so of its request. All nodes receive an answer, if it is not sent to a channel of the
/// node that has asked; for the others it costs a look at its beginning, however large it is.
pub fn decode_response_if(
    message: Bytes,
    limits: &Limits,
    wanted: impl FnOnce(&RequestId) -> bool,
) -> Result<Option<Response>, DecodeError> {
    match leading_request(&message) {
        Some(request) if !wanted(&request) => Ok(None),
        _ => decode_response(message, limits).map(Some),
    }
}

/// The request of an answer, if that is near its beginning, where the adapters write it.
fn leading_request(message: &Bytes) -> Option<RequestId> {
    /// The error that ends the walk over the members.
    struct Found(Option<RequestId>);
    impl From<socketio_parser::DecodeError> for Found {
        fn from(_: socketio_parser::DecodeError) -> Self {
            Self(None)
        }
    }
    let beginning = message.slice(..message.len().min(BEGINNING));
    let parser = if beginning.first() == Some(&b'{') { Parser::Json } else { Parser::Msgpack };
    let mut reader = Reader::new(parser, &beginning, 2).ok()?;
    let read = reader.members(|reader, key| match key {
        "requestId" => Err(Found(reader.text()?.map(|id| RequestId::from(&*id)))),
        _ => Ok(()),
    });
    read.err().and_then(|Found(request)| request)
}

/// Reads an answer: JSON if it starts with `{`, otherwise msgpack. The answers to `fetchSockets` and
/// `allRooms` have no type; they are known by their members.
pub fn decode_response(message: Bytes, limits: &Limits) -> Result<Response, DecodeError> {
    let mut parts = Parts::default();
    let mut kind = None;
    wire::read_object(message, limits, |reader, key| {
        match key {
            "type" => kind = reader.number()?,
            "data" => parts.read_packet(reader)?,
            _ => parts.member(reader, key, limits)?,
        }
        Ok(())
    })?;
    let has_ids_alone =
        parts.sockets.as_ref().is_some_and(|found| found.details.is_empty() && !found.ids.is_empty());
    let message = match kind.map(type_number) {
        Some(number::SERVER_SIDE_EMIT) => parts.message(10, limits)?,
        Some(number::CLIENT_COUNT) => parts.message(11, limits)?,
        Some(number::ACK) => parts.message(12, limits)?,
        _ if has_ids_alone => {
            let request = parts.request.ok_or(DecodeError::Missing("requestId"))?;
            let sockets = parts.sockets.unwrap_or_default().ids;
            return Ok(Response::Sockets { request, sockets });
        }
        _ if parts.sockets.is_some() => parts.message(8, limits)?,
        _ if parts.rooms.is_some() => parts.message(102, limits)?,
        None => {
            let request = parts.request.ok_or(DecodeError::Missing("requestId"))?;
            return Ok(Response::Done { request });
        }
        Some(other) => return Err(DecodeError::UnknownType(other)),
    };
    Ok(Response::Message(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(answer: &[u8], wanted: bool) -> (Option<String>, Result<Option<Response>, DecodeError>) {
        let mut asked = None;
        let read = decode_response_if(Bytes::copy_from_slice(answer), &Limits::default(), |request| {
            asked = Some(request.as_str().to_owned());
            wanted
        });
        (asked, read)
    }

    #[test]
    fn answers_to_others_are_not_read() {
        let acknowledgement = b"\x83\xa4type\x06\xa9requestId\xa1r\xa6packet\xc1";
        let sockets = br#"{"requestId":"r","sockets":[{"id":"#;
        let long = [br#"{"type":3,"requestId":"r","data":""#, "\u{e9}".repeat(500).as_bytes()].concat();
        for answer in [&acknowledgement[..], sockets, &long] {
            let (asked, read) = read(answer, false);
            assert_eq!((asked.as_deref(), read.unwrap().is_none()), (Some("r"), true));
        }
        assert!(read(sockets, true).1.is_err(), "nor is the rest checked");
    }

    #[test]
    fn answers_whose_request_comes_late_or_never_are_read() {
        let late = format!(r#"{{"rooms":["{}"],"requestId":"r"}}"#, "x".repeat(300));
        let (asked, answer) = read(late.as_bytes(), false);
        assert!(asked.is_none());
        assert!(matches!(answer, Ok(Some(Response::Message(Message::AllRoomsResponse { .. })))));
        assert!(read(br#"{"requestId":{},"rooms":[]}"#, false).1.is_err());
        for answer in [&b""[..], b"{", b"\xc1", b"[]"] {
            assert!(read(answer, false).1.is_err());
        }
    }

    #[test]
    fn sockets_are_ids_alone_only_if_none_has_details() {
        let sockets = |answer: &str| match read(answer.as_bytes(), true).1.unwrap().unwrap() {
            Response::Sockets { sockets, .. } => (sockets.len(), 0),
            Response::Message(Message::FetchSocketsResponse { sockets, .. }) => (0, sockets.len()),
            other => panic!("{other:?}"),
        };
        assert_eq!(sockets(r#"{"requestId":"r","sockets":["a","b"]}"#), (2, 0));
        assert_eq!(sockets(r#"{"requestId":"r","sockets":[]}"#), (0, 0));
        assert_eq!(sockets(r#"{"requestId":"r","sockets":[{"id":"a"},"b"]}"#), (0, 1));
    }
}
