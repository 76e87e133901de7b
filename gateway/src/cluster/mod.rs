//! This gateway as a node of a cluster: the adapter, the other gateways, and questions to them.
//!
//! The adapter carries events, rooms and disconnects between Socket.IO servers of any kind. What only gateways know of
//! each other goes through `question`, as events between servers in the namespace for operators. Without a cluster
//! nothing here has a cost.

mod adapter;
mod answers;
mod elsewhere;
mod group;
mod members;
mod peers;
mod peers_tls;
mod question;
mod revocations;
mod sharing;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use engineio::peers::TcpPeers;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use socketio_redis::Health;
use socketio_server::{Ack, GatherError, RawArgs, Server};
use thiserror::Error;

pub(crate) use self::adapter::AnyAdapter;
pub(crate) use self::answers::{Answerer, NodeStats, RoomList};
pub(crate) use self::elsewhere::Emission;
pub(crate) use self::group::{Group, WorkerMetrics};
use self::members::Members;
pub(crate) use self::peers::Peers;
pub(crate) use self::question::Question;
use self::question::{ASK, Answer, HERE, Presence};
pub(crate) use self::sharing::Sharing;
use crate::config::{self, STATS_NAMESPACE};
use crate::listen::certificate::{Certificate, TlsError};
use crate::medium::Connections;

/// Interval at which a node tells the others that it is there. Costs one small message.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// Error of joining a cluster.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// The connections need a runtime of tokio.
    #[error("cluster: a gateway of a cluster must be created within a runtime of tokio")]
    Runtime,
    /// The URL cannot be read.
    #[error("{0}: the URL cannot be read")]
    Url(&'static str),
    /// The address for other gateways cannot be listened on.
    #[error("cluster.peers_listen: {address}: {source}")]
    Peers {
        /// Address in the configuration.
        address: String,
        /// I/O error.
        source: std::io::Error,
    },
    /// A file of the TLS between gateways is unusable.
    #[error("{setting}: {source}")]
    PeersTls {
        /// Name of the setting.
        setting: &'static str,
        /// Error of the file.
        source: TlsError,
    },
    /// The system has no random bytes for the name of the node.
    #[error("cluster.node: the system has no random bytes: {0}")]
    Random(#[from] getrandom::Error),
}

/// The cluster of this node, or none. Clones refer to the same.
#[derive(Clone)]
pub(crate) struct Cluster(Option<Arc<Membership>>);

struct Membership {
    /// Name of this node.
    node: String,
    /// Distinguishes this run of the node from others with the same name.
    instance: String,
    connections: Connections,
    /// The direct connections to gateways that share their sessions with this one, if any do.
    peers: Option<TcpPeers>,
    /// The certificate of these connections, if they are encrypted.
    peers_certificate: Option<Arc<Certificate>>,
    members: Members,
    /// The workers of one supervisor, if this node is one of them.
    group: Arc<OnceLock<Group>>,
}

/// The adapter and the medium of shared sessions that the server of a node uses.
pub(crate) struct Media {
    pub(crate) adapter: AnyAdapter,
    pub(crate) peers: Option<Peers>,
}

/// Answers of the other nodes.
#[derive(Debug)]
pub(crate) struct Answers<T> {
    pub(crate) answers: Vec<Answered<T>>,
    pub(crate) partial: Option<Partial>,
}

/// Answer of one node.
#[derive(Debug)]
pub(crate) struct Answered<T> {
    /// Name of the node.
    pub(crate) node: String,
    pub(crate) instance: String,
    pub(crate) answer: T,
}

/// Missing parts of a result of the whole cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Partial {
    /// Names of the nodes that did not answer.
    pub(crate) missing: Vec<String>,
    /// State of the link to Redis or PostgreSQL: `connected`, `deaf` or `down`.
    pub(crate) link: &'static str,
}

