//! Postgres: notifications in JSON. A message that is too large, or has binary data, is a row of a table, and
//! the notification has the id of the row.

use bytes::Bytes;
use socketio_parser::Parser;
use socketio_parser::codec::{Reader, Writer};

use crate::cluster;
use crate::error::{DecodeError, EncodeError};
use crate::id::NodeId;
use crate::limits::Limits;
use crate::message::Message;
use crate::wire::{Envelope, Head, Sender, check_size, join_id};

/// A message on its way to the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// The text of the notification.
    Notification(Vec<u8>),
    /// The content of a row; the notification is [`encode_reference`].
    Row(Vec<u8>),
}

/// A received notification.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "taken apart where it is made")]
pub enum Notification {
    /// The message itself.
    Message(Envelope),
    /// The message is in a row, to be read with [`cluster::decode`].
    Row {
        /// The sender.
        from: Option<NodeId>,
        /// Id of the row.
        id: String,
    },
}

/// Name of the channel of a namespace: option `channelPrefix`.
pub fn channel(prefix: &str, namespace: &str) -> String {
    format!("{prefix}#{namespace}")
}

/// Writes a message. More than `threshold` bytes, or binary data, make it a row (option `payloadThreshold`,
/// 8000).
pub fn encode(
    sender: Sender<'_>,
    namespace: &str,
    message: &Message,
    threshold: usize,
    limits: &Limits,
) -> Result<Payload, EncodeError> {
    if !message.has_binary() {
        let text = cluster::encode_json(sender, namespace, message, limits)?;
        if text.len() <= threshold {
            return Ok(Payload::Notification(text));
        }
    }
    cluster::encode_msgpack(sender, namespace, message, limits).map(Payload::Row)
}

/// Writes the notification for a row.
pub fn encode_reference(sender: Sender<'_>, message: &Message, id: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    let mut writer = Writer::new(Parser::Json, &mut out, usize::MAX);
    writer.object(3);
    writer.key("uid").text(sender.uid());
    writer.key("type").number(message.kind().into());
    writer.key("attachmentId").text(id);
    writer.end_object();
    out
}

/// Reads a notification.
pub fn decode(text: Bytes, limits: &Limits) -> Result<Notification, DecodeError> {
    match reference(&text, limits)? {
        Some(row) => Ok(row),
        None => cluster::decode(text, limits).map(Notification::Message),
    }
}

/// Reads a notification, and a message in it only if `wanted` says so: see [`cluster::decode_if`].
pub fn decode_if(
    text: Bytes,
    limits: &Limits,
    wanted: impl FnOnce(&Head<'_>) -> bool,
) -> Result<Option<Notification>, DecodeError> {
    match reference(&text, limits)? {
        Some(row) => Ok(Some(row)),
        None => Ok(cluster::decode_if(text, limits, wanted)?.map(Notification::Message)),
    }
}

/// The row to which a notification refers, if it does.
fn reference(text: &Bytes, limits: &Limits) -> Result<Option<Notification>, DecodeError> {
    check_size(text, limits)?;
    let mut reader = Reader::new(Parser::Json, text, limits.max_depth)?;
    let (mut from, mut id) = (None, None);
    reader.members(|reader, key| -> Result<(), DecodeError> {
        match key {
            "uid" => from = join_id(reader)?,
            "attachmentId" => id = join_id(reader)?,
            _ => {}
        }
        Ok(())
    })?;
    reader.finish()?;
    Ok(id.map(|id| Notification::Row { from: from.map(|from| NodeId::from(&*from)), id: id.to_string() }))
}
