//! The application's observer of all sessions of a server.

use std::fmt;
use std::sync::Arc;

use super::session::handle::{OnCreate, Session};
use crate::close_reason::CloseReason;
use crate::config::Transport;
use crate::protocol::packet::Packet;
use crate::protocol::prepared::Prepared;

/// Observes all sessions of a server: the events that the official server emits on the engine and on its
/// sockets. See [`ServerBuilder::observer`](crate::ServerBuilder::observer).
///
/// The session's task calls the methods, and the sender of a message
/// [`on_packet_create`](Self::on_packet_create), so they must not block. They run after the same methods of
/// the session's [`Handler`](crate::Handler).
pub trait Observer: Send + Sync + 'static {
    /// A session opened (`connection`). Its handler exists already.
    fn on_open(&self, session: &Session) {
        let _ = session;
    }

    /// A packet of any type arrived (`packet`); called before it takes effect.
    fn on_packet(&self, session: &Session, packet: &Packet) {
        let _ = (session, packet);
    }

    /// A packet is about to be queued (`packetCreate`): a message, or a ping or pong of the heartbeat. The
    /// outbox may still refuse it.
    fn on_packet_create(&self, session: &Session, packet: &Prepared) {
        let _ = (session, packet);
    }

    /// These packets are about to be passed to the transport (`flush`).
    fn on_flush(&self, session: &Session, packets: &[Prepared]) {
        let _ = (session, packets);
    }

    /// The outbox of a session became empty (`drain`).
    fn on_drain(&self, session: &Session) {
        let _ = session;
    }

    /// The client proved that it is alive (`heartbeat`): with a pong, or in revision 3 with a ping.
    fn on_heartbeat(&self, session: &Session) {
        let _ = session;
    }

    /// A client has begun to upgrade to this transport (`upgrading`). It may still fail.
    fn on_upgrading(&self, session: &Session, transport: Transport) {
        let _ = (session, transport);
    }

    /// A session upgraded (`upgrade`).
    fn on_upgrade(&self, session: &Session, transport: Transport) {
        let _ = (session, transport);
    }

    /// A session ended (`close`). Not called for a session whose handler panicked.
    fn on_close(&self, session: &Session, reason: CloseReason) {
        let _ = (session, reason);
    }
}

/// Two observers of a server, which are called one after the other.
struct Both(Arc<dyn Observer>, Arc<dyn Observer>);

macro_rules! both {
    ($($method:ident($($name:ident: $type:ty),*);)*) => {
        impl Observer for Both {
            $(fn $method(&self, session: &Session, $($name: $type),*) {
                self.0.$method(session, $($name),*);
                self.1.$method(session, $($name),*);
            })*
        }
    };
}

both! {
    on_open();
    on_packet(packet: &Packet);
    on_packet_create(packet: &Prepared);
    on_flush(packets: &[Prepared]);
    on_drain();
    on_heartbeat();
    on_upgrading(transport: Transport);
    on_upgrade(transport: Transport);
    on_close(reason: CloseReason);
}

/// The observers of a server.
#[derive(Clone)]
pub(super) struct Observing {
    pub(super) observer: Arc<dyn Observer>,
    /// Its method for created packets, as sessions hold it.
    pub(super) on_create: OnCreate,
}

impl Observing {
    /// Adds an observer behind the ones that are there.
    pub(super) fn with(earlier: Option<Self>, observer: impl Observer) -> Self {
        let observer: Arc<dyn Observer> = match earlier {
            Some(earlier) => Arc::new(Both(earlier.observer, Arc::new(observer))),
            None => Arc::new(observer),
        };
        let created = Arc::clone(&observer);
        let on_create = Arc::new(move |session: &Session, packet: &Prepared| {
            created.on_packet_create(session, packet);
        });
        Self { observer, on_create }
    }
}

impl fmt::Debug for Observing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observing")
    }
}