impl Cluster {
    /// Opens the connections to Redis or PostgreSQL, if there is a cluster, and listens for gateways that share their sessions.
    pub(crate) fn open(config: &config::Config) -> Result<(Self, Option<Media>), ClusterError> {
        let config::Config { cluster: settings, transport, .. } = config;
        if !settings.is_enabled() {
            return Ok((Self(None), None));
        }
        tokio::runtime::Handle::try_current().map_err(|_| ClusterError::Runtime)?;
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes)?;
        let instance = format!("{:016x}", u64::from_le_bytes(bytes));
        let node = match settings.node.as_str() {
            "" => format!("{}-{}", host_name(), &instance[..4]),
            name => name.to_owned(),
        };
        let keep_for = Duration::from_millis(transport.recovery_ms);
        let adapter =
            AnyAdapter::open(settings, &node, keep_for).ok_or(ClusterError::Url(settings.url_key()))?;
        let connections = adapter.connections();
        let peers = Peers::open(config)?;
        let link = Membership {
            node,
            instance,
            connections,
            peers: peers.as_ref().map(|peers| peers.medium.clone()),
            peers_certificate: peers.as_ref().and_then(|peers| peers.certificate.clone()),
            members: Members::default(),
            group: Arc::default(),
        };
        Ok((Self(Some(Arc::new(link))), Some(Media { adapter, peers })))
    }

    /// Whether this gateway is a node of a cluster.
    pub(crate) fn is_enabled(&self) -> bool {
        self.0.is_some()
    }

    /// Name of this node; `None` without a cluster.
    pub(crate) fn node(&self) -> Option<&str> {
        self.0.as_ref().map(|link| link.node.as_str())
    }

    /// The connections to Redis or PostgreSQL.
    pub(crate) fn connections(&self) -> Option<&Connections> {
        self.0.as_ref().map(|link| &link.connections)
    }

    /// Name of the system that the messages go through; `None` without a cluster.
    pub(crate) fn medium(&self) -> Option<&'static str> {
        self.0.as_ref().map(|link| link.connections.name())
    }

    /// Name of the state of the link to Redis or PostgreSQL; `None` without a cluster.
    pub(crate) fn health(&self) -> Option<&'static str> {
        self.0.as_ref().map(|link| link.health())
    }

    /// The direct connections to gateways that share their sessions with this one, if any do.
    pub(crate) fn peers(&self) -> Option<&TcpPeers> {
        self.0.as_ref()?.peers.as_ref()
    }

    /// The certificate of these connections, if they are encrypted.
    pub(crate) fn peers_certificate(&self) -> Option<&Arc<Certificate>> {
        self.0.as_ref()?.peers_certificate.as_ref()
    }

    /// What [`peers`](Self::peers) shows now.
    pub(crate) fn sharing(&self, io: &Server) -> Option<Sharing> {
        self.peers().map(|peers| Sharing::of(io, peers, self.group().get().is_some()))
    }

    /// The place of the workers that this node belongs to; empty if it is no worker.
    pub(crate) fn group(&self) -> Arc<OnceLock<Group>> {
        self.0.as_ref().map(|link| Arc::clone(&link.group)).unwrap_or_default()
    }

    /// Waits until the gateways that share their sessions with this one know it, if they can be reached.
    pub(crate) async fn peers_ready(&self) {
        if let Some(peers) = self.peers() {
            peers.ready().await;
        }
    }

    /// Names of the other gateways, as far as this one has heard of them.
    pub(crate) fn others(&self) -> Vec<String> {
        self.0.as_ref().map(|link| link.members.names(Instant::now())).unwrap_or_default()
    }

    /// Answers the questions of other nodes, and tells them that this one is there, until the server is freed.
    pub(crate) fn start(&self, io: &Server, answerer: Answerer) {
        let Some(link) = &self.0 else { return };
        link.answer(io, answerer);
        let (link, io) = (Arc::clone(link), io.downgrade());
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(HEARTBEAT);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let Some(io) = io.upgrade() else { return };
                link.tell(&io, false).await;
            }
        });
    }

    /// Tells the other nodes that this one leaves, so that they do not miss it.
    pub(crate) async fn leave(&self, io: &Server) {
        if let Some(link) = &self.0 {
            link.tell(io, true).await;
        }
    }

    /// Asks all other nodes.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, io: &Server, question: &Question) -> Answers<T> {
        match &self.0 {
            Some(link) => link.ask(io, question).await,
            None => Answers { answers: Vec::new(), partial: None },
        }
    }
}

