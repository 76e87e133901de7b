//! Binary data as a type: [`Binary`], and [`attachment`](crate::attachment) for fields of other types.

use std::fmt;
use std::ops::Deref;

use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, Unexpected, Visitor};
use serde::ser::{Error as _, Serialize, SerializeStruct, Serializer};

use crate::attachments::{self, Form, Found};

/// Binary data in an argument, at any depth of any serializable type.
///
/// Encoding a packet turns it into an attachment, and reading an argument fills it from one; msgpack packets
/// hold it in place. Neither direction copies the bytes. Outside of a packet, such as in
/// `serde_json::to_string`, serialization and deserialization fail, because there is no place for the bytes.
///
/// On the wire it is an object, so it cannot be the content of an internally tagged enum's newtype variant; a
/// struct variant with a `Binary` field can.
///
/// ```
/// use socketio_parser::{Binary, Parser};
///
/// #[derive(serde::Serialize)]
/// struct Upload { name: &'static str, content: Binary }
///
/// let mut text = Vec::new();
/// let upload = Upload { name: "a.png", content: Binary::from_static(b"\x89PNG") };
/// let attachments = Parser::Json.encode_event(&mut text, "/", None, "upload", &upload)?;
/// assert_eq!(text, br#"51-["upload",{"name":"a.png","content":{"_placeholder":true,"num":0}}]"#);
/// assert_eq!(attachments, [&b"\x89PNG"[..]]);
/// # Ok::<(), socketio_parser::EncodeError>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Binary(pub Bytes);

impl Binary {
    /// Binary data with static lifetime.
    pub const fn from_static(bytes: &'static [u8]) -> Self {
        Self(Bytes::from_static(bytes))
    }
}

impl From<Bytes> for Binary {
    fn from(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

impl From<Vec<u8>> for Binary {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl From<Binary> for Bytes {
    fn from(binary: Binary) -> Self {
        binary.0
    }
}

impl Deref for Binary {
    type Target = Bytes;

    fn deref(&self) -> &Bytes {
        &self.0
    }
}

impl AsRef<[u8]> for Binary {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Binary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Serialize for Binary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match attachments::leave(&self.0) {
            Some(Form::Placeholder(index)) => {
                // Socket.IO protocol: "a placeholder {"_placeholder":true,"num":0}" in this order of keys.
                let mut object = serializer.serialize_struct("Binary", 2)?;
                object.serialize_field("_placeholder", &true)?;
                object.serialize_field("num", &index)?;
                object.end()
            }
            #[cfg(feature = "msgpack")]
            Some(Form::Inline) => serializer.serialize_bytes(&self.0),
            #[cfg(feature = "msgpack")]
            Some(Form::Buffer) => {
                let mut object = serializer.serialize_struct("Binary", 2)?;
                object.serialize_field("type", "Buffer")?;
                object.serialize_field("data", &self.0[..])?;
                object.end()
            }
            None => Err(S::Error::custom("binary data can only be serialised as part of a Socket.IO packet")),
        }
    }
}

impl<'de> Deserialize<'de> for Binary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Not `deserialize_bytes`: a placeholder is a map, and only the input determines which form it has.
        deserializer.deserialize_any(BinaryVisitor).map(Self)
    }
}

struct BinaryVisitor;

impl<'de> Visitor<'de> for BinaryVisitor {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("binary data")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
        Ok(attachments::share(bytes))
    }

    fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
        Ok(bytes.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Bytes, A::Error> {
        let mut placeholder = false;
        let mut index = None;
        while let Some(key) = map.next_key()? {
            match key {
                Key::Placeholder => placeholder = map.next_value::<Flag>()?.0,
                Key::Num => index = map.next_value::<Index>()?.0,
                Key::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if !placeholder {
            return Err(A::Error::invalid_type(Unexpected::Map, &self));
        }
        let Some(index) = index else {
            return Err(A::Error::custom("a placeholder for binary data without a whole number as its num"));
        };
        match attachments::take(index) {
            Found::Here(bytes) => Ok(bytes),
            Found::Missing => Err(A::Error::custom(format_args!("the packet has no attachment {index}"))),
            Found::NoScope => Err(A::Error::custom(
                "binary data can only be deserialised as an argument of a Socket.IO packet",
            )),
        }
    }
}

/// A key of a possible placeholder.
enum Key {
    Placeholder,
    Num,
    Other,
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl Visitor<'_> for KeyVisitor {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_str<E>(self, key: &str) -> Result<Key, E> {
                Ok(match key {
                    "_placeholder" => Key::Placeholder,
                    "num" => Key::Num,
                    _ => Key::Other,
                })
            }

            fn visit_u64<E>(self, _: u64) -> Result<Key, E> {
                Ok(Key::Other)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Key, E> {
                Ok(Key::Other)
            }
        }
        deserializer.deserialize_identifier(KeyVisitor)
    }
}

macro_rules! visit_everything_else {
    ($value:expr) => {
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_none<E>(self) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_bytes<E>(self, _: &[u8]) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            Ok($value)
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            Ok($value)
        }
    };
}

/// Whether a value is `true`.
struct Flag(bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FlagVisitor;
        impl<'de> Visitor<'de> for FlagVisitor {
            type Value = Flag;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }

            fn visit_bool<E>(self, value: bool) -> Result<Flag, E> {
                Ok(Flag(value))
            }

            fn visit_u64<E>(self, _: u64) -> Result<Flag, E> {
                Ok(Flag(false))
            }

            fn visit_i64<E>(self, _: i64) -> Result<Flag, E> {
                Ok(Flag(false))
            }

            fn visit_f64<E>(self, _: f64) -> Result<Flag, E> {
                Ok(Flag(false))
            }

            visit_everything_else!(Flag(false));
        }
        deserializer.deserialize_any(FlagVisitor)
    }
}

/// The attachment index of a value, if it is one.
struct Index(Option<usize>);

impl<'de> Deserialize<'de> for Index {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct IndexVisitor;
        impl<'de> Visitor<'de> for IndexVisitor {
            type Value = Index;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }

            fn visit_bool<E>(self, _: bool) -> Result<Index, E> {
                Ok(Index(None))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Index, E> {
                Ok(Index(usize::try_from(value).ok()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Index, E> {
                Ok(Index(usize::try_from(value).ok()))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Index, E> {
                // `1e0` is the number 1 in JSON.
                let whole = value >= 0.0 && value.fract() == 0.0 && value <= f64::from(u32::MAX);
                Ok(Index(whole.then_some(value as usize)))
            }

            visit_everything_else!(Index(None));
        }
        deserializer.deserialize_any(IndexVisitor)
    }
}
