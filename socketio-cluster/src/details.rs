//! Details of sockets, as cluster nodes exchange them.

use std::collections::BTreeMap;

use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize as DeriveDeserialize, Serialize};
use serde_json::Value;

use crate::target::Room;

/// A socket on any node. Its serialized form is that of the official adapters.
///
/// Deserialization is lenient, since a client can cause unusual values on a Node.js server: a header or a
/// query parameter may be an array, a room a number, the data of the application any value. A field of
/// another type than expected gets its default; only the id is required.
#[derive(Clone, Debug, PartialEq, Serialize, DeriveDeserialize)]
pub struct SocketDetails {
    /// The socket's public id.
    pub id: String,
    /// Handshake of the socket.
    #[serde(default, deserialize_with = "lenient")]
    pub handshake: HandshakeDetails,
    /// The rooms of the socket, its own id among them.
    #[serde(default, serialize_with = "room_names", deserialize_with = "rooms")]
    pub rooms: Vec<Room>,
    /// The application's data: an object, unless a Node.js application has replaced it.
    #[serde(default)]
    pub data: Value,
}

/// A handshake as plain data.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct HandshakeDetails {
    /// The request's headers with names in lower case; repeated headers are joined by `, `.
    pub headers: BTreeMap<String, String>,
    /// Creation time of the socket as text.
    pub time: String,
    /// IP address of the client.
    pub address: String,
    /// Whether the request has an Origin header.
    pub xdomain: bool,
    /// Whether the client used TLS.
    pub secure: bool,
    /// Creation time of the socket in milliseconds since 1970.
    pub issued: u64,
    /// Path and query of the request.
    pub url: String,
    /// Query parameters of the request.
    pub query: BTreeMap<String, String>,
    /// Payload of the CONNECT packet.
    pub auth: Value,
}

impl<'de> Deserialize<'de> for HandshakeDetails {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(HandshakeVisitor)
    }
}

struct HandshakeVisitor;

impl<'de> Visitor<'de> for HandshakeVisitor {
    type Value = HandshakeDetails;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a handshake")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<HandshakeDetails, A::Error> {
        let mut details = HandshakeDetails::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "headers" => details.headers = texts(map.next_value()?, join),
                "query" => details.query = texts(map.next_value()?, last),
                "time" => details.time = text(map.next_value()?),
                "address" => details.address = text(map.next_value()?),
                "url" => details.url = text(map.next_value()?),
                "xdomain" => details.xdomain = map.next_value::<Value>()?.as_bool().unwrap_or_default(),
                "secure" => details.secure = map.next_value::<Value>()?.as_bool().unwrap_or_default(),
                "issued" => details.issued = milliseconds(&map.next_value()?),
                "auth" => details.auth = map.next_value()?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(details)
    }
}

/// An integer may arrive as a float.
fn milliseconds(value: &Value) -> u64 {
    // The cast saturates.
    value.as_u64().or_else(|| value.as_f64().map(|number| number as u64)).unwrap_or_default()
}

fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// The strings of an object. `several` converts an array.
fn texts(value: Value, several: fn(Vec<Value>) -> String) -> BTreeMap<String, String> {
    let Value::Object(members) = value else { return BTreeMap::new() };
    let text = |value| match value {
        Value::Array(list) => several(list),
        other => text(other),
    };
    members.into_iter().map(|(name, value)| (name, text(value))).collect()
}

fn join(values: Vec<Value>) -> String {
    values.into_iter().map(text).collect::<Vec<_>>().join(", ")
}

fn last(values: Vec<Value>) -> String {
    values.into_iter().next_back().map(text).unwrap_or_default()
}

/// A value, or the default if it has another type.
fn lenient<'de, T: de::DeserializeOwned + Default, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

fn rooms<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Room>, D::Error> {
    let Value::Array(list) = Value::deserialize(deserializer)? else { return Ok(Vec::new()) };
    let name = |value| match value {
        Value::String(name) => Some(Room::from(name)),
        Value::Number(name) => Some(Room::from(name.to_string())),
        _ => None,
    };
    Ok(list.into_iter().filter_map(name).collect())
}

fn room_names<S: serde::Serializer>(rooms: &[Room], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(rooms.iter().map(AsRef::as_ref as fn(&Room) -> &str))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unusual_values_of_other_servers_are_read() {
        let details: SocketDetails = serde_json::from_str(
            r#"{"id":"a","handshake":{"headers":{"set-cookie":["a=1","b=2"],"n":1,"x":null},"query":{"x":["1","2"],
            "y":{}},"issued":1.5,"time":7,"secure":"yes","auth":[1],"more":{}},"rooms":["a",123,null,{}],"data":"test"}"#,
        )
        .unwrap();
        assert_eq!(details.handshake.headers["set-cookie"], "a=1, b=2");
        assert_eq!(details.handshake.query["x"], "2");
        assert_eq!((details.handshake.issued, details.handshake.time.as_str()), (1, "7"));
        assert_eq!(details.rooms, [Room::from("a"), Room::from("123")]);
        assert_eq!((details.data, details.handshake.auth), ("test".into(), serde_json::json!([1])));
        for odd in [r#"{"id":"a"}"#, r#"{"id":"a","handshake":[],"rooms":{},"data":null}"#] {
            let details: SocketDetails = serde_json::from_str(odd).unwrap();
            assert_eq!((details.id.as_str(), details.rooms.len()), ("a", 0));
        }
        serde_json::from_str::<SocketDetails>(r#"{"rooms":[]}"#).unwrap_err();
    }
}
