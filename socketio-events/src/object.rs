//! Values that must be JSON objects.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// A value that must be a JSON object: `Data<Object<Message>>`, or a field of a larger type.
///
/// serde also reads a struct from an array, with the fields in declaration order. A peer that sends
/// `["lobby", "hi"]` would then be read as `{"room": "lobby", "content": "hi"}`. `Object` rejects the array
/// and reports the expected shape.
///
/// ```
/// use serde::Deserialize;
/// use socketio_events::object::Object;
///
/// #[derive(Deserialize)]
/// struct Join {
///     room: String,
/// }
///
/// let Object(Join { room }) = serde_json::from_str(r#"{"room": "lobby"}"#)?;
/// assert_eq!(room, "lobby");
/// let error = serde_json::from_str::<Object<Join>>(r#"["lobby"]"#).err().expect("a list");
/// assert!(error.to_string().starts_with("invalid type: sequence, expected an object"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Entries(PhantomData)).map(Self)
    }
}

struct Entries<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use socketio_parser::{Decoder, Payload};

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Point {
        x: i32,
        y: Option<i32>,
    }

    fn read(packet: &'static str) -> Result<Object<Point>, String> {
        let packet = Decoder::default().text(packet.into()).unwrap().unwrap();
        let Payload::Event(event) = packet.payload else { panic!("an event") };
        event.args().parse(0).map_err(|error| error.to_string())
    }

    #[test]
    fn only_objects_are_accepted() {
        assert_eq!(read(r#"2["e",{"x":1}]"#).unwrap().0, Point { x: 1, y: None });
        for other in [r#"2["e",[1,2]]"#, r#"2["e",[]]"#, r#"2["e",1]"#, r#"2["e","{}"]"#, r#"2["e",null]"#] {
            let error = read(other).unwrap_err();
            assert!(error.contains("expected an object"), "{other}: {error}");
        }
        assert!(read(r#"2["e",{"y":1}]"#).unwrap_err().contains("missing field `x`"));
    }
}