impl Membership {
    fn health(&self) -> &'static str {
        match self.connections.health() {
            Health::Connected => "connected",
            Health::Deaf { .. } => "deaf",
            _ => "down",
        }
    }

    /// Answers the events of other nodes. The handlers belong to the server, so they hold no server.
    fn answer(self: &Arc<Self>, io: &Server, answerer: Answerer) {
        let namespace = io.of(STATS_NAMESPACE);
        let link = Arc::downgrade(self);
        namespace.on_server_event(HERE, move |args: RawArgs| {
            if let (Some(link), Ok(presence)) = (link.upgrade(), args.parse::<Presence>(0)) {
                link.heard(&presence);
            }
            async {}
        });
        let link = Arc::downgrade(self);
        let answerer = Arc::new(answerer);
        namespace.on_server_event(ASK, move |args: RawArgs| {
            let (link, answerer) = (link.upgrade(), Arc::clone(&answerer));
            async move {
                let Some(link) = link else { return Err("the gateway is gone".to_owned()) };
                // A newer gateway may ask what this one does not know.
                let answer = match args.parse(0) {
                    Ok(Question::At { instance, .. }) if instance != link.instance => Value::Null,
                    Ok(question) => answerer.answer(question).await,
                    Err(error) => {
                        tracing::debug!(%error, "unknown question of another node");
                        Value::Null
                    }
                };
                Ok(Ack(Answer { presence: link.presence(false), answer }))
            }
        });
    }

    fn presence(&self, leaving: bool) -> Presence {
        Presence { node: self.node.clone(), instance: self.instance.clone(), leaving }
    }

    fn heard(&self, presence: &Presence) {
        if presence.instance == self.instance {
            return;
        }
        if presence.node == self.node && !presence.leaving && self.members.is_new(&presence.instance) {
            tracing::warn!(node = self.node, "another node of the cluster has the same cluster.node");
        }
        self.members.heard(presence, Instant::now());
    }

    /// Tells the other nodes that this one is there, or leaves.
    async fn tell(&self, io: &Server, leaving: bool) {
        let Some(namespace) = io.namespace(STATS_NAMESPACE) else { return };
        if let Err(error) = namespace.server_side_emit(HERE, &self.presence(leaving)).await {
            tracing::debug!(%error, "the other nodes do not hear of this one");
        }
    }

    async fn ask<T: DeserializeOwned>(&self, io: &Server, question: &Question) -> Answers<T> {
        // Before the question: a node that leaves meanwhile is not missed.
        let mut missing = self.members.expected(Instant::now());
        let Some(namespace) = io.namespace(STATS_NAMESPACE) else {
            return Answers { answers: Vec::new(), partial: None };
        };
        let (values, unknown) = match namespace.server_side_emit_with_ack::<Value>(ASK, question).await {
            Ok(values) => (values, 0),
            Err(GatherError::Partial(partial)) => (partial.answers, partial.missing),
            Err(error) => {
                tracing::debug!(%error, "the other nodes are not asked");
                (Vec::new(), 0)
            }
        };
        let mut answers = Vec::new();
        for value in values {
            let Ok(Answer { presence, answer }) = serde_json::from_value::<Answer>(value) else { continue };
            self.heard(&presence);
            // An answer that cannot be read counts as missing.
            if let Ok(answer) = serde_json::from_value(answer) {
                missing.remove(&presence.instance);
                answers.push(Answered { node: presence.node, instance: presence.instance, answer });
            }
        }
        let mut missing: Vec<String> = missing.into_values().collect();
        missing.sort();
        // Nodes that have not told their names.
        missing.extend((missing.len()..unknown).map(|_| "unknown".to_owned()));
        let link = self.health();
        let is_complete = missing.is_empty() && link == "connected";
        Answers { answers, partial: (!is_complete).then_some(Partial { missing, link }) }
    }
}

/// Name of this host, with the characters that a name of a node may have.
pub(crate) fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = name.or_else(|| std::env::var("COMPUTERNAME").ok()).unwrap_or_default();
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let name: String = name.trim().chars().filter(is_plain).take(50).collect();
    if name.is_empty() { "gateway".to_owned() } else { name }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("node", &self.node()).finish_non_exhaustive()
    }
}
