//! Reading and writing of the details of sockets. An answer has thousands of them.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::BytesMut;
use serde::de::DeserializeOwned;
use serde_json::Value;
use socketio_parser::codec::{Reader, Writer};
use socketio_parser::value::Kind;
use socketio_parser::{EncodeError, RawValue};

use super::rooms_to_join;
use super::values::{join_id, json_text};
use crate::details::{HandshakeView, LazyHandshake, SocketDetails, SocketParts};
use crate::error::DecodeError;
use crate::limits::Limits;
use crate::target::Room;

/// Bytes of sockets that share a buffer. A socket that is kept does not keep the message, but its neighbours; with a
/// buffer for each an answer would take as many allocations.
const NEIGHBOURS: usize = 8 << 10;

/// Number of sockets after which the number of the others is estimated from their size.
const SAMPLE: usize = 16;

/// The sockets of an answer.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    pub(crate) details: Vec<SocketDetails>,
    /// Ids alone, from old nodes.
    pub(crate) ids: Vec<Arc<str>>,
}

/// Reads the sockets of an answer. One that has no id is left out; other unusual values are replaced by defaults,
/// so that one odd socket does not make the answer of a node unreadable.
pub(crate) fn read_sockets(reader: &mut Reader<'_>, limits: &Limits) -> Result<Sockets, DecodeError> {
    let mut sockets = Sockets::default();
    let start = reader.position();
    let mut kept = BytesMut::with_capacity(NEIGHBOURS.min(reader.remaining()));
    let is_list = reader.elements(|reader| -> Result<(), DecodeError> {
        if sockets.details.len() + sockets.ids.len() >= limits.max_sockets {
            return Err(DecodeError::Limit("max_sockets"));
        }
        if reader.kind() == Kind::String {
            sockets.ids.extend(join_id(reader)?);
        } else {
            if sockets.details.len() == SAMPLE {
                let size = (reader.position() - start) / SAMPLE;
                sockets.details.reserve((reader.remaining() / size.max(1)).min(limits.max_sockets));
            }
            sockets.details.extend(read_socket(reader, &mut kept)?);
        }
        Ok(())
    })?;
    if is_list { Ok(sockets) } else { Err(DecodeError::Type("sockets")) }
}

/// Reads the id, and checks the form of the rest.
fn read_socket(reader: &mut Reader<'_>, kept: &mut BytesMut) -> Result<Option<SocketDetails>, DecodeError> {
    let (start, mut id) = (reader.position(), None);
    reader.members(|reader, key| -> Result<(), DecodeError> {
        if key == "id" {
            id = reader.text()?.map(Room::from);
        }
        Ok(())
    })?;
    Ok(id.map(|id| SocketDetails::received(id, reader.since(start).detach_into(kept), read_parts)))
}

/// Reads the details of a socket. It cannot fail, as their form was checked.
fn read_parts(socket: &RawValue) -> SocketParts {
    let read = || -> Result<SocketParts, DecodeError> {
        let mut parts = SocketParts::default();
        let mut reader = Reader::new(socket.parser(), socket.as_bytes(), u32::MAX)?;
        reader.members(|reader, key| -> Result<(), DecodeError> {
            match key {
                "rooms" => parts.rooms = room_names(reader)?,
                "handshake" => parts.handshake = LazyHandshake::received(reader.raw()?, from_json),
                "data" => parts.data = from_json(&reader.raw()?),
                _ => {}
            }
            Ok(())
        })?;
        Ok(parts)
    };
    read().unwrap_or_default()
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

/// Writes the sockets of an answer, with the members and the order of their serialized form, but without serde.
pub(crate) fn write_sockets(writer: &mut Writer<'_>, sockets: &[SocketDetails]) -> Result<(), EncodeError> {
    writer.array(sockets.len());
    for socket in sockets {
        writer.object(4);
        writer.key("id").text(socket.id());
        writer.key("handshake");
        write_handshake(writer, socket.handshake())?;
        writer.key("rooms");
        rooms_to_join(writer, socket.rooms());
        writer.key("data");
        write_value(writer, socket.data())?;
        writer.end_object();
    }
    writer.end_array();
    Ok(())
}

fn write_handshake(writer: &mut Writer<'_>, handshake: &LazyHandshake) -> Result<(), EncodeError> {
    let Some(source) = handshake.source() else { return writer.value(&**handshake) };
    let HandshakeView { headers, time, address, xdomain, secure, issued, url, query, auth } = source.view();
    writer.object(9);
    writer.key("headers");
    write_texts(writer, &headers);
    writer.key("time").text(&time);
    writer.key("address").text(&address);
    writer.key("xdomain").boolean(xdomain);
    writer.key("secure").boolean(secure);
    writer.key("issued").number(issued);
    writer.key("url").text(url);
    writer.key("query");
    write_texts(writer, &query);
    writer.key("auth");
    write_value(writer, &auth)?;
    writer.end_object();
    Ok(())
}

fn write_texts(writer: &mut Writer<'_>, pairs: &[(&str, Cow<'_, str>)]) {
    writer.object(pairs.len());
    for (name, text) in pairs {
        writer.key(name).text(text);
    }
    writer.end_object();
}

