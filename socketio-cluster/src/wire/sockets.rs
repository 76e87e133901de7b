//! Reading of the details of sockets.

use std::borrow::Cow;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;
use socketio_parser::RawValue;
use socketio_parser::codec::Reader;
use socketio_parser::value::Kind;

use super::values::{join_id, json_text};
use crate::details::{LazyHandshake, SocketDetails};
use crate::error::DecodeError;
use crate::limits::Limits;
use crate::target::Room;

/// The sockets of an answer.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    pub(crate) details: Vec<SocketDetails>,
    /// Ids alone, from old nodes.
    pub(crate) ids: Vec<Arc<str>>,
}

/// Reads the sockets of an answer. One that has no id is left out; other unusual values are replaced by defaults,
/// so that one odd socket does not make the answer of a node unreadable.
pub(crate) fn sockets(reader: &mut Reader<'_>, limits: &Limits) -> Result<Sockets, DecodeError> {
    let mut sockets = Sockets::default();
    let is_list = reader.elements(|reader| -> Result<(), DecodeError> {
        if sockets.details.len() + sockets.ids.len() >= limits.max_sockets {
            return Err(DecodeError::Limit("max_sockets"));
        }
        if reader.kind() == Kind::String {
            sockets.ids.extend(join_id(reader)?);
        } else {
            sockets.details.extend(socket(reader)?);
        }
        Ok(())
    })?;
    if is_list { Ok(sockets) } else { Err(DecodeError::Type("sockets")) }
}

fn socket(reader: &mut Reader<'_>) -> Result<Option<SocketDetails>, DecodeError> {
    let (mut id, mut rooms) = (None, Vec::new());
    let (mut handshake, mut data) = (LazyHandshake::default(), Value::Null);
    reader.members(|reader, key| -> Result<(), DecodeError> {
        match key {
            "id" => id = reader.text()?.map(Cow::into_owned),
            "rooms" => rooms = room_names(reader)?,
            // In a buffer of its own: a socket that is kept does not keep the message.
            "handshake" => handshake = LazyHandshake::received(reader.raw()?.detach(), from_json),
            "data" => data = from_json(&reader.raw()?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(id.map(|id| SocketDetails { id, handshake, rooms, data }))
}

/// The rooms of a socket: texts and numbers.
fn room_names(reader: &mut Reader<'_>) -> Result<Vec<Room>, DecodeError> {
    let mut rooms = Vec::new();
    reader.elements(|reader| -> Result<(), DecodeError> {
        rooms.extend(join_id(reader)?);
        Ok(())
    })?;
    Ok(rooms)
}

/// A value that is nested too deep, or holds a text that is no Unicode, becomes the default.
fn from_json<T: DeserializeOwned + Default>(value: &RawValue) -> T {
    serde_json::from_slice(&json_text(value)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;
    use socketio_parser::Parser;

    use super::*;

    fn read(sockets_of_node: &str) -> Result<Vec<SocketDetails>, DecodeError> {
        let limits = Limits::default();
        let text = Bytes::copy_from_slice(sockets_of_node.as_bytes());
        let read = sockets(&mut Reader::new(Parser::Json, &text, limits.max_depth)?, &limits);
        read.map(|sockets| sockets.details)
    }

    #[test]
    fn unusual_values_of_other_servers_are_read() {
        let found = read(
            r#"[{"id":"a","handshake":{"headers":{"set-cookie":["a=1","b=2"],"n":1,"x":null},"query":{"x":["1","2"],
            "y":{}},"issued":1.5,"time":7,"secure":"yes","auth":[1],"more":{}},"rooms":["a",123,null,{}],"data":"test"}]"#,
        );
        let details = &found.unwrap()[0];
        assert_eq!(details.handshake.headers["set-cookie"], "a=1, b=2");
        assert_eq!(details.handshake.query["x"], "2");
        assert_eq!((details.handshake.issued, details.handshake.time.as_str()), (1, "7"));
        assert_eq!(details.rooms, [Room::from("a"), Room::from("123")]);
        assert_eq!((&details.data, &details.handshake.auth), (&"test".into(), &json!([1])));
        let odd = r#"[{"id":"a"},{"id":"b","handshake":[],"rooms":{},"data":null},{"rooms":[]},7]"#;
        let found = read(odd).unwrap();
        assert_eq!(found.iter().map(|socket| socket.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert!(found.iter().all(|socket| socket.rooms.is_empty() && socket.handshake.headers.is_empty()));
    }

    #[test]
    fn a_handshake_that_cannot_be_read_is_empty() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        let text =
            format!(r#"[{{"id":"a","handshake":{{"url":"/","auth":{deep}}},"rooms":["r"],"data":{deep}}}]"#);
        let details = &read(&text).unwrap()[0];
        assert_eq!((details.id.as_str(), &details.rooms[..]), ("a", &[Room::from("r")][..]));
        assert_eq!((&*details.handshake, &details.data), (&crate::HandshakeDetails::default(), &Value::Null));
    }
}
