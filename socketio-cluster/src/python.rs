//! The channel of python-socketio, as its processes with `write_only=True` write it. It can only be read:
//! python-socketio servers and ours are not nodes of one cluster.
//!
//! Each message is a JSON object with a `method`. Older versions write Python's pickle format, whose reading
//! runs what the sender chose. Such a message is known by its first byte (0x80, or the first instructions of
//! the oldest protocols), is not read, and has the error [`DecodeError::Pickle`].

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Serialize;
use socketio_parser::codec::Reader;
use socketio_parser::value::Kind;
use socketio_parser::{Event, Parser};

use crate::error::DecodeError;
use crate::id::NodeId;
use crate::limits::Limits;
use crate::message::{Flags, Message};
use crate::target::{Room, Target};
use crate::wire::{Envelope, check_size, for_clients, join_id};

/// The default name of the channel.
pub const CHANNEL: &str = "socketio";

/// Members of a message.
#[derive(Default)]
struct Members {
    method: Option<String>,
    host: Option<Arc<str>>,
    namespace: Option<Arc<str>>,
    event: Option<String>,
    data: Option<Bytes>,
    binary: bool,
    sid: Option<Room>,
    /// One room or several; no room selects all sockets.
    rooms: Vec<Room>,
    skip: Vec<Room>,
}

/// Reads a message. `None` stands for a message that needs no action: an answer to a python-socketio server,
/// or a method that is not known.
pub fn decode(message: &Bytes, limits: &Limits) -> Result<Option<Envelope>, DecodeError> {
    check_size(message, limits)?;
    // From protocol 2 a pickle starts with the byte 0x80; the older ones start a dictionary with `(dp` or
    // `}q`.
    if matches!(message[..], [0x80, ..] | [b'(', b'd', b'p', ..] | [b'}', b'q', ..]) {
        return Err(DecodeError::Pickle);
    }
    let members = members(message, limits)?;
    let method = members.method.as_deref().ok_or(DecodeError::Missing("method"))?;
    let sid = || members.sid.clone().ok_or(DecodeError::Missing("sid"));
    let room = || members.rooms.first().cloned().ok_or(DecodeError::Missing("room"));
    let one = |room| Target { rooms: vec![room], except: Vec::new() };
    let message = match method {
        "emit" => Message::Broadcast {
            event: event(&members, limits)?,
            target: Target { rooms: members.rooms.clone(), except: members.skip.clone() },
            flags: Flags::default(),
            request: None,
        },
        "disconnect" => Message::DisconnectSockets { target: one(sid()?), close: false },
        "enter_room" => Message::SocketsJoin { target: one(sid()?), rooms: vec![room()?] },
        "leave_room" => Message::SocketsLeave { target: one(sid()?), rooms: vec![room()?] },
        "close_room" => Message::SocketsLeave { target: one(room()?), rooms: vec![room()?] },
        _ => return Ok(None),
    };
    Ok(Some(Envelope {
        from: members.host.map(|host| NodeId::from(&*host)),
        namespace: Some(members.namespace.unwrap_or_else(|| Arc::from("/"))),
        message,
    }))
}

fn members(message: &Bytes, limits: &Limits) -> Result<Members, DecodeError> {
    let mut members = Members::default();
    let mut reader = Reader::new(Parser::Json, message, limits.max_depth)?;
    let is_map = reader.members(|reader, key| -> Result<(), DecodeError> {
        match key {
            "method" => members.method = reader.text()?.map(|method| method.into_owned()),
            "host_id" => members.host = join_id(reader)?,
            "namespace" => members.namespace = reader.text()?.map(Arc::from),
            "event" => members.event = reader.text()?.map(|event| event.into_owned()),
            "data" => members.data = Some(reader.slice()?),
            "binary" => members.binary = reader.truthy()?,
            "sid" => members.sid = join_id(reader)?,
            "room" => members.rooms = names(reader, "room", limits)?,
            "skip_sid" => members.skip = names(reader, "skip_sid", limits)?,
            _ => {}
        }
        Ok(())
    })?;
    if !is_map {
        return Err(DecodeError::Shape("object"));
    }
    reader.finish()?;
    Ok(members)
}

