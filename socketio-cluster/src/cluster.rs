//! The messages of the official `ClusterAdapter`: `{type, data, uid, nsp}` in JSON or msgpack.
//!
//! The sharded Redis adapter sends JSON, and msgpack only if there is binary data ([`encode_sharded`]). The
//! Streams adapter sends its requests and answers always in msgpack ([`encode_msgpack`]). Media for text,
//! such as Postgres, take JSON ([`encode_json`]). [`decode`] reads all of them.

use std::sync::Arc;

use bytes::Bytes;
use socketio_parser::codec::{Reader, Writer};
use socketio_parser::{Parser, RawValue};

use crate::error::{DecodeError, EncodeError};
use crate::id::{NodeId, RequestId};
use crate::limits::Limits;
use crate::message::Message;
use crate::wire::{self, Draft, Envelope, Head, Parts, Sender, join_id, type_number};

/// Channels of the sharded Redis adapter, and of the Streams adapter's requests: option `channelPrefix`.
#[derive(Clone, Debug)]
pub struct Channels {
    public: String,
}

impl Channels {
    /// The channels of a namespace. The official default of `prefix` is `socket.io`.
    pub fn new(prefix: &str, namespace: &str) -> Self {
        Self { public: format!("{prefix}#{namespace}#") }
    }

    /// The channel of all nodes.
    pub fn public(&self) -> &str {
        &self.public
    }

    /// The channel of one node, for answers.
    pub fn node(&self, node: &NodeId) -> String {
        format!("{}{node}#", self.public)
    }

    /// The channel of a room, for broadcasts to exactly one room.
    pub fn room(&self, room: &str) -> String {
        format!("{}{room}#", self.public)
    }
}

/// Encoding of an acknowledgement without a value.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Undefined {
    /// The member is left out: JSON and notepack.
    Omitted,
    /// As nil: `@msgpack/msgpack`.
    Nil,
}

/// A message as the sharded Redis adapter writes it: in JSON, or in msgpack if it has binary data.
pub fn encode_sharded(
    sender: Sender<'_>,
    namespace: &str,
    message: &Message,
    limits: &Limits,
) -> Result<Vec<u8>, EncodeError> {
    let parser = if message.has_binary() { Parser::Msgpack } else { Parser::Json };
    encode(parser, Undefined::Omitted, sender, namespace, message, limits)
}

/// A message in JSON, with binary data as Node.js writes a `Buffer`.
pub fn encode_json(
    sender: Sender<'_>,
    namespace: &str,
    message: &Message,
    limits: &Limits,
) -> Result<Vec<u8>, EncodeError> {
    encode(Parser::Json, Undefined::Omitted, sender, namespace, message, limits)
}

/// A message in msgpack, as `@msgpack/msgpack` writes it: requests and answers of the Streams adapter,
/// attachments of the Postgres adapter.
pub fn encode_msgpack(
    sender: Sender<'_>,
    namespace: &str,
    message: &Message,
    limits: &Limits,
) -> Result<Vec<u8>, EncodeError> {
    encode(Parser::Msgpack, Undefined::Nil, sender, namespace, message, limits)
}

/// Reads a message: JSON if it starts with `{`, otherwise msgpack.
pub fn decode(message: Bytes, limits: &Limits) -> Result<Envelope, DecodeError> {
    draft(message, limits)?.finish(limits)
}

