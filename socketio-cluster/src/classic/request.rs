//! Requests to other nodes: JSON, and msgpack for a broadcast with acknowledgements.

use std::sync::Arc;

use bytes::Bytes;
use socketio_parser::Parser;
use socketio_parser::codec::Writer;

use super::number;
use crate::error::{DecodeError, EncodeError};
use crate::id::{NodeId, RequestId};
use crate::limits::Limits;
use crate::message::Message;
use crate::target::{Room, Target};
use crate::wire::{self, Parts, Sender, join_id, type_number};

/// A received request.
#[derive(Clone, Debug)]
pub struct Request {
    /// The sender; emitters and old nodes do not say.
    pub from: Option<NodeId>,
    /// Kind of the request.
    pub kind: RequestKind,
}

/// Kinds of requests between nodes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RequestKind {
    /// A request that every adapter has.
    Message(Message),
    /// The ids of the sockets in rooms: sent by old nodes only. The answer is
    /// [`Response::Sockets`](super::Response).
    Sockets {
        /// Id of the request.
        request: RequestId,
        /// The rooms; all sockets if the list is empty.
        rooms: Vec<Room>,
    },
    /// An operation on one socket: sent by old nodes only. The node that has the socket answers with
    /// [`Response::Done`](super::Response).
    Socket {
        /// Id of the request, if an answer is expected.
        request: Option<RequestId>,
        /// Id of the socket.
        socket: Arc<str>,
        /// The operation.
        action: Action,
    },
}

/// An operation on one socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The socket joins a room.
    Join(Room),
    /// The socket leaves a room.
    Leave(Room),
    /// The socket is disconnected.
    Disconnect {
        /// Whether its connection is closed too.
        close: bool,
    },
}

/// Writes a request. Broadcasts without acknowledgements are no requests, see
/// [`encode_broadcast`](super::encode_broadcast); answers are written by
/// [`encode_response`](super::encode_response).
pub fn encode_request(
    sender: Sender<'_>,
    namespace: &str,
    message: &Message,
    limits: &Limits,
) -> Result<Vec<u8>, EncodeError> {
    encode_request_in(Parser::Msgpack, sender, namespace, message, limits)
}

/// As [`encode_request`], with broadcasts in the encoding of the official option `parser`.
pub fn encode_request_in(
    parser: Parser,
    sender: Sender<'_>,
    namespace: &str,
    message: &Message,
    limits: &Limits,
) -> Result<Vec<u8>, EncodeError> {
    let parser = match message {
        Message::Broadcast { .. } => parser,
        _ => Parser::Json,
    };
    let mut out = Vec::with_capacity(128);
    write(&mut Writer::new(parser, &mut out, limits.max_message_bytes), sender, namespace, message)?;
    wire::check_written(&out, limits)?;
    Ok(out)
}

fn write(
    writer: &mut Writer<'_>,
    sender: Sender<'_>,
    namespace: &str,
    message: &Message,
) -> Result<(), EncodeError> {
    match message {
        Message::Broadcast { target, flags, event, request: Some(request) } => {
            head(writer, sender, Some(request), number::BROADCAST, 2);
            writer.key("packet");
            wire::packet(writer, event, Some(namespace))?;
            writer.key("opts");
            wire::options(writer, sender, target, Some(*flags));
        }
        Message::SocketsJoin { target, rooms } => {
            operation(writer, sender, target, number::JOIN);
            writer.key("rooms");
            wire::rooms_to_join(writer, rooms);
        }
        Message::SocketsLeave { target, rooms } => {
            operation(writer, sender, target, number::LEAVE);
            writer.key("rooms");
            wire::rooms(writer, rooms);
        }
        Message::DisconnectSockets { target, close } => {
            operation(writer, sender, target, number::DISCONNECT);
            writer.key("close").boolean(*close);
        }
        Message::FetchSockets { target, request } => {
            head(writer, sender, Some(request), number::FETCH, 1);
            writer.key("opts");
            options(writer, target);
        }
        Message::ServerSideEmit { event, request } => {
            head(writer, sender, request.as_ref(), number::SERVER_SIDE_EMIT, 1);
            writer.key("data").event(event)?;
        }
        Message::AllRooms { request } => head(writer, sender, Some(request), number::ALL_ROOMS, 0),
        other => return Err(EncodeError::Unsupported(other.kind())),
    }
    writer.end_object();
    Ok(())
}

