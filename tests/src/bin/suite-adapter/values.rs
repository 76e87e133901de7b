//! Values as the control connection has them: JSON, and binary data as `{"$bin": "<base64>"}`.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use serde_json::{Map, Value, json};
use socketio_server::{Args, Binary, RawArgs};

/// An argument to send.
pub(crate) struct Arg<'a>(pub(crate) &'a Value);

impl Serialize for Arg<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Array(list) => serializer.collect_seq(list.iter().map(Arg)),
            Value::Object(map) => match binary(map) {
                Some(data) => Binary::from(data).serialize(serializer),
                None => serializer.collect_map(map.iter().map(|(key, value)| (key, Arg(value)))),
            },
            other => other.serialize(serializer),
        }
    }
}

fn binary(map: &Map<String, Value>) -> Option<Vec<u8>> {
    if map.len() != 1 {
        return None;
    }
    STANDARD.decode(map.get("$bin")?.as_str()?).ok()
}

/// A duration among the options, in milliseconds.
pub(crate) fn milliseconds(options: &Value, name: &str) -> Option<Duration> {
    options[name].as_u64().map(Duration::from_millis)
}

/// The arguments of a command.
pub(crate) fn args(list: &Value) -> Args<Vec<Arg<'_>>> {
    Args(list.as_array().into_iter().flatten().map(Arg).collect())
}

/// A received value.
#[derive(Debug)]
pub(crate) struct Plain(pub(crate) Value);

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PlainVisitor).map(Self)
    }
}

struct PlainVisitor;

impl<'de> Visitor<'de> for PlainVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Value, E> {
        Ok(json!({"$bin": STANDARD.encode(bytes)}))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Plain(element)) = seq.next_element()? {
            list.push(element);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some((key, Plain(value))) = map.next_entry::<String, _>()? {
            members.insert(key, value);
        }
        // A placeholder: the bytes are in the packet that is being read.
        match Binary::deserialize(Value::Object(members.clone())) {
            Ok(data) => Ok(json!({"$bin": STANDARD.encode(&data[..])})),
            Err(_) => Ok(members.into()),
        }
    }
}

/// The arguments of a received event.
pub(crate) fn received(args: &RawArgs) -> Value {
    args.iter().map(|arg| arg.parse::<Plain>().map_or(Value::Null, |plain| plain.0)).collect()
}

/// Binary data as Node.js has it in JSON, as `$bin`.
pub(crate) fn from_buffers(value: Value) -> Value {
    match value {
        Value::Array(list) => list.into_iter().map(from_buffers).collect(),
        Value::Object(map) => {
            if map.len() == 2 && map.get("type") == Some(&json!("Buffer")) {
                if let Some(Value::Array(data)) = map.get("data") {
                    let bytes: Vec<u8> =
                        data.iter().filter_map(|byte| byte.as_u64()?.try_into().ok()).collect();
                    return json!({"$bin": STANDARD.encode(bytes)});
                }
            }
            map.into_iter().map(|(key, value)| (key, from_buffers(value))).collect::<Map<_, _>>().into()
        }
        other => other,
    }
}
