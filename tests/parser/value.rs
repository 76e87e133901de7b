//! A value that both sides understand, and its form on the pipe.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::{Value as Json, json};
use socketio_parser::value::Kind;
use socketio_parser::{Binary, ValueRef};

/// The depth limit of the oracle.
const MAX_DEPTH: usize = 30;

/// A value of a packet.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    String(String),
    /// A string with an unpaired surrogate, which no Rust string can hold.
    Unpaired,
    /// Any value that is too deep for the pipe.
    Deep,
    Binary(Vec<u8>),
    Array(Vec<Self>),
    Object(Vec<(String, Self)>),
}

/// Compares the meaning, not the form: numbers of one kind, the last of equal keys, no order of keys.
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) | (Self::Unpaired, Self::Unpaired) | (Self::Deep, Self::Deep) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::String(a), Self::String(b)) => a == b,
            (Self::Binary(a), Self::Binary(b)) => a == b,
            (Self::Array(a), Self::Array(b)) => a == b,
            (Self::Object(a), Self::Object(b)) => {
                let same = |(key, _): &(String, Self)| last(a, key) == last(b, key);
                a.iter().all(same) && b.iter().all(|(key, _)| last(a, key).is_some())
            }
            _ => match (self.number(), other.number()) {
                (Some(a), Some(b)) => a == b,
                _ => false,
            },
        }
    }
}

fn last<'a>(object: &'a [(String, Value)], key: &str) -> Option<&'a Value> {
    object.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value)
}

impl Value {
    fn number(&self) -> Option<f64> {
        match self {
            Self::Int(number) => Some(*number as f64),
            Self::Float(number) => Some(*number),
            _ => None,
        }
    }

    /// Writes the value for the oracle: JSON text, with the entries of objects in their order.
    pub(crate) fn write_pipe(&self, out: &mut String) {
        match self {
            Self::Null | Self::Unpaired | Self::Deep => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Int(value) => out.push_str(&value.to_string()),
            Self::Float(value) => out.push_str(&json!(value).to_string()),
            Self::String(value) => out.push_str(&json!(value).to_string()),
            Self::Binary(value) => out.push_str(&format!("{{\"$b\":\"{}\"}}", hex(value))),
            Self::Array(list) => {
                out.push('[');
                for (index, value) in list.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    value.write_pipe(out);
                }
                out.push(']');
            }
            Self::Object(entries) => {
                out.push('{');
                for (index, (key, value)) in entries.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    out.push_str(&json!(key).to_string());
                    out.push(':');
                    value.write_pipe(out);
                }
                out.push('}');
            }
        }
    }

    /// Reads the value from the response of the oracle.
    pub(crate) fn from_pipe(pipe: &Json) -> Self {
        match pipe {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(value) => match value.as_i64() {
                Some(value) => Self::Int(value),
                None => Self::Float(value.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(value) => Self::String(value.clone()),
            Json::Array(list) => Self::Array(list.iter().map(Self::from_pipe).collect()),
            Json::Object(object) => match object.iter().next().map(|(key, value)| (key.as_str(), value)) {
                Some(("$b", bytes)) => Self::Binary(unhex(bytes.as_str().unwrap_or_default())),
                // Rust parses all numbers that JavaScript writes, including "Infinity".
                Some(("$n", number)) => Self::Float(number.as_str().unwrap_or_default().parse().unwrap()),
                Some(("$d", _)) => Self::Deep,
                Some(("$u", _)) => Self::Unpaired,
                Some(("$o", entries)) => Self::Object(entries.as_array().map_or_else(Vec::new, |entries| {
                    // Keys with an unpaired surrogate are left out on both sides.
                    let named = entries.iter().filter(|entry| entry[0].is_string());
                    named
                        .map(|entry| {
                            (entry[0].as_str().unwrap_or_default().to_owned(), Self::from_pipe(&entry[1]))
                        })
                        .collect()
                })),
                other => panic!("the oracle speaks of {other:?}"),
            },
        }
    }

    /// Converts a value of our decoder.
    pub(crate) fn from_ours(view: ValueRef<'_>, depth: usize) -> Self {
        if depth > MAX_DEPTH {
            return Self::Deep;
        }
        match view.kind() {
            Kind::Missing | Kind::Null => Self::Null,
            Kind::Bool => Self::Bool(view.as_bool().unwrap()),
            Kind::Number => match view.as_i64() {
                Some(value) => Self::Int(value),
                None => Self::Float(view.as_f64().unwrap()),
            },
            Kind::String => view.as_str().map_or(Self::Unpaired, |text| Self::String(text.to_owned())),
            Kind::Binary => Self::Binary(view.as_binary().unwrap().to_vec()),
            Kind::Array => {
                Self::Array(view.elements().map(|element| Self::from_ours(element, depth + 1)).collect())
            }
            Kind::Object => Self::Object(
                view.entries()
                    .map(|(key, value)| (key.to_owned(), Self::from_ours(value, depth + 1)))
                    .collect(),
            ),
        }
    }
}

/// Serialises the value as a user's type would be.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null | Self::Unpaired | Self::Deep => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::String(value) => serializer.serialize_str(value),
            Self::Binary(value) => Binary::from(value.clone()).serialize(serializer),
            Self::Array(list) => {
                let mut seq = serializer.serialize_seq(Some(list.len()))?;
                list.iter().try_for_each(|value| seq.serialize_element(value))?;
                seq.end()
            }
            Self::Object(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                entries.iter().try_for_each(|(key, value)| map.serialize_entry(key, value))?;
                map.end()
            }
        }
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digit).collect()
}
