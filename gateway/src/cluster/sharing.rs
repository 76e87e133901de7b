//! The state of shared sessions at one gateway, for operators.

use std::collections::HashSet;

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
    /// With `workers`, two addresses are of one slot, whose workers have them in turn.
    pub(super) fn of(io: &Server, peers: &TcpPeers, workers: bool) -> Self {
        let stats = io.engine().peer_stats();
        let state = |NodeStatus { address, state, .. }| match state {
            NodeState::Connected => (address, Some(true)),
            NodeState::Unreachable(_) => (address, Some(false)),
            // This gateway itself, or one that nothing is known of yet.
            _ => (address, None),
        };
        let mut states: Vec<_> = peers.status().into_iter().map(state).collect();
        if workers {
            states = one_of_each_slot(states);
        }
        let nodes = states
            .into_iter()
            .filter_map(|(address, connected)| connected.map(|connected| SharingNode { address, connected }));
        let nodes = nodes.collect();
        Self { nodes, relayed: stats.relayed, open_requests: stats.open_requests }
    }

    /// Number of gateways to which there is a connection.
    pub(crate) fn connected(&self) -> usize {
        self.nodes.iter().filter(|node| node.connected).count()
    }
}

/// The addresses without those that no worker has at the moment. Of a slot without a worker one is left.
fn one_of_each_slot(states: Vec<(String, Option<bool>)>) -> Vec<(String, Option<bool>)> {
    // An address ends with the number of the generation, 0 or 1, and the ending of the file.
    let slot = |address: &str| address.rsplitn(3, '.').last().unwrap_or_default().to_owned();
    let is_lost = |connected: Option<bool>| connected == Some(false);
    let found = states.iter().filter(|(_, connected)| !is_lost(*connected));
    let mut slots: HashSet<String> = found.map(|(address, _)| slot(address)).collect();
    states
        .into_iter()
        .filter(|(address, connected)| !is_lost(*connected) || slots.insert(slot(address)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_slot_of_a_supervisor_counts_once() {
        let state = |address: &str, connected| (format!("unix:/tmp/a.b/{address}.sock"), connected);
        let states = vec![
            state("0.0", None),
            state("0.1", Some(false)),
            state("1.0", Some(false)),
            state("1.1", Some(true)),
            state("2.0", Some(false)),
            state("2.1", Some(false)),
            // A worker that leaves, and the next one.
            state("10.0", Some(true)),
            state("10.1", Some(true)),
        ];
        let expected = [0, 3, 4, 6, 7].map(|number: usize| states[number].clone());
        assert_eq!(one_of_each_slot(states), expected);
    }
}
