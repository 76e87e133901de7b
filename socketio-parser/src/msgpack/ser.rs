//! Serialization into msgpack, in the forms of notepack.io: the shortest header, numbers as in JavaScript.

use serde::ser::{self, Serialize};

use super::key::KeySerializer;
use crate::ValueError;
use crate::header::MAX_ACK_ID;

/// Appends a value.
pub(crate) fn to_writer<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) -> Result<(), ValueError> {
    value.serialize(&mut Serializer::new(out))
}

/// Serializer that appends to a buffer. Structs become maps; enums have serde_json's representation.
pub(super) struct Serializer<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> Serializer<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out }
    }
}

// Big-endian, as msgpack requires. The casts drop only bytes that the range of the match arm makes zero.
pub(crate) fn unsigned(out: &mut Vec<u8>, value: u64) {
    match value {
        0..=0x7f => out.push(value as u8),
        0x80..=0xff => out.extend_from_slice(&[0xcc, value as u8]),
        0x100..=0xffff => wide(out, 0xcd, &(value as u16).to_be_bytes()),
        0x1_0000..=0xffff_ffff => wide(out, 0xce, &(value as u32).to_be_bytes()),
        _ => wide(out, 0xcf, &value.to_be_bytes()),
    }
}

pub(crate) fn signed(out: &mut Vec<u8>, value: i64) {
    match value {
        0.. => unsigned(out, value.unsigned_abs()),
        -0x20..=-1 => out.push(value as u8),
        -0x80..=-0x21 => out.extend_from_slice(&[0xd0, value as u8]),
        -0x8000..=-0x81 => wide(out, 0xd1, &(value as i16).to_be_bytes()),
        -0x8000_0000..=-0x8001 => wide(out, 0xd2, &(value as i32).to_be_bytes()),
        _ => wide(out, 0xd3, &value.to_be_bytes()),
    }
}

/// An integral float is written as an integer, because JavaScript has one number type.
pub(crate) fn float(out: &mut Vec<u8>, value: f64) {
    let whole = value.fract() == 0.0 && value.abs() <= MAX_ACK_ID as f64;
    if whole { signed(out, value as i64) } else { wide(out, 0xcb, &value.to_be_bytes()) }
}

pub(crate) fn wide(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    out.push(tag);
    out.extend_from_slice(content);
}

pub(crate) fn string(out: &mut Vec<u8>, value: &str) {
    match value.len() {
        length @ 0..=0x1f => out.push(0xa0 | length as u8),
        length @ 0x20..=0xff => out.extend_from_slice(&[0xd9, length as u8]),
        length @ 0x100..=0xffff => wide(out, 0xda, &(length as u16).to_be_bytes()),
        length => wide(out, 0xdb, &length_32(length)),
    }
    out.extend_from_slice(value.as_bytes());
}

pub(crate) fn binary(out: &mut Vec<u8>, value: &[u8]) {
    match value.len() {
        length @ 0..=0xff => out.extend_from_slice(&[0xc4, length as u8]),
        length @ 0x100..=0xffff => wide(out, 0xc5, &(length as u16).to_be_bytes()),
        length => wide(out, 0xc6, &length_32(length)),
    }
    out.extend_from_slice(value);
}

pub(crate) fn array_header(out: &mut Vec<u8>, length: usize) {
    match length {
        0..=0x0f => out.push(0x90 | length as u8),
        0x10..=0xffff => wide(out, 0xdc, &(length as u16).to_be_bytes()),
        _ => wide(out, 0xdd, &length_32(length)),
    }
}

pub(crate) fn map_header(out: &mut Vec<u8>, length: usize) {
    match length {
        0..=0x0f => out.push(0x80 | length as u8),
        0x10..=0xffff => wide(out, 0xde, &(length as u16).to_be_bytes()),
        _ => wide(out, 0xdf, &length_32(length)),
    }
}

/// A message is far below 4 GiB; the transport's limit rejects anything larger.
fn length_32(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}

macro_rules! scalars {
    ($($method:ident($type:ty) = $write:ident as $as:ty;)*) => {
        $(fn $method(self, value: $type) -> Result<(), ValueError> {
            $write(self.out, <$as>::from(value));
            Ok(())
        })*
    };
}

impl<'s, 'a> ser::Serializer for &'s mut Serializer<'a> {
    type Ok = ();
    type Error = ValueError;
    type SerializeSeq = Compound<'s, 'a>;
    type SerializeTuple = Compound<'s, 'a>;
    type SerializeTupleStruct = Compound<'s, 'a>;
    type SerializeTupleVariant = Compound<'s, 'a>;
    type SerializeMap = Compound<'s, 'a>;
    type SerializeStruct = Compound<'s, 'a>;
    type SerializeStructVariant = Compound<'s, 'a>;

