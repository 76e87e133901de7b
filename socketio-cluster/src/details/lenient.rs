//! Deserialization of handshakes. It is lenient, since a client can cause unusual values on a Node.js server: a header or
//! a query parameter may be an array. A member of another type than expected gets its default.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize as DeriveDeserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::HandshakeDetails;

/// The methods of a visitor for types that are not expected: they are the default.
macro_rules! default_for_other_types {
    () => {
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("any value")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }

        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }

        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }

        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }

        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }

        fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }
    };
}

/// The members of a handshake.
#[derive(DeriveDeserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Member {
    Headers,
    Time,
    Address,
    Xdomain,
    Secure,
    Issued,
    Url,
    Query,
    Auth,
    #[serde(other)]
    Unknown,
}

impl<'de> Deserialize<'de> for HandshakeDetails {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(HandshakeVisitor)
    }
}

struct HandshakeVisitor;

impl<'de> Visitor<'de> for HandshakeVisitor {
    type Value = HandshakeDetails;

    default_for_other_types!();

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        skip(seq)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<HandshakeDetails, A::Error> {
        let mut details = HandshakeDetails::default();
        while let Some(member) = map.next_key()? {
            match member {
                Member::Headers => details.headers = map.next_value::<Texts<true>>()?.0,
                Member::Query => details.query = map.next_value::<Texts<false>>()?.0,
                Member::Time => details.time = map.next_value::<Text<false>>()?.0,
                Member::Address => details.address = map.next_value::<Text<false>>()?.0,
                Member::Url => details.url = map.next_value::<Text<false>>()?.0,
                Member::Xdomain => details.xdomain = map.next_value::<Value>()?.as_bool().unwrap_or_default(),
                Member::Secure => details.secure = map.next_value::<Value>()?.as_bool().unwrap_or_default(),
                Member::Issued => details.issued = milliseconds(&map.next_value()?),
                Member::Auth => details.auth = map.next_value()?,
                Member::Unknown => drop(map.next_value::<IgnoredAny>()?),
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

/// The texts of an object.
#[derive(Default)]
struct Texts<const JOINED: bool>(BTreeMap<String, String>);

impl<'de, const JOINED: bool> Deserialize<'de> for Texts<JOINED> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextsVisitor)
    }
}

struct TextsVisitor<const JOINED: bool>;

impl<'de, const JOINED: bool> Visitor<'de> for TextsVisitor<JOINED> {
    type Value = Texts<JOINED>;

    default_for_other_types!();

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        skip(seq)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut texts = BTreeMap::new();
        while let Some((name, Text::<JOINED>(text))) = map.next_entry()? {
            texts.insert(name, text);
        }
        Ok(Texts(texts))
    }
}

/// A text, or another value as text. The texts of an array are joined by `, `, or the last one counts.
struct Text<const JOINED: bool>(String);

impl<'de, const JOINED: bool> Deserialize<'de> for Text<JOINED> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor<const JOINED: bool>;

impl<'de, const JOINED: bool> Visitor<'de> for TextVisitor<JOINED> {
    type Value = Text<JOINED>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
        Ok(Text(text))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Text(String::new()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Text(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Text(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Text(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Text(text(value.into())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut all = String::new();
        while let Some(value) = seq.next_element::<Value>()? {
            if !JOINED {
                all.clear();
            } else if !all.is_empty() {
                all.push_str(", ");
            }
            all.push_str(&text(value));
        }
        Ok(Text(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        Ok(Text(text(Value::deserialize(MapAccessDeserializer::new(map))?)))
    }
}

fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Reads to the end of a list, and returns the default.
fn skip<'de, T: Default, A: SeqAccess<'de>>(mut seq: A) -> Result<T, A::Error> {
    while seq.next_element::<IgnoredAny>()?.is_some() {}
    Ok(T::default())
}
