//! Events of the connection of a socket: what `socket.conn` of the official server emits.

use std::sync::Arc;

use engineio::{CloseReason, PacketType, Session, Transport};
use socketio_events::table::HandlerId;

use super::Socket;

/// Hook for events of a connection.
pub(crate) type SessionHook = dyn Fn(&Session, &SessionEvent) + Send + Sync;

/// Event of the connection of a socket, which its sockets in other namespaces share.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionEvent {
    /// The client has begun to upgrade to this transport (`upgrading`). The upgrade may still fail.
    Upgrading(Transport),
    /// The session upgraded to this transport (`upgrade`).
    Upgrade(Transport),
    /// An Engine.IO packet of this type arrived, before it takes effect (`packet`). Those of the upgrade
    /// itself are not reported.
    Packet(PacketType),
    /// The client proved that it is alive (`heartbeat`).
    Heartbeat,
    /// Packets of these types are passed to the transport (`packetCreate`, `flush`).
    Flush(Vec<PacketType>),
    /// The outbox became empty (`drain`).
    Drain,
    /// The session ended (`close`). The last event, called after the sockets have left unless some of their events
    /// still wait.
    Close(CloseReason),
}

impl Socket {
    /// Calls `hook` for each event of the connection, whose state is [`session`](Self::session). The hooks are called
    /// in the order of registration by the task of the connection, so they must not block. They may hold the socket:
    /// they are dropped after [`SessionEvent::Close`], and a hook that is added later is not called.
    ///
    /// The sockets of a client in other namespaces share the connection, so a hook that each of them adds is called
    /// for each. The first hook of a connection adds the call for each packet, and an allocation for each flush.
    ///
    /// ```no_run
    /// # use socketio_server::{Server, SessionEvent, Socket};
    /// # let io = Server::builder().build()?;
    /// io.on_connect(|socket: Socket| async move {
    ///     println!("over {}", socket.session().transport().as_str());
    ///     socket.on_session_event(|_, event| {
    ///         if let SessionEvent::Upgrade(transport) = event {
    ///             println!("now over {}", transport.as_str());
    ///         }
    ///     });
    /// });
    /// # Ok::<(), engineio::ConfigError>(())
    /// ```
    pub fn on_session_event(
        &self,
        hook: impl Fn(&Session, &SessionEvent) + Send + Sync + 'static,
    ) -> HandlerId {
        let id = self.0.siblings.add_session_hook(Arc::new(hook));
        if !self.session().is_open() {
            self.0.siblings.remove_session_hook(id);
        }
        id
    }

    /// Removes a hook for events of the connection.
    pub fn off_session_event(&self, id: HandlerId) -> bool {
        self.0.siblings.remove_session_hook(id)
    }
}
