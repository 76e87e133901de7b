//! Events of a client.

use super::{Client, ConnectError};
use crate::emitter::Event;
use crate::message::Message;
use crate::state::CloseReason;

/// Events of a client. Each contains the client, so that a handler need not own one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ClientEvent {
    /// A connection was opened, for the first time or again.
    Open(Client),
    /// A text or binary message was received.
    Message(Client, Message),
    /// A message was written to the connection.
    Sent(Client, Message),
    /// An attempt to connect failed.
    Error(Client, ConnectError),
    /// The connection has ended. If the client reconnects, `Open` follows.
    Close(Client, CloseReason),
}

/// The kinds of client events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClientEventKind {
    /// `open`
    Open,
    /// `message`
    Message,
    /// `sent`
    Sent,
    /// `error`
    Error,
    /// `close`
    Close,
}

impl Event for ClientEvent {
    type Kind = ClientEventKind;

    fn kind(&self) -> ClientEventKind {
        match self {
            Self::Open(..) => ClientEventKind::Open,
            Self::Message(..) => ClientEventKind::Message,
            Self::Sent(..) => ClientEventKind::Sent,
            Self::Error(..) => ClientEventKind::Error,
            Self::Close(..) => ClientEventKind::Close,
        }
    }
}