    scalars! {
        serialize_i8(i8) = signed as i64;
        serialize_i16(i16) = signed as i64;
        serialize_i32(i32) = signed as i64;
        serialize_i64(i64) = signed as i64;
        serialize_u8(u8) = unsigned as u64;
        serialize_u16(u16) = unsigned as u64;
        serialize_u32(u32) = unsigned as u64;
        serialize_u64(u64) = unsigned as u64;
        serialize_f32(f32) = float as f64;
        serialize_f64(f64) = float as f64;
    }

    fn serialize_bool(self, value: bool) -> Result<(), ValueError> {
        self.out.push(if value { 0xc3 } else { 0xc2 });
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), ValueError> {
        string(self.out, value.encode_utf8(&mut [0; 4]));
        Ok(())
    }

    fn serialize_str(self, value: &str) -> Result<(), ValueError> {
        string(self.out, value);
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), ValueError> {
        binary(self.out, value);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), ValueError> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), ValueError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), ValueError> {
        self.out.push(0xc0);
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), ValueError> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), ValueError> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), ValueError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), ValueError> {
        map_header(self.out, 1);
        string(self.out, variant);
        value.serialize(self)
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Compound<'s, 'a>, ValueError> {
        Ok(Compound::begin(self, array_header, len.unwrap_or(0)))
    }

    fn serialize_tuple(self, len: usize) -> Result<Compound<'s, 'a>, ValueError> {
        Ok(Compound::begin(self, array_header, len))
    }

    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<Compound<'s, 'a>, ValueError> {
        Ok(Compound::begin(self, array_header, len))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Compound<'s, 'a>, ValueError> {
        map_header(self.out, 1);
        string(self.out, variant);
        Ok(Compound::begin(self, array_header, len))
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Compound<'s, 'a>, ValueError> {
        Ok(Compound::begin(self, map_header, len.unwrap_or(0)))
    }

    fn serialize_struct(self, _: &'static str, len: usize) -> Result<Compound<'s, 'a>, ValueError> {
        Ok(Compound::begin(self, map_header, len))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Compound<'s, 'a>, ValueError> {
        map_header(self.out, 1);
        string(self.out, variant);
        Ok(Compound::begin(self, map_header, len))
    }
}

/// An array or a map whose content is being written. A wrong or missing length in its header is corrected at
/// the end.
pub(super) struct Compound<'s, 'a> {
    serializer: &'s mut Serializer<'a>,
    header: fn(&mut Vec<u8>, usize),
    start: usize,
    content: usize,
    announced: usize,
    count: usize,
}

impl<'s, 'a> Compound<'s, 'a> {
    fn begin(serializer: &'s mut Serializer<'a>, header: fn(&mut Vec<u8>, usize), announced: usize) -> Self {
        let start = serializer.out.len();
        header(serializer.out, announced);
        let content = serializer.out.len();
        Self { serializer, header, start, content, announced, count: 0 }
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        self.count += 1;
        value.serialize(&mut *self.serializer)
    }

    fn field<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) -> Result<(), ValueError> {
        string(self.serializer.out, key);
        self.element(value)
    }

    fn finish(self) {
        if self.count == self.announced {
            return;
        }
        let out = &mut *self.serializer.out;
        let end = out.len();
        (self.header)(out, self.count);
        let header = out.len() - end;
        // Inserts the correct header in front, then removes the wrong one.
        if let Some(tail) = out.get_mut(self.start..) {
            tail.rotate_right(header);
        }
        out.drain(self.start + header..self.content + header);
    }
}

macro_rules! compound {
    ($($trait:ident $method:ident)*) => {
        $(impl ser::$trait for Compound<'_, '_> {
            type Ok = ();
            type Error = ValueError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
                self.element(value)
            }

            fn end(self) -> Result<(), ValueError> {
                self.finish();
                Ok(())
            }
        })*
    };
}

compound! {
    SerializeSeq serialize_element
    SerializeTuple serialize_element
    SerializeTupleStruct serialize_field
    SerializeTupleVariant serialize_field
}

impl ser::SerializeMap for Compound<'_, '_> {
    type Ok = ();
    type Error = ValueError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), ValueError> {
        let key = key.serialize(KeySerializer)?;
        string(self.serializer.out, &key);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        self.element(value)
    }

    fn end(self) -> Result<(), ValueError> {
        self.finish();
        Ok(())
    }
}

impl ser::SerializeStruct for Compound<'_, '_> {
    type Ok = ();
    type Error = ValueError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), ValueError> {
        self.field(key, value)
    }

    fn end(self) -> Result<(), ValueError> {
        self.finish();
        Ok(())
    }
}

impl ser::SerializeStructVariant for Compound<'_, '_> {
    type Ok = ();
    type Error = ValueError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), ValueError> {
        self.field(key, value)
    }

    fn end(self) -> Result<(), ValueError> {
        self.finish();
        Ok(())
    }
}
