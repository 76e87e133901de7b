//! Redis Streams: entries, sessions for recovery, and the names and ids of streams.
//!
//! Lasting messages are entries of a stream, which has the order of all of them; requests and answers
//! ([`is_ephemeral`]) are sent with pub/sub, in the format of
//! [`cluster::encode_msgpack`](crate::cluster::encode_msgpack) on the channels of
//! [`cluster::Channels`](crate::cluster::Channels).

mod entry;
mod session;

use std::fmt;
use std::str::FromStr;

pub use self::entry::{Entry, decode_entry, decode_entry_if, encode_entry};
pub use self::session::Session;
use crate::message::Message;

/// Whether the message is sent with pub/sub: broadcasts with acknowledgements, requests and answers. The
/// emitter writes events of the servers into the stream nevertheless.
pub fn is_ephemeral(message: &Message) -> bool {
    match message {
        Message::Broadcast { request, .. } => request.is_some(),
        Message::SocketsJoin { .. } | Message::SocketsLeave { .. } | Message::DisconnectSockets { .. } => {
            false
        }
        _ => true,
    }
}

/// Name of the stream of a namespace: options `streamName` and `streamCount`.
///
/// With several streams the official adapter takes the remainder of a signed hash, so that some namespaces
/// have a stream with a negative number, which no official node reads. The name is the same here, since
/// another one would separate our nodes from theirs; with official nodes in the cluster one stream is the
/// only sound choice.
pub fn stream_name(name: &str, count: u32, namespace: &str) -> String {
    if count <= 1 {
        return name.to_owned();
    }
    let hash =
        namespace.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    // The remainder has the sign of the hash.
    format!("{name}-{}", i64::from(hash) % i64::from(count))
}

/// Id of an entry, which is the offset that clients keep for recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId {
    /// Milliseconds since 1970.
    pub milliseconds: u64,
    /// Distinguishes the entries of one millisecond.
    pub sequence: u64,
}

impl EntryId {
    /// The smallest larger id.
    pub fn next(self) -> Self {
        match self.sequence.checked_add(1) {
            Some(sequence) => Self { sequence, ..self },
            None => Self { milliseconds: self.milliseconds.saturating_add(1), sequence: 0 },
        }
    }
}

/// The text is no id of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id of an entry has two numbers with a hyphen between")]
pub struct InvalidEntryId;

impl FromStr for EntryId {
    type Err = InvalidEntryId;

    fn from_str(text: &str) -> Result<Self, InvalidEntryId> {
        let number = |text: &str| {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            if digits { text.parse().map_err(|_| InvalidEntryId) } else { Err(InvalidEntryId) }
        };
        let (milliseconds, sequence) = text.split_once('-').ok_or(InvalidEntryId)?;
        Ok(Self { milliseconds: number(milliseconds)?, sequence: number(sequence)? })
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.milliseconds, self.sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The negative number was computed with the official function.
    #[test]
    fn streams_of_namespaces() {
        assert_eq!(stream_name("socket.io", 1, "/notifications"), "socket.io");
        assert_eq!(stream_name("socket.io", 4, "/notifications"), "socket.io--3");
        assert_eq!(stream_name("socket.io", 4, "/"), "socket.io-3");
    }

    #[test]
    fn ids_of_entries() {
        let id: EntryId = "1700000000000-7".parse().unwrap();
        assert_eq!(
            (id.to_string().as_str(), id.next().to_string().as_str()),
            ("1700000000000-7", "1700000000000-8")
        );
        assert!("9-1".parse::<EntryId>().unwrap() < "10-0".parse().unwrap());
        assert_eq!(EntryId { milliseconds: 1, sequence: u64::MAX }.next().to_string(), "2-0");
        for wrong in ["", "-", "1", "1-", "-1", "+1-1", "1-1-1", "$", "1-18446744073709551616", "1 -1"] {
            assert_eq!(wrong.parse::<EntryId>(), Err(InvalidEntryId), "{wrong}");
        }
    }
}
