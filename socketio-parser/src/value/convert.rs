//! Conversion between a [`Value`] and types that serde knows, with their binary data.

use std::fmt;

use bytes::Bytes;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::Serialize;
use serde_json::value::RawValue;

use super::{Value, ValueRef};
use crate::Limits;
use crate::attachments::{self, Attachments, Sink, Source};
use crate::json::scan;
use crate::limits::DEPTH_CEILING;

impl Value {
    /// A value of any type that serde can serialize; [`Binary`](crate::Binary) stays binary data.
    ///
    /// ```
    /// use socketio_parser::{Binary, Value};
    ///
    /// let value = Value::from_serialize(&("a.png", Binary::from_static(b"\x89PNG")))?;
    /// assert_eq!(value.at(1).as_binary(), Some(Binary::from_static(b"\x89PNG")));
    /// assert_eq!(value.parse::<(String, Binary)>()?.0, "a.png");
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn from_serialize<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<Self> {
        let (text, sink) = attachments::writing(Sink::Attachments(Vec::new()), || serde_json::to_vec(value));
        let list = match sink {
            Some(Sink::Attachments(list)) => list,
            _ => Vec::new(),
        };
        Ok(Self::from_json(text?.into(), list.into()))
    }

    /// Deserializes the whole value: see [`ValueRef::parse`].
    pub fn parse<'a, T: Deserialize<'a>>(&'a self) -> serde_json::Result<T> {
        self.view().parse()
    }
}

impl<'a> ValueRef<'a> {
    /// Deserializes the value; a missing one is read as `null`. Binary data is read as [`Binary`](crate::Binary)
    /// or [`Value`]. `serde_json::Value` has no place for it: see [`to_json`](Self::to_json), which reports that.
    pub fn parse<T: Deserialize<'a>>(self) -> serde_json::Result<T> {
        let source = Source::Attachments(self.attachments().clone());
        attachments::reading(source, || serde_json::from_str(self.text().unwrap_or("null")))
    }
}

/// A value of any shape in an argument of a packet, with its binary data. JSON text is kept as received; only where serde
/// buffers its input, in flattened fields and untagged enums, integers beyond 64 bits are rounded to doubles, and a string
/// with an unpaired surrogate is an error. More than 1000 levels are an error. The cost is a copy of the text.
impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut transcript =
            Transcript { text: Vec::new(), known: attachments::in_scope(), inline: Vec::new() };
        deserializer.deserialize_newtype_struct(raw_value_name(), Whole(&mut transcript))?;
        if u32::try_from(transcript.text.len()).is_err() {
            return Err(D::Error::custom("a value of more than 4 GiB"));
        }
        let list = if transcript.inline.is_empty() {
            transcript.known
        } else {
            [&transcript.known[..], &transcript.inline[..]].concat().into()
        };
        Ok(Self::from_json(transcript.text.into(), list))
    }
}

/// The name under which a type requests the text of a value from deserializers of serde_json. Others take it as that of an
/// ordinary newtype.
fn raw_value_name() -> &'static str {
    match <Box<RawValue>>::deserialize(NameReader) {
        Err(NewtypeName(name)) => name,
        Ok(_) => "",
    }
}

/// A deserializer that fails with the name of the newtype that is requested.
struct NameReader;

#[derive(Debug)]
struct NewtypeName(&'static str);

impl fmt::Display for NewtypeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for NewtypeName {}

impl Error for NewtypeName {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self("")
    }
}

impl<'de> Deserializer<'de> for NameReader {
    type Error = NewtypeName;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, NewtypeName> {
        Err(NewtypeName(""))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: V,
    ) -> Result<V::Value, NewtypeName> {
        Err(NewtypeName(name))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct seq
        tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// The whole value: its text if the deserializer has it, otherwise the transcript.
struct Whole<'a>(&'a mut Transcript);

impl<'de> Visitor<'de> for Whole<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self.0)
    }

    /// serde_json passes the text as the only member of a map.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some(key) = map.next_key::<String>()? else {
            self.0.text.extend_from_slice(b"{}");
            return Ok(());
        };
        if key != raw_value_name() {
            return self.0.members(Some(key), map);
        }
        let text: String = map.next_value()?;
        // serde_json has no limit of the depth here, and other deserializers could have a map with this key.
        let limits = Limits { max_depth: DEPTH_CEILING, ..Limits::default() };
        scan::single(text.as_bytes(), 0, &limits).map_err(A::Error::custom)?;
        self.0.text = text.into_bytes();
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.0.visit_unit()
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        self.0.visit_none()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.0.visit_some(deserializer)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.0.visit_bool(value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.0.visit_i64(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.0.visit_u64(value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.0.visit_f64(value)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.0.visit_str(value)
    }

    fn visit_bytes<E: Error>(self, value: &[u8]) -> Result<(), E> {
        self.0.visit_bytes(value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        self.0.visit_seq(seq)
    }
}

/// A value as JSON text, while it is read.
struct Transcript {
    text: Vec<u8>,
    /// Attachments of the packet, to which placeholders refer.
    known: Attachments,
    /// Binary data of formats that hold it in place.
    inline: Vec<Bytes>,
}

impl Transcript {
    fn json<E: Error>(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), E> {
        serde_json::to_writer(&mut self.text, value).map_err(E::custom)
    }

    /// The members of a map, after the key that has been read before.
    fn members<'de, A: MapAccess<'de>>(&mut self, first: Option<String>, mut map: A) -> Result<(), A::Error> {
        self.text.push(b'{');
        let mut next = first;
        if next.is_none() {
            next = map.next_key()?;
        }
        while let Some(key) = next {
            self.json(&key)?;
            self.text.push(b':');
            map.next_value_seed(&mut *self)?;
            self.text.push(b',');
            next = map.next_key()?;
        }
        self.close(b'}');
        Ok(())
    }

    /// Ends a container. Every member has a comma behind it, and the last one loses it.
    fn close(&mut self, bracket: u8) {
        if self.text.last() == Some(&b',') {
            self.text.pop();
        }
        self.text.push(bracket);
    }
}

impl<'de> DeserializeSeed<'de> for &mut Transcript {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut Transcript {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.json(&())
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        self.json(&())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.json(&value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.json(&value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.json(&value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.json(&value)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.json(value)
    }

    fn visit_bytes<E: Error>(self, value: &[u8]) -> Result<(), E> {
        let index = self.known.len() + self.inline.len();
        self.inline.push(attachments::share(value));
        self.text.extend_from_slice(format!(r#"{{"_placeholder":true,"num":{index}}}"#).as_bytes());
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        self.text.push(b'[');
        while seq.next_element_seed(&mut *self)?.is_some() {
            self.text.push(b',');
        }
        self.close(b']');
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        self.members(None, map)
    }
}
