//! Events of a socket as a stream, as an alternative to handlers.

use std::sync::Arc;

use socketio_parser::Event;

use super::Socket;
use super::context::AckSender;
use crate::disconnect_reason::DisconnectReason;
use crate::error::ConnectError;
use crate::namespace::inbox::Inbox;

/// Event of a socket: see [`Events::recv`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SocketEvent {
    /// The socket is connected.
    Connect {
        /// Whether the server recovered the session: its id, its rooms and data, and the missed events.
        recovered: bool,
    },
    /// An attempt to connect failed. [`Socket::is_active`](crate::Socket::is_active) says whether another one
    /// follows.
    ConnectError(ConnectError),
    /// The server sent an event.
    Event {
        /// Name and arguments.
        event: Event,
        /// Sender of the acknowledgement, if the server requested one.
        ack: Option<AckSender>,
    },
    /// The socket is disconnected.
    Disconnect(DisconnectReason),
}

/// Stream of a socket's events: see [`Socket::events`].
#[derive(Debug)]
pub struct Events {
    inbox: Arc<Inbox<SocketEvent>>,
    socket: Socket,
}

impl Socket {
    /// Stream of the socket's events from now on. Handlers are called as well. A socket has one stream at a
    /// time: a new stream replaces the previous one.
    ///
    /// A stream that is created before [`connect`](Self::connect) misses nothing. It must be read: with
    /// [`Config::max_waiting_events`](crate::Config::max_waiting_events) unread events the connection is not
    /// read any more, for all its namespaces, and ends if that lasts longer than the server's heartbeat
    /// timeout.
    pub fn events(&self) -> Events {
        let inbox = self.namespace.open_inbox(&self.handle.shared.full_inboxes);
        // The previous stream may have blocked the connection.
        self.handle.shared.wakeup.signal();
        Events { inbox, socket: self.clone() }
    }
}

impl Events {
    /// Waits for the next event. `None` means that no event follows unless the application connects again:
    /// one side disconnected the socket, the server refused it, or reconnection was given up.
    ///
    /// Cancel safe: no event is lost if the future is dropped.
    pub async fn recv(&mut self) -> Option<SocketEvent> {
        let (event, was_full) = std::future::poll_fn(|cx| self.inbox.poll_pop(cx)).await;
        if was_full {
            self.socket.handle.shared.wakeup.signal();
        }
        event
    }

    /// Socket of the stream.
    pub fn socket(&self) -> &Socket {
        &self.socket
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.socket.namespace.close_inbox(&self.inbox);
        // The stream may have blocked the connection.
        self.socket.handle.shared.wakeup.signal();
    }
}
