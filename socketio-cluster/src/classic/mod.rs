//! The official Redis adapter with pub/sub, called classic here, and the official Redis emitter.
//!
//! | message | channel | format |
//! |---|---|---|
//! | broadcast | [`Channels::broadcast`], with the room if there is exactly one | [`encode_broadcast`], [`decode_broadcast`] |
//! | request | [`Channels::requests`] | [`encode_request`], [`decode_request`] |
//! | answer | [`Channels::responses`] or [`Channels::responses_of`] | [`encode_response`], [`decode_response`], [`decode_response_if`] |
//!
//! A node receives its own broadcasts and requests, and has to ignore them by their sender.

mod channels;
mod request;
mod response;

use std::sync::Arc;

use bytes::Bytes;
use socketio_parser::codec::Writer;
use socketio_parser::{Event, Parser};

pub use self::channels::Channels;
pub use self::request::{Action, Request, RequestKind, decode_request, encode_request, encode_request_in};
pub use self::response::{
    Response, decode_response, decode_response_if, encode_answer_in, encode_response, encode_response_in,
};
use crate::error::{DecodeError, EncodeError};
use crate::limits::Limits;
use crate::message::Flags;
use crate::target::Target;
use crate::wire::{self, Draft, Envelope, Head, Parts, Sender, join_id};

/// The numbers of requests and answers.
pub(crate) mod number {
    pub(crate) const SOCKETS: u32 = 0;
    pub(crate) const ALL_ROOMS: u32 = 1;
    pub(crate) const JOIN: u32 = 2;
    pub(crate) const LEAVE: u32 = 3;
    pub(crate) const DISCONNECT: u32 = 4;
    pub(crate) const FETCH: u32 = 5;
    pub(crate) const SERVER_SIDE_EMIT: u32 = 6;
    pub(crate) const BROADCAST: u32 = 7;
    pub(crate) const CLIENT_COUNT: u32 = 8;
    pub(crate) const ACK: u32 = 9;
}

/// Writes a broadcast without acknowledgements: `[uid, packet, options]` in msgpack.
pub fn encode_broadcast(
    sender: Sender<'_>,
    namespace: &str,
    target: &Target,
    flags: Flags,
    event: &Event,
    limits: &Limits,
) -> Result<Vec<u8>, EncodeError> {
    encode_broadcast_in(Parser::Msgpack, sender, namespace, target, flags, event, limits)
}

/// As [`encode_broadcast`], in the encoding of the official option `parser`. In JSON binary data is written
/// as Node.js writes a `Buffer`.
pub fn encode_broadcast_in(
    parser: Parser,
    sender: Sender<'_>,
    namespace: &str,
    target: &Target,
    flags: Flags,
    event: &Event,
    limits: &Limits,
) -> Result<Vec<u8>, EncodeError> {
    let mut out = Vec::with_capacity(128);
    let mut writer = Writer::new(parser, &mut out, limits.max_message_bytes);
    writer.array(3);
    writer.text(sender.uid());
    wire::packet(&mut writer, event, Some(namespace))?;
    wire::options(&mut writer, sender, target, Some(flags));
    writer.end_array();
    wire::check_written(&out, limits)?;
    Ok(out)
}

/// Reads a broadcast. A packet without a namespace belongs to `/`. Broadcasts in JSON, which a server with
/// another parser sends, are read as well.
pub fn decode_broadcast(message: Bytes, limits: &Limits) -> Result<Envelope, DecodeError> {
    draft(message, limits)?.finish(limits)
}

/// Reads a broadcast if `wanted` says so. Its event is not read before: a broadcast of the node itself, or
/// one to rooms without sockets, costs a single pass over its bytes. The channel names a single room without
/// any reading.
pub fn decode_broadcast_if(
    message: Bytes,
    limits: &Limits,
    wanted: impl FnOnce(&Head<'_>) -> bool,
) -> Result<Option<Envelope>, DecodeError> {
    draft(message, limits)?.finish_if(wanted, limits)
}

fn draft(message: Bytes, limits: &Limits) -> Result<Draft, DecodeError> {
    let mut parts = Parts::default();
    let (mut index, mut from) = (0, None);
    wire::read_array(message, limits, |reader| {
        match index {
            0 => from = join_id(reader)?,
            1 => parts.read_packet(reader)?,
            2 => parts.options(reader, limits)?,
            _ => {}
        }
        index += 1;
        Ok(())
    })?;
    let namespace = Some(parts.packet_namespace().unwrap_or_else(|| Arc::from("/")));
    Ok(Draft { kind: 3, from, namespace, parts })
}
