//! The protocol of NATS clients: what a server sends, and what this crate sends. No I/O.

mod decoder;
mod info;

use std::fmt::Display;

use bytes::Bytes;
use thiserror::Error;

pub(crate) use self::decoder::Decoder;
pub(crate) use self::info::{Address, Info};

/// An operation that a server sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// The description of the server, as JSON.
    Info(Bytes),
    /// A message.
    Message {
        /// The subject on which it was published.
        subject: Bytes,
        /// The message.
        payload: Bytes,
    },
    /// A message that is too large, which was not kept.
    Skipped,
    /// The server expects a PONG.
    Ping,
    /// The answer to a PING: everything before the PING was handled.
    Pong,
    /// The server has accepted something; not sent without `verbose`.
    Ok,
    /// The server has refused something.
    Error(Bytes),
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
    /// The line with its end.
    pub(crate) line: String,
    /// The message, which a line end follows.
    pub(crate) payload: Option<&'a [u8]>,
}

impl<'a> Frame<'a> {
    /// Publishes a message.
    pub(crate) fn publish(subject: &str, payload: &'a [u8]) -> Self {
        Self { line: format!("PUB {subject} {}\r\n", payload.len()), payload: Some(payload) }
    }

    /// Subscribes to a subject.
    #[cfg(feature = "adapter")]
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
        Self { line: format!("{line}\r\n"), payload: None }
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
