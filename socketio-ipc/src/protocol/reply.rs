//! Messages of the broker.

use bytes::{BufMut, Bytes, BytesMut};
use socketio_cluster::streams::EntryId;

use super::cursor::Cursor;
use super::{ProtocolError, put_bytes, put_id};

/// A message of the broker: replies in the order of the questions, and messages of channels between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// A message of a channel, which is no reply.
    Message {
        channel: Bytes,
        payload: Bytes,
    },
    /// It is done, and there is nothing more to say, or there is no such value.
    Nothing,
    Number(u64),
    Id(EntryId),
    Bounds(Option<(EntryId, EntryId)>),
    Entries(Vec<StoredEntry>),
    Value {
        value: Bytes,
        revision: u64,
    },
    Listed(Vec<Listed>),
    /// The value has another revision.
    Conflict,
    /// It is not done, for this reason.
    Refused(String),
}

/// An entry of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredEntry {
    pub(crate) id: EntryId,
    pub(crate) fields: Bytes,
}

/// A value in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) revision: u64,
    pub(crate) key: Bytes,
    pub(crate) value: Bytes,
}

impl Reply {
    /// Appends the message.
    pub(crate) fn write(&self, out: &mut BytesMut) {
        match self {
            Self::Message { channel, payload } => {
                out.put_u8(1);
                put_bytes(out, channel);
                put_bytes(out, payload);
            }
            Self::Nothing => out.put_u8(2),
            Self::Number(number) => {
                out.put_u8(3);
                out.put_u64(*number);
            }
            Self::Id(id) => {
                out.put_u8(4);
                put_id(out, *id);
            }
            Self::Bounds(bounds) => {
                out.put_u8(5);
                for id in bounds.iter().flat_map(|(first, last)| [first, last]) {
                    put_id(out, *id);
                }
            }
            Self::Entries(entries) => {
                out.put_u8(6);
                for StoredEntry { id, fields } in entries {
                    put_id(out, *id);
                    put_bytes(out, fields);
                }
            }
            Self::Value { value, revision } => {
                out.put_u8(7);
                out.put_u64(*revision);
                put_bytes(out, value);
            }
            Self::Listed(values) => {
                out.put_u8(8);
                for Listed { revision, key, value } in values {
                    out.put_u64(*revision);
                    put_bytes(out, key);
                    put_bytes(out, value);
                }
            }
            Self::Conflict => out.put_u8(9),
            Self::Refused(reason) => {
                out.put_u8(10);
                put_bytes(out, reason.as_bytes());
            }
        }
    }

    /// Reads a message.
    pub(crate) fn read(message: Bytes) -> Result<Self, ProtocolError> {
        let mut parts = Cursor(message);
        let reply = match parts.byte()? {
            1 => Self::Message { channel: parts.bytes()?, payload: parts.bytes()? },
            2 => Self::Nothing,
            3 => Self::Number(parts.number()?),
            4 => Self::Id(parts.id()?),
            5 if parts.is_empty() => Self::Bounds(None),
            5 => Self::Bounds(Some((parts.id()?, parts.id()?))),
            6 => {
                let mut entries = Vec::new();
                while !parts.is_empty() {
                    entries.push(StoredEntry { id: parts.id()?, fields: parts.bytes()? });
                }
                Self::Entries(entries)
            }
            7 => {
                let revision = parts.number()?;
                Self::Value { value: parts.bytes()?, revision }
            }
            8 => {
                let mut values = Vec::new();
                while !parts.is_empty() {
                    values.push(Listed {
                        revision: parts.number()?,
                        key: parts.bytes()?,
                        value: parts.bytes()?,
                    });
                }
                Self::Listed(values)
            }
            9 => Self::Conflict,
            10 => Self::Refused(parts.text()?),
            _ => return Err(ProtocolError::Malformed),
        };
        parts.finish()?;
        Ok(reply)
    }
}
