//! Encoding of packets in msgpack.

use crate::emit::{ArgWriter, ToArgs};
use crate::header;
use crate::msgpack::ser;
use crate::{EncodeError, PacketType, Parser};

/// Appends an EVENT or ACK packet, with its keys in the order of the official server.
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

/// Function that appends a packet's data.
pub(crate) type Write<'a> = &'a dyn Fn(&mut Vec<u8>) -> Result<(), EncodeError>;

/// Appends a packet of another type; `write` appends its data.
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