/// One name, several, or `None`.
fn names(reader: &mut Reader<'_>, what: &'static str, limits: &Limits) -> Result<Vec<Room>, DecodeError> {
    let mut names = Vec::new();
    match reader.kind() {
        Kind::Null => reader.skip()?,
        Kind::Array => {
            reader.elements(|reader| -> Result<(), DecodeError> {
                if names.len() >= limits.max_rooms {
                    return Err(DecodeError::Limit("max_rooms"));
                }
                names.push(join_id(reader)?.ok_or(DecodeError::Type(what))?);
                Ok(())
            })?;
        }
        _ => names.push(join_id(reader)?.ok_or(DecodeError::Type(what))?),
    }
    Ok(names)
}

/// The event as python-socketio servers emit it: `data` is the list of the arguments, and a single `null` is
/// no argument. With binary data the first element is that list, and the others are the attachments in
/// base64.
fn event(members: &Members, limits: &Limits) -> Result<Event, DecodeError> {
    let name = members.event.as_deref().ok_or(DecodeError::Missing("event"))?;
    let data = members.data.as_ref().ok_or(DecodeError::Missing("data"))?;
    let (mut list, mut attachments) = (data.clone(), Vec::new());
    if members.binary {
        let mut first = None;
        let mut reader = Reader::new(Parser::Json, data, limits.max_depth)?;
        reader.elements(|reader| -> Result<(), DecodeError> {
            if first.is_none() {
                first = Some(reader.slice()?);
                return Ok(());
            }
            let text = reader.text()?.ok_or(DecodeError::Base64)?;
            attachments.push(STANDARD.decode(&*text).map_err(|_| DecodeError::Base64)?.into());
            Ok(())
        })?;
        list = first.ok_or(DecodeError::Type("data"))?;
    }
    let arguments = arguments(&list, limits)?;
    let mut text = Vec::with_capacity(name.len() + arguments.len() + 8);
    text.push(b'[');
    // A string can always be written.
    let _ = name.serialize(&mut serde_json::Serializer::new(&mut text));
    if !arguments.is_empty() {
        text.push(b',');
        text.extend_from_slice(&arguments);
    }
    text.push(b']');
    for_clients(Event::from_json_array(text.into(), attachments, &limits.parser())?)
}

