//! The adapter.

mod node;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use socketio_broker::Connections;
use socketio_broker::driver::{Topic, TopicKind};
use socketio_broker::medium::Medium;
use socketio_broker::stats::Counters;
use socketio_cluster::Limits;
use socketio_server::cluster::{Adapter, ClusterInbox, ClusterLink};

use self::node::NatsNode;
use crate::driver::NatsDriver;
use crate::encode::Encoder;
use crate::settings::Nats;
use crate::subject;

/// Adapter for clusters of servers on NATS.
///
/// Messages are delivered at most once: what is sent while a server is not connected never reaches it. A broadcast reaches the
/// clients of this server at once, whether NATS is there or not. The messages of a server arrive in their order.
///
/// A message is one message of NATS, so that it has at most `max_payload` bytes (1 MiB, unless the NATS server is configured
/// otherwise). A larger one is an error of the kind `TooLarge`, and counted.
///
/// ```no_run
/// use socketio_nats::{Nats, NatsAdapter};
/// use socketio_server::Server;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let nats = Nats::open("nats://10.0.0.1,nats://10.0.0.2")?;
/// let adapter = NatsAdapter::builder(&nats).subject_prefix("chat").build();
/// let io = Server::builder().adapter(adapter.clone()).build()?;
/// adapter.connections().ready().await;
/// io.to("room").emit("event", "for the members on all servers").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct NatsAdapter {
    medium: Medium,
    connections: Connections,
    encoder: Encoder,
    options: Arc<Options>,
}

/// Options of a [`NatsAdapter`]. All servers of a cluster need the same `subject_prefix`.
#[derive(Clone, Debug)]
pub struct NatsBuilder {
    nats: Nats,
    options: Options,
}

#[derive(Clone, Debug)]
struct Options {
    subject_prefix: String,
    requests_timeout: Duration,
    heartbeat_interval: Duration,
    heartbeat_timeout: Duration,
}

impl NatsAdapter {
    /// The adapter with the defaults. It must be made within a runtime of tokio.
    pub fn new(nats: &Nats) -> Self {
        Self::builder(nats).build()
    }

    /// Sets options first.
    pub fn builder(nats: &Nats) -> NatsBuilder {
        NatsBuilder {
            nats: nats.clone(),
            options: Options {
                subject_prefix: "socket.io".to_owned(),
                requests_timeout: Duration::from_secs(5),
                heartbeat_interval: Duration::from_secs(5),
                heartbeat_timeout: Duration::from_secs(10),
            },
        }
    }

    /// The connections to NATS.
    pub fn connections(&self) -> &Connections {
        &self.connections
    }
}

impl NatsBuilder {
    /// Prefix of the subjects. Two clusters of servers in one account of NATS need different ones. It may have several tokens;
    /// characters other than ASCII letters, digits, `-`, `_`, `/` and the dots between tokens are escaped.
    ///
    /// Default `socket.io`. Cost: its length in each message.
    #[must_use]
    pub fn subject_prefix(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.options.subject_prefix);
        self
    }

    /// Maximum wait for the answers of the other servers.
    ///
    /// Default 5 s. Cost: an entry per request until then.
    #[must_use]
    pub fn requests_timeout(mut self, timeout: Duration) -> Self {
        self.options.requests_timeout = timeout;
        self
    }

    /// Maximum silence of this server in a namespace, after which it sends a heartbeat.
    ///
    /// Default 5 s. Cost: one small message in that time.
    #[must_use]
    pub fn heartbeat_interval(mut self, interval: Duration) -> Self {
        self.options.heartbeat_interval = interval;
        self
    }

    /// Time after which a silent server counts as lost. Its answers are awaited until then.
    ///
    /// Default 10 s. Cost: none.
    #[must_use]
    pub fn heartbeat_timeout(mut self, timeout: Duration) -> Self {
        self.options.heartbeat_timeout = timeout;
        self
    }

    /// Opens the connections. It must be called within a runtime of tokio.
    pub fn build(self) -> NatsAdapter {
        let Self { nats, options } = self;
        let driver = NatsDriver::new(&nats);
        let counters = Arc::<Counters>::default();
        let servers = Arc::clone(driver.servers());
        let encoder = Encoder { servers, counters: Arc::clone(&counters), limits: Limits::default() };
        let probe = Topic::new(TopicKind::Channel, &subject::probe(&options.subject_prefix));
        let medium = Medium::start(Box::new(driver), counters, nats.tuning().clone(), probe);
        let connections = Connections::of_adapter(&medium);
        NatsAdapter { medium, connections, encoder, options: Arc::new(options) }
    }
}

impl Adapter for NatsAdapter {
    fn open(&self, inbox: ClusterInbox) -> Arc<dyn ClusterLink> {
        Arc::new(NatsNode::open(&self.medium, &self.encoder, &self.options, inbox))
    }
}

impl fmt::Debug for NatsAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsAdapter").field("options", &self.options).finish_non_exhaustive()
    }
}
