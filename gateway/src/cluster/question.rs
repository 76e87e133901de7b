//! Questions of gateways to each other, and the form of their answers.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::node::clients::ClientCall;
use crate::node::listing::SocketsPage;

/// Event by which a node tells that it is there.
pub(super) const HERE: &str = "gateway:here";
/// Event that asks all nodes.
pub(super) const ASK: &str = "gateway:ask";

/// A node, as it tells the others of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Presence {
    pub(super) node: String,
    pub(super) instance: String,
    #[serde(default)]
    pub(super) leaving: bool,
}

/// Answer of a node.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Answer {
    #[serde(flatten)]
    pub(super) presence: Presence,
    pub(super) answer: Value,
}

/// Question to all other nodes. Each answers for itself.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Question {
    /// Rooms with their members: `RoomList`.
    Rooms,
    /// Sockets of a namespace: a list, or null if the node does not have the namespace.
    Sockets(SocketsPage),
    /// `Counts`.
    Counts,
    /// `NodeStats`.
    Stats,
    /// `Totals`.
    Totals,
    /// `WorkerMetrics` of the workers of a supervisor. Other nodes answer null.
    Metrics { group: String },
    /// Number of the clients of a namespace, or of one of its rooms.
    Clients { namespace: String, room: Option<String> },
    /// Whether the node has a namespace.
    HasNamespace(String),
    /// Emits to the members of a room, or to a whole namespace, on all nodes: `ClientResult`. Asked of one node that has
    /// the namespace.
    Emit { namespace: String, room: Option<String>, event: String, data: String },
    /// An operation on one client: its result, or null if the node does not have the client.
    Client { namespace: String, id: String, call: ClientCall },
    /// Disconnects the members of a room, in one namespace or in all: their number.
    Disconnect { namespace: Option<String>, room: String, close: bool },
    /// Revokes the tokens of a user that were issued up to this time, and disconnects the user: the number of clients.
    Revoke { user: String, at: u64 },
    /// A question to one node. The others answer null.
    At { instance: String, question: Box<Self> },
}
