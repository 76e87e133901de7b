//! The addresses of the nodes, and whether there is a connection to each.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

use crate::sync::Mutex;

/// The state of an address of [`TcpPeers`](super::TcpPeers).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeStatus {
    /// An address of a name in [`TcpPeers::nodes`](super::TcpPeers::nodes), or a name that has no address.
    pub address: String,
    /// The state of the connection to it.
    pub state: NodeState,
}

/// The state of the connection to an address.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodeState {
    /// The first attempt is under way.
    Connecting,
    /// There is a connection to the node.
    Connected,
    /// This node itself was found there.
    Own,
    /// There is no connection. The text is the error of the last attempt.
    Unreachable(String),
}

/// The addresses that the nodes have now.
#[derive(Default)]
pub(super) struct Addresses {
    states: Mutex<BTreeMap<String, NodeState>>,
    /// Whether each address was tried.
    ready: watch::Sender<bool>,
}

impl Addresses {
    /// The state of an address, or none: it has no node any more, or one that is connected by another address.
    pub(super) fn set(&self, address: &str, state: Option<NodeState>) {
        let mut states = self.states.lock();
        match state {
            Some(state) => drop(states.insert(address.to_owned(), state)),
            None => drop(states.remove(address)),
        }
    }

    pub(super) fn all(&self) -> Vec<NodeStatus> {
        let states = self.states.lock();
        let status = |(address, state): (&String, &NodeState)| NodeStatus {
            address: address.clone(),
            state: state.clone(),
        };
        states.iter().map(status).collect()
    }

    pub(super) async fn ready(&self) {
        // It does not fail: the sender is in `self`.
        let _ = self.ready.subscribe().wait_for(|ready| *ready).await;
    }
}

/// A share of the first attempts. When all are dropped, the node is ready.
#[derive(Clone)]
pub(super) struct FirstAttempt(#[expect(dead_code, reason = "held for its drop")] Arc<Round>);

struct Round(Arc<Addresses>);

impl FirstAttempt {
    pub(super) fn new(addresses: &Arc<Addresses>) -> Self {
        Self(Arc::new(Round(Arc::clone(addresses))))
    }
}

impl Drop for Round {
    fn drop(&mut self) {
        self.0.ready.send_replace(true);
    }
}
