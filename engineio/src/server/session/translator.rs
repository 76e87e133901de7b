//! Sessions of clients that speak another protocol than Engine.IO on their WebSocket.
//!
//! Such a session has all that others have: its place in the registry, its outbox and the budget, its heartbeat (by
//! WebSocket's own pings), and the one task that owns its connection. Only its messages are others on the wire.

use super::handle::Session;
use crate::close_reason::CloseReason;
use crate::protocol::frame::CloseCode;
use crate::protocol::packet::Message;
use crate::protocol::prepared::Frames;
use crate::protocol::text::Text;

/// Translates between the WebSocket messages of one client and the messages of its session: see
/// [`Server::open_translated`](crate::Server::open_translated).
///
/// The methods are called one after the other from the session's own task, and must not block.
pub trait Translator: Send + 'static {
    /// What the client says to the application first, before it has its WebSocket.
    fn first_message(&mut self) -> Option<Message> {
        None
    }

    /// The client sent a message. Whatever it means goes to `deliver`: nothing, one message for the application, or
    /// several.
    ///
    /// What the client is answered goes by [`Session::send`], within the limits of the session, and comes by
    /// [`outgoing`](Self::outgoing). [`Session::close`] ends the session when that is written.
    fn incoming(&mut self, session: &Session, message: Message, deliver: &mut dyn FnMut(Message));

    /// The application sent a message, with a [note](crate::Prepared::with_note) or without. What the client is told goes
    /// to `write`. The message counts in the outbox until
    /// that is written; what it is longer than the message does not count.
    ///
    /// At most 64 messages are translated ahead of what the client takes.
    fn outgoing(
        &mut self,
        session: &Session,
        message: Message,
        note: Option<&Text>,
        write: &mut dyn FnMut(Frames),
    );

    /// The session is over. The close frame has this code and reason, or neither. `code` is what it would have: the
    /// client's own if it closed the connection.
    fn close_frame(
        &mut self,
        reason: CloseReason,
        code: Option<CloseCode>,
    ) -> Option<(CloseCode, &'static str)> {
        let _ = reason;
        code.map(|code| (code, ""))
    }
}
