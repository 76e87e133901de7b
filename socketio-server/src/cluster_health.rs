//! State of the link to the other nodes, and reports about it.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

/// State of the link of a namespace to the other nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AdapterHealth {
    /// Messages are sent and received.
    #[default]
    Connected,
    /// Messages are sent, but none are received. This node does not hear of other nodes and of their sockets.
    Deaf {
        /// When the adapter lost the connection. It notices that later.
        since: Instant,
    },
    /// Messages are neither sent nor received.
    Down {
        /// When the adapter lost the connection.
        since: Instant,
    },
}

impl AdapterHealth {
    /// Whether messages are sent and received.
    pub fn is_connected(&self) -> bool {
        matches!(self, Self::Connected)
    }

    /// The state that this one or the other one reports as worse.
    pub(crate) fn worse(self, other: Self) -> Self {
        match (self, other) {
            (Self::Connected, other) => other,
            (Self::Deaf { .. }, Self::Down { .. }) => other,
            (this, _) => this,
        }
    }
}

impl fmt::Display for AdapterHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected => f.write_str("connected"),
            Self::Deaf { since } => write!(f, "deaf for {:.1} s", since.elapsed().as_secs_f64()),
            Self::Down { since } => write!(f, "down for {:.1} s", since.elapsed().as_secs_f64()),
        }
    }
}

/// A time in which this node did not receive all messages of other nodes: see
/// [`Namespace::on_cluster_gap`](crate::Namespace::on_cluster_gap).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClusterGap {
    /// How long messages were lost.
    pub duration: Duration,
    /// Number of lost messages, if the adapter knows it.
    pub lost: Option<u64>,
}

impl ClusterGap {
    pub(crate) fn new(duration: Duration, lost: Option<u64>) -> Self {
        Self { duration, lost }
    }
}

/// Counts of one namespace in its cluster: see [`Namespace::cluster_stats`](crate::Namespace::cluster_stats).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClusterStats {
    /// Number of known other nodes. 0 if the medium counts the nodes.
    pub nodes: usize,
    /// Number of this node's requests that wait for replies.
    pub open_requests: usize,
    /// Number of other nodes' requests that wait for clients or handlers of this node.
    pub open_replies: usize,
    /// Number of this node's operations that are applied when the medium returns them, and have not been yet.
    pub pending_echoes: usize,
    /// Number of such operations that were applied without their echo, because it failed or was late.
    pub missed_echoes: u64,
    /// Number of gaps: see [`Namespace::on_cluster_gap`](crate::Namespace::on_cluster_gap).
    pub gaps: u64,
    /// Number of messages of other nodes that were lost in these gaps, as far as the adapter knows it.
    pub lost: u64,
}
