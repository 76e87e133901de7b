//! The settings for servers that share their sessions.

use std::sync::{Arc, Weak};

use super::ServerBuilder;
use crate::server::peers::{Linked, Medium, PeerInbox, PeerSettings, Peers, Receive};
use crate::server::shared::Shared;

impl ServerBuilder {
    /// Shares the sessions with other nodes over a medium: a client may then send each request to any node,
    /// and the load balancer needs no sticky sessions. Default none.
    ///
    /// All nodes need the same settings of sessions, and their own medium of the same kind. Sessions keep the
    /// connections that they have, so sticky sessions still save messages between the nodes. See
    /// [`peers`](crate::peers) for what is shared, and [`peer_settings`](Self::peer_settings) for the limits.
    ///
    /// Cost: nothing for a session whose requests arrive at its own node, but that a polling session is
    /// announced later. Each relayed GET or POST costs two or three messages, each packet of a relayed
    /// WebSocket one.
    pub fn peers(mut self, medium: impl Peers) -> Self {
        self.options.peers = Some(Medium(Box::new(medium)));
        self
    }

    /// The times and limits of [`peers`](Self::peers). They have no effect without it.
    pub fn peer_settings(mut self, settings: PeerSettings) -> Self {
        self.options.peer_settings = settings;
        self
    }
}

/// Opens the link of a new server, if it has a medium.
pub(super) fn open(server: &Arc<Shared>) {
    let Some(Medium(medium)) = &server.options.peers else { return };
    let weak: Weak<Shared> = Arc::downgrade(server);
    let link = medium.open(PeerInbox::new(weak as Weak<dyn Receive>));
    let linked = Linked::new(link, server.options.peer_settings.clone(), server.options.max_sessions);
    // The server is new, so no other link is set.
    let _ = server.peers.set(Arc::new(linked));
}
