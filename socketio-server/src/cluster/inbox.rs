//! Messages of other cluster nodes, and their effect on this node.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use socketio_cluster::{Flags, Message, NodeId, Offset, RequestId};
use socketio_parser::RawArgs;
use tokio::sync::mpsc;

use super::node::NamespaceNode;
use super::peers::ClusterPeers;
use super::requests::Reply;
use super::{Adapter, ClusterGap, EchoId, Presence};
use crate::acks::{AckCollector, AckWaiter};
use crate::encode::Marks;
use crate::rooms::Target;
use crate::{encode, trace};

/// Entry point for messages of other nodes, used by an adapter. The handle does not keep the namespace alive.
#[derive(Clone)]
pub struct ClusterInbox {
    namespace_node: Weak<NamespaceNode>,
    namespace: Arc<str>,
    node: NodeId,
}

impl ClusterInbox {
    /// Connects a namespace with the other nodes.
    pub(crate) fn open(namespace_node: &Arc<NamespaceNode>, adapter: &dyn Adapter, node_name: Option<&str>) {
        let inbox = Self {
            namespace_node: Arc::downgrade(namespace_node),
            namespace: Arc::clone(namespace_node.name()),
            node: node_name.map_or_else(NodeId::random, NodeId::named),
        };
        namespace_node.connect(adapter.open(inbox.clone()));
        inbox.start();
    }

    /// Name of the namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Id of this node. Messages of this node that the medium echoes are ignored.
    pub fn node(&self) -> &NodeId {
        &self.node
    }

    /// Whether the namespace still exists.
    pub fn is_open(&self) -> bool {
        self.namespace_node.strong_count() > 0
    }

    /// Whether this node has sockets in the room; the id of a socket is a room too. If not, the adapter may
    /// skip the decoding of a broadcast to it, unless its link has a [`SessionStore`](super::SessionStore): see
    /// [`has_receivers`](Self::has_receivers). It takes a lock for reading and allocates nothing.
    pub fn has_room(&self, room: &str) -> bool {
        let namespace_node = self.namespace_node.upgrade();
        namespace_node.is_some_and(|namespace_node| namespace_node.rooms.read().has_room(room))
    }

    /// Whether a broadcast to this target may have an effect on this node: a socket may be selected, or clients are
    /// being restored from a [`SessionStore`](super::SessionStore), and get the broadcast if they are members. If not,
    /// the adapter may skip the decoding, and has to call [`advance`](Self::advance). Costs the same as
    /// [`has_room`](Self::has_room).
    pub fn has_receivers(&self, target: &Target) -> bool {
        self.namespace_node.upgrade().is_some_and(|namespace_node| {
            namespace_node.rooms.has_receivers(target)
                || namespace_node.ordered_log().is_some_and(|log| log.is_restoring())
        })
    }

    /// Whether a socket with this id is on this node. For adapters that treat the rooms under the sockets'
    /// own ids in another way.
    pub fn has_socket(&self, id: &str) -> bool {
        let namespace_node = self.namespace_node.upgrade();
        namespace_node.is_some_and(|namespace_node| namespace_node.rooms.read().find(id).is_some())
    }

    /// Whether this node waits for answers to the request. If not, the adapter may skip the decoding of one.
    pub fn awaits(&self, request: &RequestId) -> bool {
        let namespace_node = self.namespace_node.upgrade();
        namespace_node.and_then(|node| Some(node.cluster()?.awaits(request))).unwrap_or_default()
    }

    /// Reports that this node did not receive messages of other nodes for this time, and the number of
    /// messages if the adapter knows it. The application receives it: see
    /// [`Namespace::on_cluster_gap`](crate::Namespace::on_cluster_gap).
    pub fn gap(&self, duration: Duration, lost: Option<u64>) {
        let Some(namespace_node) = self.namespace_node.upgrade() else { return };
        let gap = ClusterGap::new(duration, lost);
        if let Some(cluster) = namespace_node.cluster() {
            cluster.count_gap(&gap);
        }
        trace::cluster_gap(&self.namespace, duration, lost);
        if let Some(hooks) = namespace_node.on_gap.current() {
            hooks.calls().for_each(|hook| hook(&gap));
        }
    }

