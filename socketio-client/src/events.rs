//! What happens to a socket, for those who would rather ask than be called.

use std::sync::Arc;

use crate::inbox::Inbox;
use crate::socket::Socket;
pub use crate::socket::SocketEvent;

/// What happens to a socket: see [`Socket::events`].
#[derive(Debug)]
pub struct Events {
    inbox: Arc<Inbox<SocketEvent>>,
    socket: Socket,
}

impl Socket {
    /// What happens to the socket from now on, beside what its handlers do. There is one reader at a time; the one before
    /// gets nothing more.
    ///
    /// Asked for before [`connect`](Self::connect) it misses nothing. Whoever has it should read it: when
    /// [`Config::max_waiting_events`](crate::Config::max_waiting_events) wait, the connection is not read any more, for
    /// the other namespaces neither, and ends if that lasts longer than the server's heartbeat.
    pub fn events(&self) -> Events {
        let inbox = self.space.open_inbox();
        // The one before may have held the connection up.
        self.handle.hub.bell.ring();
        Events { inbox, socket: self.clone() }
    }
}

impl Events {
    /// Waits for what happens next. `None` says that nothing more will unless the application connects again: the
    /// socket was disconnected by one side, or refused, or the connection is given up.
    ///
    /// The future may be dropped at any point without losing anything.
    pub async fn recv(&mut self) -> Option<SocketEvent> {
        let (event, was_full) = std::future::poll_fn(|cx| self.inbox.poll_pop(cx)).await;
        if was_full {
            self.socket.handle.hub.bell.ring();
        }
        event
    }

    /// The socket.
    pub fn socket(&self) -> &Socket {
        &self.socket
    }
}

/// Who does not read any more holds nobody up.
impl Drop for Events {
    fn drop(&mut self) {
        self.socket.space.close_inbox(&self.inbox);
        self.socket.handle.hub.bell.ring();
    }
}