/// Starts a request with `more` members after the head.
fn head(writer: &mut Writer<'_>, sender: Sender<'_>, request: Option<&RequestId>, kind: u32, more: usize) {
    writer.object(2 + usize::from(request.is_some()) + more);
    writer.key("uid").text(sender.uid());
    if let Some(request) = request {
        writer.key("requestId").text(request.as_str());
    }
    writer.key("type").number(kind.into());
}

/// Starts an operation on sockets. Emitters do not say who they are.
fn operation(writer: &mut Writer<'_>, sender: Sender<'_>, target: &Target, kind: u32) {
    writer.object(if sender.is_emitter() { 3 } else { 4 });
    if !sender.is_emitter() {
        writer.key("uid").text(sender.uid());
    }
    writer.key("type").number(kind.into());
    writer.key("opts");
    options(writer, target);
}

/// Options without flags, in the same order for nodes and emitters.
fn options(writer: &mut Writer<'_>, target: &Target) {
    writer.object(2);
    writer.key("rooms");
    wire::rooms(writer, &target.rooms);
    writer.key("except");
    wire::rooms(writer, &target.except);
    writer.end_object();
}

/// Reads a request: JSON if it starts with `{`, otherwise msgpack.
pub fn decode_request(message: Bytes, limits: &Limits) -> Result<Request, DecodeError> {
    let mut parts = Parts::default();
    let (mut kind, mut from, mut socket, mut room) = (None, None, None, None);
    wire::read_object(message, limits, |reader, key| {
        match key {
            "type" => kind = reader.number()?,
            "uid" => from = join_id(reader)?,
            "sid" => socket = join_id(reader)?,
            "room" => room = join_id(reader)?,
            "data" => parts.read_packet(reader)?,
            _ => parts.member(reader, key, limits)?,
        }
        Ok(())
    })?;
    let kind = type_number(kind.ok_or(DecodeError::Missing("type"))?);
    let from = from.map(|from| NodeId::from(&*from));
    Ok(Request { from, kind: request(kind, parts, socket, room, limits)? })
}

fn request(
    kind: u32,
    parts: Parts,
    socket: Option<Arc<str>>,
    room: Option<Room>,
    limits: &Limits,
) -> Result<RequestKind, DecodeError> {
    // The forms for one socket have no options.
    if parts.target().is_none() && matches!(kind, number::JOIN | number::LEAVE | number::DISCONNECT) {
        let room = || room.ok_or(DecodeError::Missing("room"));
        let action = match kind {
            number::JOIN => Action::Join(room()?),
            number::LEAVE => Action::Leave(room()?),
            _ => Action::Disconnect { close: parts.close },
        };
        let socket = socket.ok_or(DecodeError::Missing("opts"))?;
        return Ok(RequestKind::Socket { request: parts.request, socket, action });
    }
    let message = match kind {
        number::SOCKETS => {
            let request = parts.request.ok_or(DecodeError::Missing("requestId"))?;
            return Ok(RequestKind::Sockets { request, rooms: parts.rooms.unwrap_or_default() });
        }
        number::ALL_ROOMS => parts.message(101, limits)?,
        number::JOIN => parts.message(4, limits)?,
        number::LEAVE => parts.message(5, limits)?,
        number::DISCONNECT => parts.message(6, limits)?,
        number::FETCH => parts.message(7, limits)?,
        number::SERVER_SIDE_EMIT => parts.message(9, limits)?,
        number::BROADCAST if parts.request.is_none() => return Err(DecodeError::Missing("requestId")),
        number::BROADCAST => parts.message(3, limits)?,
        other => return Err(DecodeError::UnknownType(other)),
    };
    Ok(RequestKind::Message(message))
}
