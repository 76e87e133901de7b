//! Translation for clients that speak another protocol than Engine.IO on their WebSocket.
//!
//! Their sessions are ordinary sessions: with an entry in the registry, an outbox within the budget, a task
//! that owns the connection, and a heartbeat, which consists of ping and pong frames. Only the messages on
//! the wire differ.

use std::any::Any;

use super::handle::Session;
use crate::close_reason::CloseReason;
use crate::protocol::frame::CloseCode;
use crate::protocol::packet::Message;
use crate::protocol::prepared::{FrameWriter, Prepared};

/// A message of a client for the application.
pub enum Delivery<'a> {
    /// A message as clients of Engine.IO send it.
    Message(Message),
    /// A message that is decoded already, for [`Handler::on_decoded`](crate::Handler::on_decoded). The handler defines
    /// the type; that of Socket.IO takes the packet out of an `Option<socketio_parser::Packet>`.
    Decoded {
        /// Size of the message, for counters.
        bytes: usize,
        /// The message.
        message: &'a mut dyn Any,
    },
}

impl From<Message> for Delivery<'_> {
    fn from(message: Message) -> Self {
        Self::Message(message)
    }
}

/// Translates between the WebSocket messages of one client and the messages of its session: see
/// [`Server::open_translated`](crate::Server::open_translated).
///
/// The methods are called one after the other from the session's own task, and must not block.
pub trait Translator: Send + 'static {
    /// The first message for the application, delivered before the client has its WebSocket. Default: none.
    fn first_message(&mut self) -> Option<Message> {
        None
    }

    /// Translates a message of the client. What is passed to `deliver` goes to the application: nothing, one message
    /// or several.
    ///
    /// Replies are sent by [`Session::send`], count towards the limits of the session, and pass
    /// [`outgoing`](Self::outgoing). [`Session::close`] ends the session after they are written.
    fn incoming(&mut self, session: &Session, message: Message, deliver: &mut dyn FnMut(Delivery<'_>));

    /// Translates a message of the application. Its translation is what this call adds to `frames`, and may be
    /// nothing. The message counts in the outbox, with its own length, until its frames are written.
    ///
    /// At most 64 messages are translated ahead of the frames that the socket has accepted.
    fn outgoing(&mut self, session: &Session, message: &Prepared, frames: &mut FrameWriter);

    /// The code and the reason of the close frame at the end of the session; `None` for an empty frame.
    /// `code` is the default: the code of the client, if it closed the connection. The default reason is
    /// empty.
    fn close_frame(
        &mut self,
        reason: CloseReason,
        code: Option<CloseCode>,
    ) -> Option<(CloseCode, &'static str)> {
        let _ = reason;
        code.map(|code| (code, ""))
    }
}
