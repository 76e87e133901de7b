//! The state of shared sessions at one gateway, for operators.

use engineio::peers::{PeerLinks, PeerNode};
use serde::{Deserialize, Serialize};
use socketio_server::Server;

/// The gateways that share their sessions with one of them, and what it relays for them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Sharing {
    /// The other gateways, by address.
    pub(crate) nodes: Vec<SharingNode>,
    /// Polls that wait for a session of another gateway, and relayed WebSockets.
    pub(crate) relayed: usize,
    /// Requests to other gateways that wait for an answer.
    pub(crate) open_requests: usize,
}

/// The connection to one gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SharingNode {
    /// Address or name in `cluster.peers`, or an address of such a name.
    pub(crate) address: String,
    pub(crate) connected: bool,
}

impl Sharing {
    pub(super) fn of(io: &Server, links: &PeerLinks) -> Self {
        let stats = io.engine().peer_stats();
        let node = |PeerNode { address, is_connected, .. }| SharingNode { address, connected: is_connected };
        let nodes = links.nodes().into_iter().map(node).collect();
        Self { nodes, relayed: stats.relayed, open_requests: stats.open_requests }
    }

    /// Number of gateways to which there is a connection.
    pub(crate) fn connected(&self) -> usize {
        self.nodes.iter().filter(|node| node.connected).count()
    }
}
