//! Commands of adapters as questions, and replies of the broker as those of adapters.

use bytes::Bytes;
use socketio_broker::driver::{Command, Entry, Reply, Request};

use crate::protocol::{self, ProtocolError, Question, StoredEntry, fields, read_fields};

/// The question of a command, if the broker has it.
pub(super) fn question(command: &Command) -> Option<Question> {
    let bytes = |text: &String| Bytes::copy_from_slice(text.as_bytes());
    Some(match command {
        Command::Publish { channel, payload, sharded: false } => {
            Question::Publish { channel: bytes(channel), payload: payload.clone() }
        }
        Command::Append { stream, max_len, fields: values } => {
            let fields = fields(values.iter().map(|(name, value)| (*name, &value[..])));
            Question::Append { stream: stream.clone(), max_len: *max_len, fields }
        }
        Command::Request(request) => match request {
            Request::Probe { channel, sharded: false } => {
                Question::Publish { channel: bytes(channel), payload: Bytes::new() }
            }
            Request::Subscribers { channel, sharded: false } => {
                Question::Subscribers { channel: bytes(channel) }
            }
            Request::Range { stream, from, count } => {
                Question::Range { stream: stream.clone(), from: from.parse().ok()?, count: *count as u64 }
            }
            Request::Get { bucket, key } => Question::Get { bucket: bucket.name.clone(), key: bytes(key) },
            Request::Put { bucket, key, value, revision, keep_for } => Question::Put {
                bucket: bucket.name.clone(),
                max_values: bucket.max_values,
                key: bytes(key),
                value: value.clone(),
                revision: *revision,
                keep_for: *keep_for,
            },
            Request::Delete { bucket, key, revision } => {
                Question::Delete { bucket: bucket.name.clone(), key: bytes(key), revision: *revision }
            }
            Request::List { bucket, after, count } => {
                Question::List { bucket: bucket.name.clone(), after: *after, count: *count as u64 }
            }
            _ => return None,
        },
        _ => return None,
    })
}

/// The reply of an adapter's command.
pub(super) fn reply(reply: protocol::Reply) -> Result<Reply, ProtocolError> {
    Ok(match reply {
        protocol::Reply::Nothing => Reply::Nothing,
        protocol::Reply::Number(number) => Reply::Number(number),
        protocol::Reply::Id(id) => Reply::Text(id.to_string()),
        protocol::Reply::Entries(read) => Reply::Entries(entries(read)?),
        protocol::Reply::Value { value, revision } => Reply::Value { value, revision },
        protocol::Reply::Listed(values) => {
            let entry = |listed: protocol::Listed| Entry {
                id: listed.revision.to_string(),
                fields: vec![(listed.key, listed.value)],
            };
            Reply::Entries(values.into_iter().map(entry).collect())
        }
        protocol::Reply::Conflict => Reply::Conflict,
        protocol::Reply::Refused(reason) => Reply::Refused(reason),
        protocol::Reply::Message { .. } | protocol::Reply::Bounds(_) => return Err(ProtocolError::Malformed),
    })
}

/// Entries of a stream.
pub(super) fn entries(read: Vec<StoredEntry>) -> Result<Vec<Entry>, ProtocolError> {
    let entry =
        |entry: StoredEntry| Ok(Entry { id: entry.id.to_string(), fields: read_fields(entry.fields)? });
    read.into_iter().map(entry).collect()
}
