//! Translation for clients that speak another protocol than Engine.IO on their WebSocket.
//!
//! Their sessions are ordinary sessions: with an entry in the registry, an outbox within the budget, a task
//! that owns the connection, and a heartbeat, which consists of ping and pong frames. Only the messages on
//! the wire differ.

use super::handle::Session;
use crate::close_reason::CloseReason;
use crate::protocol::frame::CloseCode;
use crate::protocol::packet::Message;
use crate::protocol::prepared::{Frames, Prepared};

/// Translates between the WebSocket messages of one client and the messages of its session: see
/// [`Server::open_translated`](crate::Server::open_translated).
///
/// The methods are called one after the other from the session's own task, and must not block.
pub trait Translator: Send + 'static {
    /// The first message for the application, delivered before the client has its WebSocket. Default: none.
    fn first_message(&mut self) -> Option<Message> {
        None
    }

    /// Translates a message of the client. Each message that is passed to `deliver` goes to the application:
    /// none, one or several.
    ///
    /// Replies are sent by [`Session::send`], count towards the limits of the session, and pass
    /// [`outgoing`](Self::outgoing). [`Session::close`] ends the session after they are written.
    fn incoming(&mut self, session: &Session, message: Message, deliver: &mut dyn FnMut(Message));

    /// Translates a message of the application. The frames go to the client; `None` if it gets nothing. The
    /// message counts in the outbox, with its own length, until its frames are written.
    ///
    /// At most 64 messages are translated ahead of the frames that the socket has accepted.
    fn outgoing(&mut self, session: &Session, message: &Prepared) -> Option<Frames>;

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
