//! The medium of Engine.IO servers that share their sessions: the format of the official
//! `@socket.io/cluster-engine` over Redis.

mod format;

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use engineio::peers::{Owner, PeerId, PeerInbox, PeerLink, PeerMessage, Peers};
use engineio::sync::Mutex;
use socketio_broker::driver::{Topic, TopicKind};
use socketio_broker::link::{Receiver, receive};
use socketio_broker::medium::{Arrival, Mailbox, Medium};
use socketio_cluster::{DecodeError, Limits, NodeId};
use tokio::sync::broadcast::error::RecvError;

use self::format::{decode, encode};
use crate::connections::Connections;
use crate::settings::Redis;

/// The largest number of other nodes that are remembered. Nodes that are started anew have another name.
const MAX_KNOWN: usize = 1000;

/// Medium for Engine.IO servers that share their sessions, in the format of the official
/// `@socket.io/cluster-engine` with Redis: servers of both kinds are nodes of one cluster.
///
/// A request asks all nodes for its session, and messages are delivered at most once. When this server has not heard
/// the others for a while, all connections that it relays end, as packets may be missing.
///
/// ```no_run
/// use engineio::{Message, Server, Session, handler_fn};
/// use socketio_redis::{Redis, RedisPeers};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let peers = RedisPeers::new(&Redis::open("redis://127.0.0.1:6379/")?);
/// let server = Server::builder().peers(peers.clone()).build(|_: &Session| {
///     handler_fn(|session: &Session, message: Message| drop(session.send(message)))
/// })?;
/// peers.connections().ready().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisPeers {
    medium: Medium,
    connections: Connections,
    prefix: Arc<str>,
}

/// Options of [`RedisPeers`], with the names of the official package. All servers need the same.
#[derive(Clone, Debug)]
pub struct RedisPeersBuilder {
    redis: Redis,
    prefix: String,
}

impl RedisPeers {
    /// The medium with the official defaults. It must be made within a runtime of tokio, as must the server.
    pub fn new(redis: &Redis) -> Self {
        Self::builder(redis).build()
    }

    /// Sets options first.
    pub fn builder(redis: &Redis) -> RedisPeersBuilder {
        RedisPeersBuilder { redis: redis.clone(), prefix: "engine.io".to_owned() }
    }

    /// The connections to Redis.
    pub fn connections(&self) -> &Connections {
        &self.connections
    }
}

impl RedisPeersBuilder {
    /// Prefix of the channels (`channelPrefix`). Two clusters on one Redis need different ones. Default
    /// `engine.io`.
    #[must_use]
    pub fn channel_prefix(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.prefix);
        self
    }

    /// Opens the connections. It must be called within a runtime of tokio.
    pub fn build(self) -> RedisPeers {
        let medium = self.redis.medium(&self.prefix, TopicKind::Channel);
        let connections = Connections::of_adapter(&medium);
        RedisPeers { medium, connections, prefix: self.prefix.into() }
    }
}

impl Peers for RedisPeers {
    fn open(&self, inbox: PeerInbox) -> Arc<dyn PeerLink> {
        let node = Arc::new(Node {
            medium: self.medium.clone(),
            prefix: Arc::clone(&self.prefix),
            id: PeerId::from(NodeId::random().as_str()),
            inbox,
            known: Mutex::default(),
        });
        let mailbox = self.medium.router().mailbox();
        let topics =
            [None, Some(node.id.as_str())].map(|to| Topic::new(TopicKind::Channel, &node.channel(to)));
        self.medium.router().subscribe(topics, &mailbox);
        receive(self.medium.clone(), Arc::clone(&self.prefix), Arc::clone(&mailbox), Arc::clone(&node));
        tokio::spawn(end_after_gaps(Arc::clone(&node), Arc::clone(&mailbox)));
        Arc::new(RedisLink { node, mailbox })
    }
}

impl fmt::Debug for RedisPeers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisPeers").field("channel_prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// A server on this medium.
struct Node {
    medium: Medium,
    prefix: Arc<str>,
    id: PeerId,
    inbox: PeerInbox,
    /// The nodes whose messages have arrived.
    known: Mutex<HashSet<PeerId>>,
}

impl Node {
    /// The channel of a node, or of all.
    fn channel(&self, to: Option<&str>) -> String {
        match to {
            Some(node) => format!("{}#{node}#", self.prefix),
            None => format!("{}#", self.prefix),
        }
    }

    fn learn(&self, peer: &PeerId) {
        let mut known = self.known.lock();
        if !known.contains(peer) {
            if known.len() >= MAX_KNOWN {
                known.clear();
            }
            known.insert(peer.clone());
        }
    }
}

impl Receiver for Node {
    async fn handle(&self, arrival: Arrival) -> Result<(), DecodeError> {
        let Some(envelope) = decode(&arrival.payload, &Limits::default())? else { return Ok(()) };
        let from = PeerId::from(envelope.from);
        if from == self.id {
            return Ok(());
        }
        self.learn(&from);
        match envelope.to {
            None => self.inbox.receive_broadcast(from, envelope.message),
            Some(to) if to == self.id.as_str() => self.inbox.receive(from, envelope.message),
            Some(_) => {}
        }
        Ok(())
    }
}

/// Ends what is relayed whenever messages may be missing.
async fn end_after_gaps(node: Arc<Node>, mailbox: Arc<Mailbox>) {
    let mut gaps = node.medium.gaps();
    loop {
        tokio::select! {
            gap = gaps.recv() => match gap {
                Ok(_) | Err(RecvError::Lagged(_)) => {
                    let known = std::mem::take(&mut *node.known.lock());
                    known.iter().for_each(|peer| node.inbox.lost(peer));
                }
                Err(RecvError::Closed) => return,
            },
            () = mailbox.closed() => return,
        }
    }
}

/// The link of a server. Its subscriptions end on drop.
struct RedisLink {
    node: Arc<Node>,
    mailbox: Arc<Mailbox>,
}

impl PeerLink for RedisLink {
    fn send(&self, to: Option<&PeerId>, message: PeerMessage) {
        let to_name = to.map(PeerId::as_str);
        let encoded = match encode(&message, self.node.id.as_str(), to_name) {
            Ok(None) => return,
            Ok(Some(bytes)) => Some(bytes),
            Err(_) => None,
        };
        let sent = encoded
            .is_some_and(|bytes| self.node.medium.publish(self.node.channel(to_name), bytes, false).is_ok());
        // A message that is dropped may have been packets of a client.
        if let (false, Some(to)) = (sent, to) {
            self.node.inbox.lost(to);
        }
    }

    fn owner_of(&self, sid: &str) -> Owner {
        if sid.len() == 20 { Owner::Unknown } else { Owner::Nobody }
    }

    fn has_extensions(&self) -> bool {
        false
    }

    fn close(&self) {
        self.node.medium.router().remove(&self.mailbox);
    }
}

impl Drop for RedisLink {
    fn drop(&mut self) {
        self.node.medium.router().remove(&self.mailbox);
    }
}