/// The arguments with commas between, and without the brackets around them.
fn arguments(list: &Bytes, limits: &Limits) -> Result<Bytes, DecodeError> {
    let mut reader = Reader::new(Parser::Json, list, limits.max_depth)?;
    let (mut count, mut start, mut end, mut null) = (0, 0, 0, false);
    let is_list = reader.elements(|reader| -> Result<(), DecodeError> {
        null = reader.kind() == Kind::Null;
        let range = reader.range()?;
        if count == 0 {
            start = range.start;
        }
        end = range.end;
        count += 1;
        Ok(())
    })?;
    Ok(match count {
        // Versions that do not write a list mean one argument.
        _ if !is_list => list.clone(),
        1 if null => Bytes::new(),
        _ => list.slice(start..end),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<Envelope>, DecodeError> {
        decode(&Bytes::copy_from_slice(text.as_bytes()), &Limits::default())
    }

    fn emitted(data: &str, binary: bool) -> Event {
        let text = format!(
            r#"{{"method": "emit", "event": "my \"event", "data": {data}, "binary": {binary}, "namespace": "/a", "room": ["r", "s"], "skip_sid": "x", "callback": null, "host_id": "h1"}}"#
        );
        let envelope = read(&text).unwrap().unwrap();
        assert_eq!(envelope.from, Some(NodeId::from("h1")));
        assert_eq!(envelope.namespace.as_deref(), Some("/a"));
        let Message::Broadcast { target, event, request: None, .. } = envelope.message else {
            panic!("a broadcast")
        };
        assert_eq!(target, Target { rooms: vec!["r".into(), "s".into()], except: vec!["x".into()] });
        assert_eq!(event.name(), "my \"event");
        event
    }

    #[test]
    fn arguments_of_events() {
        for (data, expected) in [
            ("[]", ""),
            ("[null]", ""),
            ("[null, 1]", "null, 1"),
            (r#"["a", {"b": [1]}]"#, r#""a", {"b": [1]}"#),
            ("[[1, 2]]", "[1, 2]"),
            ("7", "7"),
        ] {
            assert_eq!(emitted(data, false).args().as_bytes(), expected.as_bytes(), "{data}");
        }
        let event = emitted(
            r#"[[{"_placeholder": true, "num": 1}, {"_placeholder": true, "num": 0}], "AAE=", "/w=="]"#,
            true,
        );
        let (first, second): (socketio_parser::Binary, socketio_parser::Binary) =
            event.args().parse_all().unwrap();
        assert_eq!((&first[..], &second[..]), (&[255][..], &[0, 1][..]));
    }

    #[test]
    fn operations() {
        let message = |text: &str| read(text).unwrap().map(|envelope| envelope.message);
        let sid = Target { rooms: vec!["s".into()], except: Vec::new() };
        let Some(Message::DisconnectSockets { target, close: false }) =
            message(r#"{"method":"disconnect","sid":"s","namespace":"/","host_id":"h"}"#)
        else {
            panic!()
        };
        assert_eq!(target, sid);
        let Some(Message::SocketsJoin { target, rooms }) =
            message(r#"{"method":"enter_room","sid":"s","room":7,"namespace":null}"#)
        else {
            panic!()
        };
        assert_eq!((target, rooms), (sid.clone(), vec!["7".into()]));
        let Some(Message::SocketsLeave { target, .. }) =
            message(r#"{"method":"leave_room","sid":"s","room":"r"}"#)
        else {
            panic!()
        };
        assert_eq!(target, sid);
        let Some(Message::SocketsLeave { target, rooms }) = message(r#"{"method":"close_room","room":"r"}"#)
        else {
            panic!()
        };
        assert_eq!(target.rooms, rooms);
        assert!(message(r#"{"method":"callback","host_id":"h","sid":"s","id":1,"args":[]}"#).is_none());
    }

    #[test]
    fn wrong_messages_have_named_errors() {
        assert_eq!(
            decode(&b"\x80\x04}q".as_slice().into(), &Limits::default()).unwrap_err(),
            DecodeError::Pickle
        );
        assert_eq!(read("(dp0\nS'method'").unwrap_err(), DecodeError::Pickle);
        assert_eq!(read("[]").unwrap_err(), DecodeError::Shape("object"));
        assert_eq!(read("{}").unwrap_err(), DecodeError::Missing("method"));
        assert_eq!(read(r#"{"method":"emit","data":[]}"#).unwrap_err(), DecodeError::Missing("event"));
        assert_eq!(read(r#"{"method":"emit","event":"a"}"#).unwrap_err(), DecodeError::Missing("data"));
        assert_eq!(
            read(r#"{"method":"emit","event":"a","data":["a",1],"binary":true}"#).unwrap_err(),
            DecodeError::Base64
        );
        // A shorter list of rooms would select more sockets.
        assert_eq!(
            read(r#"{"method":"emit","event":"a","data":[],"room":[{}]}"#).unwrap_err(),
            DecodeError::Type("room")
        );
        let placeholder =
            r#"{"method":"emit","event":"a","data":[[{"_placeholder":true,"num":9}],"AA=="],"binary":true}"#;
        assert!(matches!(read(placeholder).unwrap_err(), DecodeError::Malformed(_)));
        assert!(matches!(
            read(r#"{"method":"emit","event":"connect","data":[]}"#).unwrap_err(),
            DecodeError::Malformed(_)
        ));
    }
}