    /// Handles a message of a node. The adapter must pass the messages of one node one after the other, in
    /// their order. `offset` is the position of the message in a medium that orders all messages.
    ///
    /// With an offset all earlier messages of the medium must have been passed before. Messages of this node that the
    /// medium returns are passed to [`receive_echo`](Self::receive_echo); here they are ignored.
    pub async fn receive(&self, from: NodeId, message: Message, offset: Option<Offset>) {
        if from == self.node {
            return;
        }
        let Some(namespace_node) = self.namespace_node.upgrade() else { return };
        // A message that arrives while the adapter still opens the link waits for it.
        let opened = namespace_node.cluster_opened().await;
        let Some(cluster) = opened.filter(|cluster| !cluster.is_closed()) else { return };
        cluster.seen(&from);
        match message {
            Message::InitialHeartbeat => {
                cluster.announce(&Message::Heartbeat).await;
            }
            Message::Heartbeat => {}
            Message::Close => cluster.node_left(&from),
            Message::Broadcast { request: None, .. }
            | Message::SocketsJoin { .. }
            | Message::SocketsLeave { .. }
            | Message::DisconnectSockets { .. } => {
                let marks = match &message {
                    Message::Broadcast { flags, .. } => Marks::received(*flags),
                    _ => Marks::NONE,
                };
                // An event that cannot be encoded here could not be encoded on the sending node either.
                let _ = namespace_node.apply(&message, &marks, offset.as_ref());
            }
            Message::Broadcast { target, flags, event, request: Some(request) } => {
                if namespace_node.has_outgoing() {
                    namespace_node.notify_outgoing(&target, &event);
                }
                let id = namespace_node.next_ack_id();
                let (collector, answers) = AckCollector::new(namespace_node.ack_budget());
                let message = encode::event(
                    namespace_node.parser(),
                    namespace_node.name(),
                    Some(id),
                    event.name(),
                    event.args(),
                    None,
                );
                let (receivers, over_limit) = match message {
                    Ok(message) => {
                        let message = message.compress(flags.compress);
                        let waiting = || AckWaiter::Many(collector.clone());
                        namespace_node.rooms.send_with_ack(&target, id, &message, flags.volatile, waiting)
                    }
                    Err(_) => (Vec::new(), 0),
                };
                drop(collector);
                let count = receivers.len() + over_limit;
                let count = Message::BroadcastClientCount { request: request.clone(), count };
                cluster.respond(&from, count).await;
                if !receivers.is_empty() {
                    tokio::spawn(async move {
                        relay(&namespace_node, &from, &request, answers, flags, receivers.len()).await;
                        receivers.iter().for_each(|member| member.forget_ack(id));
                    });
                }
            }
            Message::FetchSockets { target, request } => {
                let sockets = namespace_node.rooms.details(&target);
                cluster.respond(&from, Message::FetchSocketsResponse { request, sockets }).await;
            }
            Message::ServerSideEmit { event, request } => {
                let answer = namespace_node.server_event(&event, request.is_some());
                if let Some(request) = request {
                    tokio::spawn(async move {
                        let Some(cluster) = namespace_node.cluster() else { return };
                        let _counted = cluster.open_reply();
                        // A handler that never answers is covered by the timeout of the requesting node,
                        // which this node does not know.
                        if let Ok(answer) = answer.await {
                            cluster.respond(&from, Message::ServerSideEmitResponse { request, answer }).await;
                        }
                    });
                }
            }
            Message::AllRooms { request } => {
                let rooms = namespace_node.rooms.read().names_and_ids();
                cluster.respond(&from, Message::AllRoomsResponse { request, rooms }).await;
            }
            Message::AllRoomsResponse { request, rooms } => {
                cluster.reply(&request, Reply::Rooms(from, rooms));
            }
            Message::FetchSocketsResponse { request, sockets } => {
                cluster.reply(&request, Reply::Sockets(from, sockets));
            }
            Message::ServerSideEmitResponse { request, answer } => {
                cluster.reply(&request, Reply::Server(from, answer));
            }
            Message::BroadcastClientCount { request, count } => {
                cluster.reply(&request, Reply::Count(from, count));
            }
            Message::BroadcastAck { request, answer } => {
                cluster.reply(&request, Reply::Client(answer));
            }
            // A message that this server does not handle.
            _ => {}
        }
        if let Some((namespace_node, offset)) = self.namespace_node.upgrade().zip(offset) {
            namespace_node.advance(&offset);
        }
    }

