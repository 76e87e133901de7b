//! An argument list as a serde sequence, whose elements are deserialized one by one from their slices.

use std::marker::PhantomData;

use serde::de::value::UnitDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use crate::json::spans::Spans;

/// Deserializes one argument. Each encoding has its own implementation, selected by the error type.
pub(crate) trait ReadArg: Error {
    fn read<'de, S: DeserializeSeed<'de>>(bytes: &'de [u8], seed: S) -> Result<S::Value, Self>;
}

impl ReadArg for serde_json::Error {
    fn read<'de, S: DeserializeSeed<'de>>(bytes: &'de [u8], seed: S) -> Result<S::Value, Self> {
        seed.deserialize(&mut serde_json::Deserializer::from_slice(bytes))
    }
}

/// The remaining arguments.
pub(crate) struct ArgList<'a, E> {
    packet: &'a [u8],
    spans: &'a Spans,
    /// The next element.
    next: usize,
    /// Number of elements before the first argument.
    skip: usize,
    /// Up to this index missing arguments are read as `null`. A tuple has a length, a `Vec` has not.
    padded: usize,
    error: PhantomData<E>,
}

impl<'a, E> ArgList<'a, E> {
    /// The elements at these positions of a packet, without the first `skip` ones.
    pub(crate) fn new(packet: &'a [u8], spans: &'a Spans, skip: usize) -> Self {
        Self { packet, spans, next: skip, skip, padded: 0, error: PhantomData }
    }

    /// Index of the most recent argument.
    pub(crate) fn current(&self) -> usize {
        (self.next - self.skip).saturating_sub(1)
    }
}

impl<'de, E: ReadArg> Deserializer<'de> for &mut ArgList<'de, E> {
    type Error = E;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        visitor.visit_seq(self)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, E> {
        self.padded = len;
        visitor.visit_seq(self)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, E> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, E> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        visitor.visit_unit()
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit_struct seq map struct enum identifier
    }
}

impl<'de, E: ReadArg> SeqAccess<'de> for ArgList<'de, E> {
    type Error = E;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, E> {
        let index = self.next;
        match self.spans.get(index) {
            Some(span) => {
                self.next += 1;
                E::read(span.of(self.packet), seed).map(Some)
            }
            None if index - self.skip < self.padded => {
                self.next += 1;
                seed.deserialize(UnitDeserializer::<E>::new()).map(Some)
            }
            None => Ok(None),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.spans.len().saturating_sub(self.next))
    }
}
