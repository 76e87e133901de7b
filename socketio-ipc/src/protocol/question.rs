//! Messages to the broker. Each has one reply, in the same order.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use socketio_cluster::streams::EntryId;

use super::cursor::Cursor;
use super::{ProtocolError, put_bytes, put_id};

/// A message to the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// Passes a message to the subscribers of a channel.
    Publish { channel: Bytes, payload: Bytes },
    /// Appends an entry to a stream. The reply is its id.
    Append { stream: String, max_len: u64, fields: Bytes },
    /// Counts the subscribers of a channel.
    Subscribers { channel: Bytes },
    /// Reads entries from this one on.
    Range { stream: String, from: EntryId, count: u64 },
    /// The ids of the first and the last entry.
    Bounds { stream: String },
    /// Waits for entries behind this one.
    Read { stream: String, after: EntryId, count: u64, wait: Duration },
    /// Reads a value.
    Get { bucket: String, key: Bytes },
    /// Writes a value if the current one has this revision.
    Put { bucket: String, max_values: u64, key: Bytes, value: Bytes, revision: u64, keep_for: Duration },
    /// Removes the value that has this revision.
    Delete { bucket: String, key: Bytes, revision: u64 },
    /// Reads values with larger revisions.
    List { bucket: String, after: u64, count: u64 },
    /// Messages of this channel are wanted.
    Subscribe { channel: Bytes },
    /// They are not wanted any more.
    Unsubscribe { channel: Bytes },
}

impl Question {
    /// Appends the message.
    pub(crate) fn write(&self, out: &mut BytesMut) {
        match self {
            Self::Publish { channel, payload } => {
                out.put_u8(1);
                put_bytes(out, channel);
                put_bytes(out, payload);
            }
            Self::Append { stream, max_len, fields } => {
                out.put_u8(2);
                put_bytes(out, stream.as_bytes());
                out.put_u64(*max_len);
                put_bytes(out, fields);
            }
            Self::Subscribers { channel } => {
                out.put_u8(3);
                put_bytes(out, channel);
            }
            Self::Range { stream, from, count } => {
                out.put_u8(4);
                put_bytes(out, stream.as_bytes());
                put_id(out, *from);
                out.put_u64(*count);
            }
            Self::Bounds { stream } => {
                out.put_u8(5);
                put_bytes(out, stream.as_bytes());
            }
            Self::Read { stream, after, count, wait } => {
                out.put_u8(6);
                put_bytes(out, stream.as_bytes());
                put_id(out, *after);
                out.put_u64(*count);
                put_time(out, *wait);
            }
            Self::Get { bucket, key } => {
                out.put_u8(7);
                put_bytes(out, bucket.as_bytes());
                put_bytes(out, key);
            }
            Self::Put { bucket, max_values, key, value, revision, keep_for } => {
                out.put_u8(8);
                put_bytes(out, bucket.as_bytes());
                out.put_u64(*max_values);
                put_bytes(out, key);
                put_bytes(out, value);
                out.put_u64(*revision);
                put_time(out, *keep_for);
            }
            Self::Delete { bucket, key, revision } => {
                out.put_u8(9);
                put_bytes(out, bucket.as_bytes());
                put_bytes(out, key);
                out.put_u64(*revision);
            }
            Self::List { bucket, after, count } => {
                out.put_u8(10);
                put_bytes(out, bucket.as_bytes());
                out.put_u64(*after);
                out.put_u64(*count);
            }
            Self::Subscribe { channel } => {
                out.put_u8(11);
                put_bytes(out, channel);
            }
            Self::Unsubscribe { channel } => {
                out.put_u8(12);
                put_bytes(out, channel);
            }
        }
    }

    /// Reads a message.
    pub(crate) fn read(message: Bytes) -> Result<Self, ProtocolError> {
        let mut parts = Cursor(message);
        let question = match parts.byte()? {
            1 => Self::Publish { channel: parts.bytes()?, payload: parts.bytes()? },
            2 => Self::Append { stream: parts.text()?, max_len: parts.number()?, fields: parts.bytes()? },
            3 => Self::Subscribers { channel: parts.bytes()? },
            4 => Self::Range { stream: parts.text()?, from: parts.id()?, count: parts.number()? },
            5 => Self::Bounds { stream: parts.text()? },
            6 => Self::Read {
                stream: parts.text()?,
                after: parts.id()?,
                count: parts.number()?,
                wait: Duration::from_millis(parts.number()?),
            },
            7 => Self::Get { bucket: parts.text()?, key: parts.bytes()? },
            8 => Self::Put {
                bucket: parts.text()?,
                max_values: parts.number()?,
                key: parts.bytes()?,
                value: parts.bytes()?,
                revision: parts.number()?,
                keep_for: Duration::from_millis(parts.number()?),
            },
            9 => Self::Delete { bucket: parts.text()?, key: parts.bytes()?, revision: parts.number()? },
            10 => Self::List { bucket: parts.text()?, after: parts.number()?, count: parts.number()? },
            11 => Self::Subscribe { channel: parts.bytes()? },
            12 => Self::Unsubscribe { channel: parts.bytes()? },
            _ => return Err(ProtocolError::Malformed),
        };
        parts.finish()?;
        Ok(question)
    }
}

fn put_time(out: &mut BytesMut, time: Duration) {
    out.put_u64(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
}

/// The fields of an entry as one value.
pub(crate) fn fields<'a>(fields: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Bytes {
    let mut out = BytesMut::with_capacity(256);
    for (name, value) in fields {
        put_bytes(&mut out, name.as_bytes());
        put_bytes(&mut out, value);
    }
    out.freeze()
}

/// Names and values of the fields of an entry.
pub(crate) fn read_fields(fields: Bytes) -> Result<Vec<(Bytes, Bytes)>, ProtocolError> {
    let (mut parts, mut read) = (Cursor(fields), Vec::new());
    while !parts.is_empty() {
        read.push((parts.bytes()?, parts.bytes()?));
    }
    Ok(read)
}
