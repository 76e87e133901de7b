//! Deserialization from msgpack.

use serde::de::{self, Deserialize, DeserializeSeed, Visitor};
use serde::forward_to_deserialize_any;

use super::date;
use super::key::KeyDeserializer;
use super::token::{Token, token};
use crate::ValueError;
use crate::arg_list::ReadArg;

/// The same depth as serde_json's, for the same reason: a type may recurse on the stack.
const MAX_DEPTH: u32 = 128;

/// Deserializes a value that fills `bytes`.
pub(crate) fn from_slice<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, ValueError> {
    T::deserialize(&mut Deserializer { bytes, at: 0, depth: 0 })
}

impl ReadArg for ValueError {
    fn read<'de, S: DeserializeSeed<'de>>(bytes: &'de [u8], seed: S) -> Result<S::Value, Self> {
        seed.deserialize(&mut Deserializer { bytes, at: 0, depth: 0 })
    }
}

struct Deserializer<'de> {
    bytes: &'de [u8],
    at: usize,
    depth: u32,
}

impl<'de> Deserializer<'de> {
    #[inline]
    fn next(&mut self) -> Result<Token<'de>, ValueError> {
        let (token, next) = token(self.bytes, self.at).ok_or_else(ValueError::malformed)?;
        self.at = next;
        Ok(token)
    }

    /// Passes a token and its content to a visitor.
    fn visit<V: Visitor<'de>>(&mut self, token: Token<'de>, visitor: V) -> Result<V::Value, ValueError> {
        match token {
            Token::Nil | Token::Undefined => visitor.visit_unit(),
            Token::Bool(value) => visitor.visit_bool(value),
            Token::Unsigned(value) => visitor.visit_u64(value),
            Token::Signed(value) => visitor.visit_i64(value),
            Token::Float(value) => visitor.visit_f64(value),
            Token::Str(value) => visitor.visit_borrowed_str(text(value)?),
            Token::Bin(value) => visitor.visit_borrowed_bytes(value),
            // In JSON a date is its text, and an invalid date is null.
            Token::Date(milliseconds) => match date::iso(milliseconds) {
                Some(text) => visitor.visit_string(text),
                None => visitor.visit_unit(),
            },
            Token::Ext(kind, content) => visitor.visit_seq(Extension { kind, content, read: 0 }),
            Token::Array(length) => self.nested(length, |array| visitor.visit_seq(array)),
            Token::Map(length) => self.nested(length, |map| visitor.visit_map(map)),
        }
    }

    /// Runs `visit` one level deeper. Content of the container that `visit` has not consumed is an error, as
    /// with serde_json.
    fn nested<T>(
        &mut self,
        length: u64,
        visit: impl FnOnce(&mut Container<'_, 'de>) -> Result<T, ValueError>,
    ) -> Result<T, ValueError> {
        if self.depth >= MAX_DEPTH {
            return Err(ValueError::new("recursion limit exceeded"));
        }
        self.depth += 1;
        let mut container = Container { deserializer: self, left: length };
        let value = visit(&mut container)?;
        if container.left > 0 {
            return Err(ValueError::new(format_args!("{} elements too many", container.left)));
        }
        self.depth -= 1;
        Ok(value)
    }
}

fn text(bytes: &[u8]) -> Result<&str, ValueError> {
    std::str::from_utf8(bytes).map_err(|_| ValueError::malformed())
}

macro_rules! bytes_are_no_text {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
            match self.next()? {
                // serde's string visitors would accept any bytes that happen to be UTF-8.
                Token::Bin(content) => Err(de::Error::invalid_type(de::Unexpected::Bytes(content), &visitor)),
                token => self.visit(token, visitor),
            }
        })*
    };
}

macro_rules! dates_are_numbers {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
            match self.next()? {
                Token::Date(milliseconds) => match u64::try_from(milliseconds) {
                    Ok(milliseconds) => visitor.visit_u64(milliseconds),
                    Err(_) => visitor.visit_i64(milliseconds),
                },
                token => self.visit(token, visitor),
            }
        })*
    };
}

impl<'de> de::Deserializer<'de> for &mut Deserializer<'de> {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        let token = self.next()?;
        self.visit(token, visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        let start = self.at;
        match self.next()? {
            Token::Nil | Token::Undefined => visitor.visit_none(),
            _ => {
                self.at = start;
                visitor.visit_some(self)
            }
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        match self.next()? {
            Token::Str(variant) => visitor.visit_enum(KeyDeserializer(text(variant)?)),
            Token::Map(1) => self.nested(0, |map| visitor.visit_enum(Variant(&mut *map.deserializer))),
            _ => Err(ValueError::new("expected a variant: a string, or a map with one entry")),
        }
    }

    dates_are_numbers! {
        deserialize_i64 deserialize_u64 deserialize_i128 deserialize_u128 deserialize_f64
    }

    bytes_are_no_text! {
        deserialize_char deserialize_str deserialize_string
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 u8 u16 u32 f32 bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

/// The remaining content of an array or a map.
struct Container<'a, 'de> {
    deserializer: &'a mut Deserializer<'de>,
    left: u64,
}

impl<'de> de::SeqAccess<'de> for &mut Container<'_, 'de> {
    type Error = ValueError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, ValueError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(&mut *self.deserializer).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        usize::try_from(self.left).ok()
    }
}

impl<'de> de::MapAccess<'de> for &mut Container<'_, 'de> {
    type Error = ValueError;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, ValueError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let start = self.deserializer.at;
        match self.deserializer.next()? {
            Token::Str(key) => seed.deserialize(KeyDeserializer(text(key)?)).map(Some),
            _ => {
                self.deserializer.at = start;
                seed.deserialize(&mut *self.deserializer).map(Some)
            }
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, ValueError> {
        seed.deserialize(&mut *self.deserializer)
    }

    fn size_hint(&self) -> Option<usize> {
        usize::try_from(self.left).ok()
    }
}

/// A variant with content: a map with one entry, whose header was consumed before.
struct Variant<'a, 'de>(&'a mut Deserializer<'de>);

impl<'de> de::EnumAccess<'de> for Variant<'_, 'de> {
    type Error = ValueError;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), ValueError> {
        Ok((seed.deserialize(&mut *self.0)?, self))
    }
}

impl<'de> de::VariantAccess<'de> for Variant<'_, 'de> {
    type Error = ValueError;

    fn unit_variant(self) -> Result<(), ValueError> {
        Deserialize::deserialize(self.0)
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, ValueError> {
        seed.deserialize(self.0)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, ValueError> {
        de::Deserializer::deserialize_any(self.0, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        de::Deserializer::deserialize_any(self.0, visitor)
    }
}

/// An unknown extension: an array of its type and its bytes, as in notepack.
struct Extension<'de> {
    kind: i8,
    content: &'de [u8],
    read: u8,
}

impl<'de> de::SeqAccess<'de> for Extension<'de> {
    type Error = ValueError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, ValueError> {
        self.read += 1;
        match self.read {
            1 => seed.deserialize(de::value::I8Deserializer::new(self.kind)).map(Some),
            2 => seed.deserialize(de::value::BorrowedBytesDeserializer::new(self.content)).map(Some),
            _ => Ok(None),
        }
    }
}
