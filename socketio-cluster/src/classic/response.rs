//! Answers to requests: JSON, and msgpack for the acknowledgement of a client.

use std::sync::Arc;

use bytes::Bytes;
use socketio_parser::Parser;
use socketio_parser::codec::{Reader, Writer};
use socketio_parser::value::Kind;

use super::number;
use crate::error::{DecodeError, EncodeError};
use crate::id::RequestId;
use crate::limits::Limits;
use crate::message::Message;
use crate::wire::{self, Parts, join_id, type_number};

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
    let parser = match response {
        Response::Message(Message::BroadcastAck { .. }) => parser,
        _ => Parser::Json,
    };
    let mut out = Vec::with_capacity(128);
    write(&mut Writer::new(parser, &mut out, limits.max_message_bytes), response)?;
    wire::check_written(&out, limits)?;
    Ok(out)
}

fn write(writer: &mut Writer<'_>, response: &Response) -> Result<(), EncodeError> {
    match response {
        Response::Done { request } => {
            writer.object(1);
            id(writer, request);
        }
        Response::Sockets { request, sockets } => {
            writer.object(2);
            id(writer, request);
            writer.key("sockets");
            wire::rooms_to_join(writer, sockets);
        }
        Response::Message(Message::FetchSocketsResponse { request, sockets }) => {
            writer.object(2);
            id(writer, request);
            writer.key("sockets").value(sockets)?;
        }
        Response::Message(Message::AllRoomsResponse { request, rooms }) => {
            writer.object(2);
            id(writer, request);
            writer.key("rooms");
            wire::rooms_to_join(writer, rooms);
        }
        Response::Message(Message::ServerSideEmitResponse { request, answer }) => {
            writer.object(2 + usize::from(answer.is_some()));
            writer.key("type").number(number::SERVER_SIDE_EMIT.into());
            id(writer, request);
            if let Some(answer) = answer {
                writer.key("data").raw(answer)?;
            }
        }
        Response::Message(Message::BroadcastClientCount { request, count }) => {
            writer.object(3);
            writer.key("type").number(number::CLIENT_COUNT.into());
            id(writer, request);
            writer.key("clientCount").number(*count as u64);
        }
        Response::Message(Message::BroadcastAck { request, answer }) => {
            writer.object(2 + usize::from(answer.is_some()));
            writer.key("type").number(number::ACK.into());
            id(writer, request);
            if let Some(answer) = answer {
                writer.key("packet").raw(answer)?;
            }
        }
        Response::Message(other) => return Err(EncodeError::Unsupported(other.kind())),
    }
    writer.end_object();
    Ok(())
}

fn id(writer: &mut Writer<'_>, request: &RequestId) {
    writer.key("requestId").text(request.as_str());
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
    let message = match kind.map(type_number) {
        Some(number::SERVER_SIDE_EMIT) => parts.message(10, limits)?,
        Some(number::CLIENT_COUNT) => parts.message(11, limits)?,
        Some(number::ACK) => parts.message(12, limits)?,
        _ if parts.sockets.is_some() => return sockets(parts, limits),
        _ if parts.rooms.is_some() => parts.message(102, limits)?,
        None => {
            let request = parts.request.ok_or(DecodeError::Missing("requestId"))?;
            return Ok(Response::Done { request });
        }
        Some(other) => return Err(DecodeError::UnknownType(other)),
    };
    Ok(Response::Message(message))
}

/// Ids if the first element is one, otherwise details.
fn sockets(parts: Parts, limits: &Limits) -> Result<Response, DecodeError> {
    let (mut ids, mut are_ids) = (Vec::new(), true);
    if let Some(value) = &parts.sockets {
        let mut reader = Reader::new(value.parser(), value.as_bytes(), limits.max_depth)?;
        reader.elements(|reader| -> Result<(), DecodeError> {
            are_ids &= reader.kind() == Kind::String;
            if are_ids && ids.len() < limits.max_sockets {
                ids.extend(join_id(reader)?);
            }
            Ok(())
        })?;
    }
    match parts.request.clone() {
        Some(request) if are_ids && !ids.is_empty() => Ok(Response::Sockets { request, sockets: ids }),
        _ => parts.message(8, limits).map(Response::Message),
    }
}
