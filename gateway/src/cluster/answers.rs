//! Answers of this node to the questions of others.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use engineio::peers::TcpPeers;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use socketio_server::{Server, WeakServer};

use super::group::Group;
use super::question::Question;
use super::sharing::Sharing;
use crate::auth::tokens::Tokens;
use crate::node::clients;
use crate::node::distinct::Distinct;
use crate::node::listing::{self, RoomMembers, Totals};
use crate::stats::disconnects::Disconnects;
use crate::stats::snapshot::Stats;

/// Limit of the members of rooms that are told to another node, each once for each room.
const MAX_MEMBERS: usize = 100_000;
/// Limit of the sockets in one answer: a page of the API, and one more.
const MAX_SOCKETS: usize = 1_001;

/// Answers questions. It belongs to handlers of the server, so it does not keep the server alive.
pub(crate) struct Answerer {
    pub(crate) io: WeakServer,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) disconnects: Arc<Disconnects>,
    pub(crate) started: Instant,
    /// The direct connections to other nodes, if this one shares its sessions.
    pub(crate) peers: Option<TcpPeers>,
    /// The workers of one supervisor, if this node is one of them.
    pub(crate) group: Arc<OnceLock<Group>>,
}

/// Rooms of a node.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct RoomList {
    pub(crate) rooms: Vec<RoomMembers>,
    /// Whether there are more than were told.
    pub(crate) truncated: bool,
}

/// Statistics of a node.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct NodeStats {
    pub(crate) stats: Stats,
    pub(crate) rooms: Distinct,
    /// The sessions that the node shares with others. An older node does not tell.
    #[serde(default)]
    pub(crate) sharing: Option<Sharing>,
}

impl Answerer {
    /// Answers a question. The answer null stands for nothing.
    pub(super) async fn answer(&self, question: Question) -> Value {
        match self.io.upgrade() {
            Some(io) => self.of(&io, question).await,
            None => Value::Null,
        }
    }

    async fn of(&self, io: &Server, question: Question) -> Value {
        match question {
            Question::Rooms => {
                let (rooms, truncated) = listing::rooms(io, MAX_MEMBERS);
                to_json(&RoomList { rooms, truncated })
            }
            Question::Sockets(mut page) => {
                page.limit = page.limit.min(MAX_SOCKETS);
                json!(listing::sockets(io, &page))
            }
            Question::Stats => {
                let stats = Stats::collect(io, &self.disconnects, self.started.elapsed());
                let sharing =
                    self.peers.as_ref().map(|peers| Sharing::of(io, peers, self.group.get().is_some()));
                to_json(&NodeStats { stats, rooms: listing::room_names(io), sharing })
            }
            Question::Metrics { group } => {
                json!(self.group.get().filter(|own| own.id == group).and_then(Group::own))
            }
            Question::Totals => to_json(&Totals::of(io)),
            Question::Counts => to_json(&listing::counts(io, true)),
            Question::Clients { namespace, room } => listing::clients(io, &namespace, room.as_deref()).into(),
            Question::HasNamespace(name) => listing::namespace(io, &name).is_some().into(),
            Question::Client { namespace, id, call } => {
                clients::call(io, &namespace, &id, call).map_or(Value::Null, |result| json!(result))
            }
            Question::Emit { namespace, room, event, data } => {
                json!(clients::emit(io, &namespace, room.as_deref(), &event, &data).await)
            }
            // The caller has looked whether this is the node.
            Question::At { question, .. } => Box::pin(self.of(io, *question)).await,
            Question::Revoke { user, at } => {
                if let Err(error) = self.tokens.revoke(&user, at) {
                    tracing::error!(%error, "a revocation of another node is not remembered");
                }
                clients::disconnect(io, None, &listing::user_room(&user), true).await.into()
            }
            Question::Disconnect { namespace, room, close } => {
                clients::disconnect(io, namespace.as_deref(), &room, close).await.into()
            }
        }
    }
}

fn to_json(answer: &impl Serialize) -> Value {
    // Names and numbers always serialize.
    serde_json::to_value(answer).unwrap_or_default()
}
