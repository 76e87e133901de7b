//! The parser that is byte-compatible with npm's `socket.io-msgpack-parser`.
//!
//! A packet is one map `{type, nsp, data, id}` in one binary message, with binary data in place. That package uses
//! notepack.io 2.2, which has forms of its own for what JavaScript has and msgpack has not: `undefined` is an
//! extension of type 0 with one byte, a `Date` one of type 0 with eight, an `ArrayBuffer` one of type 0 of any
//! other length. All of them are read here.

mod date;
mod de;
mod decode;
mod json;
mod key;
mod scan;
mod ser;
mod token;

use serde::ser::Serialize;

pub(crate) use de::from_slice;
pub(crate) use decode::decode;
pub(crate) use json::{to_json, write_json};

use crate::emit::{ArgWriter, ToArgs};
use crate::header;
use crate::{EncodeError, PacketType, Parser};

/// A value does not fit a type, or a type does not fit msgpack.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ValueError(Box<str>);

impl ValueError {
    pub(crate) fn new(message: impl std::fmt::Display) -> Self {
        Self(message.to_string().into_boxed_str())
    }

    /// Cannot happen to a value out of a packet, which was checked.
    pub(crate) fn malformed() -> Self {
        Self::new("not msgpack")
    }
}

impl serde::de::Error for ValueError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::new(message)
    }
}

impl serde::ser::Error for ValueError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::new(message)
    }
}

/// Appends a value.
pub(crate) fn to_writer<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) -> Result<(), ValueError> {
    value.serialize(&mut ser::Serializer::new(out))
}

/// Appends an EVENT or ACK packet, its keys in the order in which the official server has them.
pub(crate) fn write_args<A: ToArgs + ?Sized>(
    out: &mut Vec<u8>,
    kind: PacketType,
    namespace: &str,
    ack_id: Option<u64>,
    name: Option<&str>,
    args: &A,
) -> Result<(), EncodeError> {
    header::check_ack_id(ack_id)?;
    ser::map_header(out, 3 + usize::from(ack_id.is_some()));
    let write_id = |out: &mut Vec<u8>| {
        if let Some(id) = ack_id {
            ser::string(out, "id");
            ser::unsigned(out, id);
        }
    };
    if kind == PacketType::Ack {
        write_id(out);
    }
    ser::string(out, "type");
    ser::unsigned(out, kind as u64);
    ser::string(out, "data");
    ser::array_header(out, args.count() + usize::from(name.is_some()));
    if let Some(name) = name {
        ser::string(out, name);
    }
    args.write(&mut ArgWriter::new(out, Parser::Msgpack, false))?;
    if kind != PacketType::Ack {
        write_id(out);
    }
    ser::string(out, "nsp");
    ser::string(out, namespace);
    Ok(())
}

/// What appends a packet's data.
pub(crate) type Write<'a> = &'a dyn Fn(&mut Vec<u8>) -> Result<(), EncodeError>;

/// Appends a packet of another type, whose data `write` appends.
pub(crate) fn write_plain(
    out: &mut Vec<u8>,
    kind: PacketType,
    namespace: &str,
    ack_id: Option<u64>,
    write: Option<Write<'_>>,
) -> Result<(), EncodeError> {
    header::check_ack_id(ack_id)?;
    ser::map_header(out, 2 + usize::from(write.is_some()) + usize::from(ack_id.is_some()));
    ser::string(out, "type");
    ser::unsigned(out, kind as u64);
    if let Some(write) = write {
        ser::string(out, "data");
        write(out)?;
    }
    if let Some(id) = ack_id {
        ser::string(out, "id");
        ser::unsigned(out, id);
    }
    ser::string(out, "nsp");
    ser::string(out, namespace);
    Ok(())
}
