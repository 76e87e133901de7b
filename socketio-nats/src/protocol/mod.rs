//! The protocol of NATS clients: what a server sends, and what this crate sends. No I/O.

mod decoder;
mod headers;
mod info;

use std::fmt::Display;

use bytes::Bytes;
use thiserror::Error;

pub(crate) use self::decoder::Decoder;
pub(crate) use self::headers::Headers;
pub(crate) use self::info::{Address, Info};

/// An operation that a server sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// The description of the server, as JSON.
    Info(Bytes),
    /// A message.
    Message(Message),
    /// A message that is too large, without headers and payload, which were not kept.
    Skipped(Message),
    /// The server expects a PONG.
    Ping,
    /// The answer to a PING: everything before the PING was handled.
    Pong,
    /// The server has accepted something; not sent without `verbose`.
    Ok,
    /// The server has refused something.
    Error(Bytes),
}

/// A message that a server sends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    /// The subject on which it was published.
    pub(crate) subject: Bytes,
    /// The subscription for which it is sent.
    pub(crate) subscription: u64,
    /// The subject for replies; empty without one.
    pub(crate) reply: Bytes,
    /// The headers as they were sent; empty without any. See [`Headers`].
    pub(crate) headers: Bytes,
    /// The message.
    pub(crate) payload: Bytes,
}

/// The server does not keep to the protocol.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum ProtocolError {
    /// A control line is too long.
    #[error("a control line is longer than {0} bytes")]
    LongLine(usize),
    /// A control line is not known, or not complete.
    #[error("a control line cannot be read")]
    Line,
    /// There is no line end behind a message.
    #[error("a message has another length than it says")]
    Length,
    /// INFO is no JSON object.
    #[error("INFO cannot be read")]
    Info,
    /// A PONG without a PING.
    #[error("PONG without a PING")]
    Pong,
}

/// An operation for the server: a control line, and a message if there is one.
#[derive(Debug)]
pub(crate) struct Frame<'a> {
    /// The line with its end, and the beginning of the message: its headers and a part that is made for it.
    pub(crate) line: String,
    /// The rest of the message, which a line end follows.
    pub(crate) payload: Option<&'a [u8]>,
    /// The size of the whole message, headers included.
    pub(crate) size: usize,
}

impl<'a> Frame<'a> {
    /// Publishes a message.
    pub(crate) fn publish(subject: &str, payload: &'a [u8]) -> Self {
        let size = payload.len();
        Self { line: format!("PUB {subject} {size}\r\n"), payload: Some(payload), size }
    }

    /// Publishes a message with a subject for replies. The message is `beginning` and `payload`; the headers are a block of
    /// [`Headers::encode`], or empty.
    pub(crate) fn ask(subject: &str, reply: &str, headers: &str, beginning: &str, payload: &'a [u8]) -> Self {
        let size = headers.len() + beginning.len() + payload.len();
        let line = if headers.is_empty() {
            format!("PUB {subject} {reply} {size}\r\n{beginning}")
        } else {
            format!("HPUB {subject} {reply} {} {size}\r\n{headers}{beginning}", headers.len())
        };
        Self { line, payload: Some(payload), size }
    }

    /// Subscribes to a subject.
    pub(crate) fn subscribe(subject: &str, id: u64) -> Self {
        Self::line(&format!("SUB {subject} {id}"))
    }

    /// Ends a subscription.
    #[cfg(feature = "adapter")]
    pub(crate) fn unsubscribe(id: u64) -> Self {
        Self::line(&format!("UNSUB {id}"))
    }

    /// The settings of the client, as JSON.
    pub(crate) fn connect(json: impl Display) -> Self {
        Self::line(&format!("CONNECT {json}"))
    }

    /// A question that the server answers when everything before it was handled.
    pub(crate) fn ping() -> Self {
        Self::line("PING")
    }

    /// The answer to a question of the server.
    pub(crate) fn pong() -> Self {
        Self::line("PONG")
    }

    fn line(line: &str) -> Self {
        Self { line: format!("{line}\r\n"), payload: None, size: 0 }
    }
}

/// The kind and the subject of a permission that the text of an error says is missing. The connection stays open then.
pub(crate) fn missing_permission(error: &[u8]) -> Option<(Permission, &str)> {
    let text = std::str::from_utf8(error).ok()?.trim_matches('\'');
    let rest = text.strip_prefix("Permissions Violation for ")?;
    let (permission, rest) = match rest.strip_prefix("Publish to ") {
        Some(rest) => (Permission::Publish, rest),
        None => (Permission::Subscribe, rest.strip_prefix("Subscription to ")?),
    };
    Some((permission, rest.strip_prefix('"')?.strip_suffix('"')?))
}

/// A kind of permission of a user of NATS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Permission {
    /// To publish on a subject.
    Publish,
    /// To subscribe to a subject.
    Subscribe,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_a_subject_for_replies() {
        let frame = Frame::ask("a", "_INBOX.b.1", "", "{}\n", b"xyz");
        assert_eq!((frame.line.as_str(), frame.size), ("PUB a _INBOX.b.1 6\r\n{}\n", 6));
        let headers = Headers::encode(&[("A", "1"), ("B", "two")]);
        assert_eq!(headers, "NATS/1.0\r\nA: 1\r\nB: two\r\n\r\n");
        let frame = Frame::ask("a", "r", &headers, "", b"xyz");
        assert_eq!((frame.line, frame.size), (format!("HPUB a r 26 29\r\n{headers}"), 29));
        assert_eq!(frame.payload, Some(&b"xyz"[..]));
    }

    #[test]
    fn errors_about_permissions_name_a_subject() {
        let publish = br#"'Permissions Violation for Publish to "a.b"'"#;
        assert_eq!(missing_permission(publish), Some((Permission::Publish, "a.b")));
        let subscribe = br#"'Permissions Violation for Subscription to "a.>"'"#;
        assert_eq!(missing_permission(subscribe), Some((Permission::Subscribe, "a.>")));
        for other in
            ["", "'Slow Consumer'", "'Permissions Violation'", "'Permissions Violation for Publish to \"'"]
        {
            assert_eq!(missing_permission(other.as_bytes()), None, "{other}");
        }
    }
}
