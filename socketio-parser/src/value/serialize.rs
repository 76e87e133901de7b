//! Serialization of a [`Value`].

use std::borrow::Cow;

use serde::ser::{Error, Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::value::RawValue;

use super::{Kind, Value, ValueRef};
use crate::attachments;

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.view().serialize(serializer)
    }
}

/// In a JSON packet the text is written as received, except for the numbers of its attachments. A missing
/// value is `null`.
impl Serialize for ValueRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if attachments::writing_json() {
            if let Some(text) = self.as_json() {
                let text = self.renumbered().map_or(Cow::Borrowed(text), Cow::Owned);
                let raw: &RawValue = serde_json::from_str(&text).map_err(S::Error::custom)?;
                return raw.serialize(serializer);
            }
        }
        match self.kind() {
            Kind::Missing | Kind::Null => serializer.serialize_unit(),
            Kind::Bool => serializer.serialize_bool(self.as_bool().unwrap_or_default()),
            Kind::Number => number(*self, serializer),
            Kind::String => match self.as_str() {
                Some(string) => serializer.serialize_str(string),
                None => Err(S::Error::custom("a string with an unpaired surrogate")),
            },
            Kind::Binary => self.as_binary().unwrap_or_default().serialize(serializer),
            Kind::Array => {
                let mut seq = serializer.serialize_seq(Some(self.len()))?;
                for element in self.elements() {
                    seq.serialize_element(&element)?;
                }
                seq.end()
            }
            Kind::Object => {
                let mut map = serializer.serialize_map(Some(self.len()))?;
                for (key, value) in self.members() {
                    let key =
                        key.as_str().ok_or_else(|| S::Error::custom("a key with an unpaired surrogate"))?;
                    map.serialize_entry(key, &value)?;
                }
                map.end()
            }
        }
    }
}

fn number<S: Serializer>(number: ValueRef<'_>, serializer: S) -> Result<S::Ok, S::Error> {
    if let Some(unsigned) = number.as_u64() {
        return serializer.serialize_u64(unsigned);
    }
    if let Some(signed) = number.as_i64() {
        return serializer.serialize_i64(signed);
    }
    match number.as_f64() {
        Some(float) if float.is_finite() => serializer.serialize_f64(float),
        _ => Err(S::Error::custom("a number beyond the range of a double")),
    }
}