/// Writes a value, which is an empty object most of the time.
fn write_value(writer: &mut Writer<'_>, value: &Value) -> Result<(), EncodeError> {
    match value {
        Value::Object(object) if object.is_empty() => {
            writer.object(0);
            writer.end_object();
            Ok(())
        }
        value => writer.value(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::details::HandshakeSource;
    use bytes::Bytes;
    use serde_json::json;
    use socketio_parser::Parser;

    fn read(sockets_of_node: &str) -> Result<Vec<SocketDetails>, DecodeError> {
        let limits = Limits::default();
        let text = Bytes::copy_from_slice(sockets_of_node.as_bytes());
        let read = read_sockets(&mut Reader::new(Parser::Json, &text, limits.max_depth)?, &limits);
        read.map(|sockets| sockets.details)
    }

    #[test]
    fn unusual_values_of_other_servers_are_read() {
        let found = read(
            r#"[{"id":"a","handshake":{"headers":{"set-cookie":["a=1","b=2"],"n":1,"x":null},"query":{"x":["1","2"],
            "y":{}},"issued":1.5,"time":7,"secure":"yes","auth":[1],"more":{}},"rooms":["a",123,null,{}],"data":"test"}]"#,
        );
        let details = &found.unwrap()[0];
        assert_eq!(details.handshake().headers["set-cookie"], "a=1, b=2");
        assert_eq!(details.handshake().query["x"], "2");
        assert_eq!((details.handshake().issued, details.handshake().time.as_str()), (1, "7"));
        assert_eq!(details.rooms(), [Room::from("a"), Room::from("123")]);
        assert_eq!((details.data(), &details.handshake().auth), (&"test".into(), &json!([1])));
        let odd = r#"[{"id":"a"},{"id":"b","handshake":[],"rooms":{},"data":null},{"rooms":[]},7]"#;
        let found = read(odd).unwrap();
        assert_eq!(found.iter().map(|socket| &**socket.id()).collect::<Vec<_>>(), ["a", "b"]);
        assert!(
            found.iter().all(|socket| socket.rooms().is_empty() && socket.handshake().headers.is_empty())
        );
    }

    #[test]
    fn a_handshake_that_cannot_be_read_is_empty() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        let text =
            format!(r#"[{{"id":"a","handshake":{{"url":"/","auth":{deep}}},"rooms":["r"],"data":{deep}}}]"#);
        let details = &read(&text).unwrap()[0];
        assert_eq!((&**details.id(), details.rooms()), ("a", &[Room::from("r")][..]));
        assert_eq!(
            (&**details.handshake(), details.data()),
            (&crate::HandshakeDetails::default(), &Value::Null)
        );
    }

    #[derive(Debug)]
    struct Own;

    impl HandshakeSource for Own {
        fn view(&self) -> HandshakeView<'_> {
            HandshakeView {
                headers: vec![("host", Cow::Borrowed("a")), ("x-\"odd\"", Cow::Borrowed("\u{1}é"))],
                time: "now".to_owned(),
                address: "::1".to_owned(),
                xdomain: true,
                secure: false,
                issued: u64::MAX,
                url: "/socket.io/?a=b",
                query: vec![("a", Cow::Borrowed("b"))],
                auth: json!({"token": [1.5]}),
            }
        }
    }

    #[test]
    fn sockets_are_written_as_they_are_serialized() {
        let limits = Limits::default();
        let odd = read(
            r#"[{"id":"c","rooms":["c",7],"data":[1],"handshake":{"issued":1.5,"headers":{"a":["b"]}}}]"#,
        );
        let sockets = [
            SocketDetails::new(
                "a".into(),
                LazyHandshake::own(Arc::new(Own)),
                vec!["a".into(), "1".into()],
                json!({}),
            ),
            SocketDetails::new("b".into(), crate::HandshakeDetails::default(), Vec::new(), json!({"a": {}})),
            odd.unwrap().remove(0),
        ];
        for parser in [Parser::Json, Parser::Msgpack] {
            let (mut written, mut serialized) = (Vec::new(), Vec::new());
            write_sockets(&mut Writer::new(parser, &mut written, 10_000), &sockets).unwrap();
            Writer::new(parser, &mut serialized, 10_000).value(&sockets).unwrap();
            assert_eq!(written, serialized, "{}", String::from_utf8_lossy(&written));
            let written = written.into();
            let again =
                read_sockets(&mut Reader::new(parser, &written, limits.max_depth).unwrap(), &limits).unwrap();
            assert_eq!(again.details, sockets);
        }
    }

    #[test]
    fn an_answer_is_checked_although_it_is_not_read() {
        for wrong in [
            r#"[{"id":"a","data":{]}}]"#,
            r#"[{"id":"a","rooms":[1 2]}]"#,
            r#"[{"id":"a","handshake":"\x"}]"#,
            r#"[{"id":"a""#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        let deep = format!(r#"[{{"id":"a","data":{}{}}}]"#, "[".repeat(1000), "]".repeat(1000));
        assert!(matches!(read(&deep), Err(DecodeError::Malformed(_))));
        // The last one counts, as in JavaScript.
        assert_eq!(&**read(r#"[{"id":"a","id":"b"}]"#).unwrap()[0].id(), "b");
    }

    #[test]
    fn sockets_do_not_keep_the_message() {
        let data = "x".repeat(NEIGHBOURS / 4);
        let many: Vec<_> = (0..100).map(|id| format!(r#"{{"id":"{id}","data":"{data}"}}"#)).collect();
        let (text, limits) = (Bytes::from(format!("[{}]", many.join(","))), Limits::default());
        let mut reader = Reader::new(Parser::Json, &text, limits.max_depth).unwrap();
        let sockets = read_sockets(&mut reader, &limits).unwrap().details;
        assert!(text.is_unique());
        assert_eq!(sockets.len(), 100);
        for (number, socket) in sockets.iter().enumerate() {
            assert_eq!((&**socket.id(), socket.data()), (&*number.to_string(), &json!(data)));
        }
    }
}
