//! Sessions: what is kept of a client that has lost its connection.

use base64::Engine as _;
use bytes::Bytes;
use serde_json::Value;
use socketio_parser::Parser;
use socketio_parser::codec::{Reader, Writer, from_servers};

use super::entry::BASE64;
use crate::error::{DecodeError, EncodeError};
use crate::limits::Limits;
use crate::target::Room;
use crate::wire::{self, check_size, join_id, json_text};

/// A kept session: the value of the key `<sessionKeyPrefix><pid>`, base64 of msgpack.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// Public id of the socket.
    pub sid: String,
    /// Private id, by which the client proves that the session is its own.
    pub pid: String,
    /// The rooms of the socket.
    pub rooms: Vec<Room>,
    /// The application's data.
    pub data: Value,
    /// The namespace of the socket. Official servers do not write it, so that they recover a client in any namespace.
    pub namespace: Option<String>,
}

impl Session {
    /// The value of the key.
    pub fn encode(&self, limits: &Limits) -> Result<String, EncodeError> {
        let mut out = Vec::with_capacity(128);
        let mut writer = Writer::new(Parser::Msgpack, &mut out, limits.max_message_bytes);
        writer.object(if self.namespace.is_some() { 5 } else { 4 });
        writer.key("sid").text(&self.sid);
        writer.key("pid").text(&self.pid);
        writer.key("rooms");
        wire::rooms_to_join(&mut writer, &self.rooms);
        writer.key("data").value(&self.data)?;
        if let Some(namespace) = &self.namespace {
            writer.key("nsp").text(namespace);
        }
        writer.end_object();
        wire::check_written(&out, limits)?;
        Ok(BASE64.encode(out))
    }

    /// Reads the value of the key. Data that is no JSON is replaced by `null`.
    pub fn decode(value: &[u8], limits: &Limits) -> Result<Self, DecodeError> {
        check_size(value, limits)?;
        let bytes: Bytes = BASE64.decode(value).map_err(|_| DecodeError::Base64)?.into();
        let bytes = from_servers(&bytes)?;
        let mut reader = Reader::new(Parser::Msgpack, &bytes, limits.max_depth)?;
        let (mut sid, mut pid, mut rooms, mut data) = (None, None, Vec::new(), Value::Null);
        let mut namespace = None;
        let is_map = reader.members(|reader, key| -> Result<(), DecodeError> {
            match key {
                "sid" => sid = reader.text()?.map(|sid| sid.into_owned()),
                "pid" => pid = reader.text()?.map(|pid| pid.into_owned()),
                "nsp" => namespace = reader.text()?.map(|name| name.into_owned()),
                "rooms" => {
                    reader.elements(|reader| -> Result<(), DecodeError> {
                        if rooms.len() >= limits.max_rooms {
                            return Err(DecodeError::Limit("max_rooms"));
                        }
                        rooms.extend(join_id(reader)?);
                        Ok(())
                    })?;
                }
                "data" => data = serde_json::from_slice(&json_text(&reader.raw()?)).unwrap_or_default(),
                _ => {}
            }
            Ok(())
        })?;
        if !is_map {
            return Err(DecodeError::Shape("object"));
        }
        reader.finish()?;
        Ok(Self {
            sid: sid.ok_or(DecodeError::Missing("sid"))?,
            pid: pid.ok_or(DecodeError::Missing("pid"))?,
            rooms,
            data,
            namespace,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_may_name_its_namespace() {
        let mut session = Session {
            sid: "sid".to_owned(),
            pid: "pid".to_owned(),
            rooms: vec!["sid".into(), "room".into()],
            data: serde_json::json!({"user": 1}),
            namespace: None,
        };
        for namespace in [None, Some("/chat".to_owned())] {
            session.namespace = namespace;
            let value = session.encode(&Limits::default()).unwrap();
            assert_eq!(Session::decode(value.as_bytes(), &Limits::default()).unwrap(), session);
        }
    }
}