    /// Handles a message of this node that the medium has returned, given by its echo, between the messages of other
    /// nodes. A message that was applied before, because it took too long, is skipped.
    pub fn receive_echo(&self, echo: EchoId, offset: &Offset) {
        if let Some(namespace_node) = self.namespace_node.upgrade() {
            namespace_node.echoed(echo, offset);
        }
    }

    /// Records that all messages up to this position were passed. The adapter calls it with the position from which it
    /// starts to read, and when it has skipped messages, such as those of other namespaces. Clients that return wait
    /// until this node has reached the position up to which the store has read their events.
    pub fn advance(&self, offset: &Offset) {
        if let Some(namespace_node) = self.namespace_node.upgrade() {
            namespace_node.advance(offset);
        }
    }

    /// Announces this node and starts its heartbeats.
    fn start(&self) {
        let Some(namespace_node) = self.namespace_node.upgrade() else { return };
        let Some(Presence::Heartbeats { interval, timeout }) =
            namespace_node.cluster().map(ClusterPeers::presence)
        else {
            return;
        };
        let weak = self.namespace_node.clone();
        tokio::spawn(async move {
            if let Some(cluster) = namespace_node.cluster() {
                cluster.announce(&Message::InitialHeartbeat).await;
            }
            drop(namespace_node);
            // A timer without a period panics.
            let period = (interval.min(timeout) / 5).max(Duration::from_millis(1));
            let mut ticks = tokio::time::interval(period);
            loop {
                ticks.tick().await;
                let Some(namespace_node) = weak.upgrade() else { return };
                let Some(cluster) = namespace_node.cluster().filter(|cluster| !cluster.is_closed()) else {
                    return;
                };
                cluster.heartbeat(interval, timeout).await;
            }
        });
    }
}

/// Forwards the acknowledgements of this node's clients to the requesting node.
async fn relay(
    namespace_node: &NamespaceNode,
    to: &NodeId,
    request: &RequestId,
    mut answers: mpsc::UnboundedReceiver<RawArgs>,
    flags: Flags,
    receivers: usize,
) {
    let Some(cluster) = namespace_node.cluster() else { return };
    let _counted = cluster.open_reply();
    let deadline = cluster.deadline(flags.timeout);
    for _ in 0..receivers {
        let Ok(Some(args)) = tokio::time::timeout_at(deadline, answers.recv()).await else { return };
        let answer = args.get(0).map(|first| first.to_owned());
        cluster.respond(to, Message::BroadcastAck { request: request.clone(), answer }).await;
    }
}

impl fmt::Debug for ClusterInbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterInbox")
            .field("namespace", &self.namespace)
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{AdapterError, BoxFuture, ClusterLink};
    use crate::config::Config;

    struct Hasty(mpsc::UnboundedSender<u8>);

    impl Adapter for Hasty {
        fn open(&self, _: ClusterInbox) -> Arc<dyn ClusterLink> {
            Arc::new(Self(self.0.clone()))
        }
    }

    impl ClusterLink for Hasty {
        fn publish<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), AdapterError>> {
            let _ = self.0.send(message.kind());
            Box::pin(async { Ok(()) })
        }

        fn presence(&self) -> Presence {
            Presence::Heartbeats { interval: Duration::ZERO, timeout: Duration::ZERO }
        }
    }

    /// A timer without a period would panic, and this node would send no heartbeats.
    #[tokio::test]
    async fn heartbeats_are_sent_even_with_a_zero_interval() {
        let (sender, mut published) = mpsc::unbounded_channel();
        let namespace_node = NamespaceNode::new("/".into(), &Config::default(), Arc::default(), true);
        ClusterInbox::open(&namespace_node, &Hasty(sender), None);
        for kind in [1, 2, 2, 2] {
            let next = tokio::time::timeout(Duration::from_secs(20), published.recv()).await;
            assert_eq!(next, Ok(Some(kind)));
        }
    }
}