/// Reads a message if `wanted` says so. Its event is not read before: a message of the node itself, or one to
/// rooms without sockets, costs a single pass over its bytes.
pub fn decode_if(
    message: Bytes,
    limits: &Limits,
    wanted: impl FnOnce(&Head<'_>) -> bool,
) -> Result<Option<Envelope>, DecodeError> {
    draft(message, limits)?.finish_if(wanted, limits)
}

fn draft(message: Bytes, limits: &Limits) -> Result<Draft, DecodeError> {
    let (mut number, mut from, mut namespace) = (None, None, None);
    let mut parts = Parts::default();
    wire::read_object(message, limits, |reader, key| {
        match key {
            "type" => number = reader.number()?,
            "uid" => from = join_id(reader)?,
            "nsp" => namespace = reader.text()?.map(Arc::from),
            "data" => data(reader, &mut parts, limits)?,
            _ => {}
        }
        Ok(())
    })?;
    let kind = type_number(number.ok_or(DecodeError::Missing("type"))?);
    Ok(Draft { kind, from, namespace, parts })
}

/// Reads the members of `data`.
pub(crate) fn data(reader: &mut Reader<'_>, parts: &mut Parts, limits: &Limits) -> Result<(), DecodeError> {
    reader.members(|reader, key| parts.member(reader, key, limits)).map(drop)
}

fn encode(
    parser: Parser,
    undefined: Undefined,
    sender: Sender<'_>,
    namespace: &str,
    message: &Message,
    limits: &Limits,
) -> Result<Vec<u8>, EncodeError> {
    let mut out = Vec::with_capacity(wire::capacity(message, limits));
    let mut writer = Writer::new(parser, &mut out, limits.max_message_bytes);
    let has_data = has_data(message);
    writer.object(3 + usize::from(has_data));
    writer.key("type").number(message.kind().into());
    if has_data {
        writer.key("data");
        write_data(&mut writer, undefined, sender, namespace, message)?;
    }
    writer.key("uid").text(sender.uid());
    writer.key("nsp").text(namespace);
    writer.end_object();
    wire::check_written(&out, limits)?;
    Ok(out)
}

/// Whether the message has `data`.
pub(crate) fn has_data(message: &Message) -> bool {
    !matches!(message, Message::InitialHeartbeat | Message::Heartbeat | Message::Close)
}

/// Writes `data`, with its members in the order of the official sender.
pub(crate) fn write_data(
    writer: &mut Writer<'_>,
    undefined: Undefined,
    sender: Sender<'_>,
    namespace: &str,
    message: &Message,
) -> Result<(), EncodeError> {
    match message {
        Message::InitialHeartbeat | Message::Heartbeat | Message::Close => writer.object(0),
        Message::Broadcast { target, flags, event, request } => {
            writer.object(2 + usize::from(request.is_some()));
            writer.key("packet");
            // Only emitters add the namespace.
            wire::packet(writer, event, Some(namespace).filter(|_| sender.is_emitter()))?;
            if let Some(request) = request {
                id(writer, request);
            }
            writer.key("opts");
            wire::options(writer, sender, target, Some(*flags));
        }
        Message::SocketsJoin { target, rooms } | Message::SocketsLeave { target, rooms } => {
            writer.object(2);
            writer.key("opts");
            wire::operation(writer, target);
            writer.key("rooms");
            match message {
                Message::SocketsJoin { .. } => wire::rooms_to_join(writer, rooms),
                _ => wire::rooms(writer, rooms),
            }
        }
        Message::DisconnectSockets { target, close } => {
            writer.object(2);
            writer.key("opts");
            wire::operation(writer, target);
            writer.key("close").boolean(*close);
        }
        Message::FetchSockets { target, request } => {
            writer.object(2);
            writer.key("opts");
            wire::operation(writer, target);
            id(writer, request);
        }
        Message::FetchSocketsResponse { request, sockets } => {
            writer.object(2);
            id(writer, request);
            writer.key("sockets");
            wire::write_sockets(writer, sockets)?;
        }
        Message::ServerSideEmit { event, request } => {
            writer.object(1 + usize::from(request.is_some()));
            if let Some(request) = request {
                id(writer, request);
            }
            writer.key("packet").event(event)?;
        }
        Message::ServerSideEmitResponse { request, answer } | Message::BroadcastAck { request, answer } => {
            write_answer(writer, undefined, request, answer.as_ref())?;
        }
        Message::BroadcastClientCount { request, count } => {
            writer.object(2);
            id(writer, request);
            writer.key("clientCount").number(*count as u64);
        }
        Message::AllRooms { request } => {
            writer.object(1);
            id(writer, request);
        }
        Message::AllRoomsResponse { request, rooms } => {
            writer.object(2);
            id(writer, request);
            writer.key("rooms");
            wire::rooms_to_join(writer, rooms);
        }
    }
    writer.end_object();
    Ok(())
}

fn write_answer(
    writer: &mut Writer<'_>,
    undefined: Undefined,
    request: &RequestId,
    answer: Option<&RawValue>,
) -> Result<(), EncodeError> {
    writer.object(1 + usize::from(answer.is_some() || undefined == Undefined::Nil));
    id(writer, request);
    match answer {
        Some(answer) => writer.key("packet").raw(answer)?,
        None if undefined == Undefined::Nil => writer.key("packet").null(),
        None => {}
    }
    Ok(())
}

fn id(writer: &mut Writer<'_>, request: &RequestId) {
    writer.key("requestId").text(request.as_str());
}
