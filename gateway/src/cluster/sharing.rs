//! The state of shared sessions at one gateway, for operators.

use engineio::peers::{NodeState, NodeStatus, TcpPeers};
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
    pub(super) fn of(io: &Server, peers: &TcpPeers) -> Self {
        let stats = io.engine().peer_stats();
        let node = |NodeStatus { address, state, .. }| match state {
            NodeState::Connected => Some(SharingNode { address, connected: true }),
            NodeState::Unreachable(_) => Some(SharingNode { address, connected: false }),
            // This gateway itself, or one that nothing is known of yet.
            _ => None,
        };
        let nodes = peers.status().into_iter().filter_map(node).collect();
        Self { nodes, relayed: stats.relayed, open_requests: stats.open_requests }
    }

    /// Number of gateways to which there is a connection.
    pub(crate) fn connected(&self) -> usize {
        self.nodes.iter().filter(|node| node.connected).count()
    }
}
