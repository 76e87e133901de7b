//! What the other nodes of a cluster say, and what this node does then.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use socketio_parser::RawArgs;
use tokio::sync::mpsc;

use super::cluster::{Cluster, REQUEST_TIMEOUT};
use super::hub::Hub;
use super::message::{Flags, Message};
use super::requests::{Reply, deadline};
use super::{Adapter, Presence};
use crate::ack::Waiting;
use crate::emit;
use crate::id::{NodeId, RequestId};
use crate::room::Target;

/// Where an adapter hands in what other nodes say. A handle that does not keep the namespace alive.
#[derive(Clone)]
pub struct Inbound {
    hub: Weak<Hub>,
    namespace: Arc<str>,
    node: NodeId,
}

impl Inbound {
    /// Connects a namespace with the other nodes.
    pub(crate) fn open(hub: &Arc<Hub>, adapter: &dyn Adapter) {
        let inbound =
            Self { hub: Arc::downgrade(hub), namespace: Arc::clone(hub.name()), node: NodeId::random() };
        hub.connect(adapter.open(inbound.clone()));
        inbound.begin();
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// This node. What it said itself and gets back is ignored.
    pub fn node(&self) -> &NodeId {
        &self.node
    }

    /// Whether the namespace is still there.
    pub fn is_open(&self) -> bool {
        self.hub.strong_count() > 0
    }

    /// Whether somebody on this node is in the room: if not, a broadcast to it need not be decoded.
    pub fn has_room(&self, room: &str) -> bool {
        let target = Target { rooms: vec![room.into()], except: Vec::new() };
        self.hub.upgrade().is_some_and(|hub| hub.local.has(&target))
    }

    /// A node said something. Messages of one node are handed in one after the other, in their order.
    pub async fn receive(&self, from: NodeId, message: Message) {
        if from == self.node {
            return;
        }
        let Some(hub) = self.hub.upgrade() else { return };
        // What is handed in while the adapter is still opening waits for that.
        let opened = hub.cluster_opened().await;
        let Some(cluster) = opened.filter(|cluster| !cluster.is_closed()) else { return };
        cluster.heard(&from);
        match message {
            Message::InitialHeartbeat => {
                cluster.say_hello(&Message::Heartbeat).await;
            }
            Message::Heartbeat => {}
            Message::Close => cluster.left(&from),
            Message::Broadcast { target, flags, event, request: None } => {
                // An event that cannot be encoded here could not be there either.
                let _ = hub.deliver_event(&target, flags, &event, None);
            }
            Message::Broadcast { target, flags, event, request: Some(request) } => {
                if hub.has_outgoing() {
                    hub.tell_outgoing(&target, &event);
                }
                let id = hub.next_ack_id();
                let (sender, answers) = mpsc::unbounded_channel();
                let message =
                    emit::event(hub.parser(), hub.name(), Some(id), event.name(), event.args(), None);
                let (asked, passed_over) = match message {
                    Ok(message) => {
                        let message = message.compress(flags.compress);
                        let waiting = || Waiting::Many(sender.clone());
                        hub.local.ask(&target, id, &message, flags.volatile, waiting)
                    }
                    Err(_) => (Vec::new(), 0),
                };
                drop(sender);
                let count = asked.len() + passed_over;
                let count = Message::BroadcastClientCount { request: request.clone(), count };
                cluster.respond(&from, count).await;
                if !asked.is_empty() {
                    tokio::spawn(async move {
                        relay(&hub, &from, &request, answers, flags, asked.len()).await;
                        asked.iter().for_each(|member| member.forget_ack(id));
                    });
                }
            }
            Message::SocketsJoin { target, rooms } => hub.local.join_all(&target, &rooms),
            Message::SocketsLeave { target, rooms } => hub.local.leave_rooms(&target, &rooms),
            Message::DisconnectSockets { target, close } => hub.disconnect_here(&target, close),
            Message::FetchSockets { target, request } => {
                let sockets = hub.local.details(&target);
                cluster.respond(&from, Message::FetchSocketsResponse { request, sockets }).await;
            }
            Message::ServerSideEmit { event, request } => {
                let answer = hub.server_event(&event, request.is_some());
                if let Some(request) = request {
                    tokio::spawn(async move {
                        // A handler that never answers is what the other side's timeout is for.
                        if let (Ok(answer), Some(cluster)) = (answer.await, hub.cluster()) {
                            cluster.respond(&from, Message::ServerSideEmitResponse { request, answer }).await;
                        }
                    });
                }
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
        }
    }

    /// Makes this node known, and keeps it so.
    fn begin(&self) {
        let Some(hub) = self.hub.upgrade() else { return };
        let Some(Presence::Heartbeats { interval, timeout }) = hub.cluster().map(Cluster::presence) else {
            return;
        };
        let weak = self.hub.clone();
        tokio::spawn(async move {
            if let Some(cluster) = hub.cluster() {
                cluster.say_hello(&Message::InitialHeartbeat).await;
            }
            drop(hub);
            // A timer without a period panics.
            let period = (interval.min(timeout) / 5).max(Duration::from_millis(1));
            let mut ticks = tokio::time::interval(period);
            loop {
                ticks.tick().await;
                let Some(hub) = weak.upgrade() else { return };
                let Some(cluster) = hub.cluster().filter(|cluster| !cluster.is_closed()) else { return };
                cluster.beat(interval, timeout).await;
            }
        });
    }
}

/// Passes the answers of this node's clients on to the node that asked.
async fn relay(
    hub: &Hub,
    to: &NodeId,
    request: &RequestId,
    mut answers: mpsc::UnboundedReceiver<RawArgs>,
    flags: Flags,
    asked: usize,
) {
    let Some(cluster) = hub.cluster() else { return };
    let deadline = deadline(flags.timeout.unwrap_or(REQUEST_TIMEOUT));
    for _ in 0..asked {
        let Ok(Some(args)) = tokio::time::timeout_at(deadline, answers.recv()).await else { return };
        let answer = args.get(0).map(|first| first.to_owned());
        cluster.respond(to, Message::BroadcastAck { request: request.clone(), answer }).await;
    }
}

impl fmt::Debug for Inbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbound")
            .field("namespace", &self.namespace)
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::{AdapterError, BoxFuture, Link};
    use crate::config::Config;

    struct Hasty(mpsc::UnboundedSender<u8>);

    impl Adapter for Hasty {
        fn open(&self, _: Inbound) -> Arc<dyn Link> {
            Arc::new(Self(self.0.clone()))
        }
    }

    impl Link for Hasty {
        fn publish<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), AdapterError>> {
            let _ = self.0.send(message.kind());
            Box::pin(async { Ok(()) })
        }

        fn presence(&self) -> Presence {
            Presence::Heartbeats { interval: Duration::ZERO, timeout: Duration::ZERO }
        }
    }

    /// A timer without a period would panic, and this node would never be heard again.
    #[tokio::test]
    async fn heartbeats_without_an_interval_are_sent_all_the_same() {
        let (sender, mut published) = mpsc::unbounded_channel();
        let hub = Hub::new("/".into(), &Config::default(), Arc::default(), true);
        Inbound::open(&hub, &Hasty(sender));
        for kind in [1, 2, 2, 2] {
            let next = tokio::time::timeout(Duration::from_secs(20), published.recv()).await;
            assert_eq!(next, Ok(Some(kind)));
        }
    }
}
