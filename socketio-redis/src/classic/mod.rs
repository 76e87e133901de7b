//! The adapter with classic pub/sub: the format of the official `@socket.io/redis-adapter`.

mod node;
mod received;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use socketio_cluster::classic::Channels;
use socketio_parser::Parser;
use socketio_server::cluster::{Adapter, ClusterInbox, ClusterLink};

use self::node::ClassicNode;
use crate::connections::Connections;
use crate::python::PythonChannel;
use crate::settings::Redis;
use socketio_broker::PublishError;
use socketio_broker::driver::{Topic, TopicKind};
use socketio_broker::medium::Medium;

/// Adapter for clusters of servers with the official `@socket.io/redis-adapter`: broadcasts, requests and
/// answers on pub/sub channels.
///
/// Messages are delivered at most once: what is published while a server is not connected never reaches it. A
/// broadcast reaches the clients of this server at once, whether Redis is there or not.
///
/// ```no_run
/// use socketio_redis::{ClassicAdapter, Redis};
/// use socketio_server::Server;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let adapter = ClassicAdapter::new(&Redis::open("redis://127.0.0.1:6379/")?);
/// let io = Server::builder().adapter(adapter.clone()).build()?;
/// adapter.connections().ready().await;
/// io.to("room").emit("event", "for the members on all servers").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ClassicAdapter {
    medium: Medium,
    connections: Connections,
    options: Arc<Options>,
    python: Option<Arc<PythonChannel>>,
}

/// Options of a [`ClassicAdapter`], with the names of the official adapter. All servers of a cluster need the
/// same `key` and `parser`.
#[derive(Clone, Debug)]
pub struct ClassicBuilder {
    redis: Redis,
    options: Options,
}

#[derive(Clone, Debug)]
struct Options {
    key: String,
    requests_timeout: Duration,
    publish_on_specific_response_channel: bool,
    parser: Parser,
    python_channel: Option<String>,
}

impl ClassicAdapter {
    /// The adapter with the official defaults. It must be made within a runtime of tokio.
    pub fn new(redis: &Redis) -> Self {
        Self::builder(redis).build()
    }

    /// Sets options first.
    pub fn builder(redis: &Redis) -> ClassicBuilder {
        ClassicBuilder {
            redis: redis.clone(),
            options: Options {
                key: "socket.io".to_owned(),
                requests_timeout: Duration::from_secs(5),
                publish_on_specific_response_channel: false,
                parser: Parser::Msgpack,
                python_channel: None,
            },
        }
    }

    /// The connections to Redis.
    pub fn connections(&self) -> &Connections {
        &self.connections
    }

    /// The number of servers that have this namespace, this one included (`serverCount`).
    pub async fn server_count(&self, namespace: &str) -> Result<usize, PublishError> {
        let topic = Topic::new(TopicKind::Channel, Channels::new(&self.options.key, namespace).requests());
        let (count, is_counted) = self.medium.subscribers_of(&topic).await?;
        Ok(count + usize::from(!is_counted))
    }
}

impl ClassicBuilder {
    /// Prefix of the channels. Two clusters on one Redis need different ones.
    ///
    /// Default `socket.io`.
    #[must_use]
    pub fn key(mut self, key: &str) -> Self {
        key.clone_into(&mut self.options.key);
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

    /// Whether answers are published on the channel of the server that has asked, instead of the one of all
    /// servers. Servers with and without this option understand each other.
    ///
    /// Default `false`, as in the official adapter. With `true` the other servers do not receive, and ignore,
    /// each answer.
    #[must_use]
    pub fn publish_on_specific_response_channel(mut self, on: bool) -> Self {
        self.options.publish_on_specific_response_channel = on;
        self
    }

    /// Format of broadcasts and acknowledgements. [`Parser::Json`] is for clusters in which the official
    /// servers have the option `parser: { encode: JSON.stringify, decode: JSON.parse }`; binary data is an
    /// object for their clients then.
    ///
    /// Default msgpack.
    #[must_use]
    pub fn parser(mut self, parser: Parser) -> Self {
        self.options.parser = parser;
        self
    }

    /// Reads the channel of python-socketio processes with `write_only=True` and `json=json` too: their
    /// events, rooms and disconnects reach the clients of this server. Their pickle format is not read.
    ///
    /// Default: none; the default of python-socketio is `socketio`. Cost: one subscription.
    #[must_use]
    pub fn python_channel(mut self, channel: &str) -> Self {
        self.options.python_channel = Some(channel.to_owned());
        self
    }

    /// Opens the connections. It must be called within a runtime of tokio.
    pub fn build(self) -> ClassicAdapter {
        let medium = self.redis.medium(&self.options.key, TopicKind::Channel);
        let python = self.options.python_channel.as_deref();
        let python = python.map(|channel| Arc::new(PythonChannel::start(&medium, channel)));
        let connections = Connections::of_adapter(&medium);
        ClassicAdapter { medium, connections, options: Arc::new(self.options), python }
    }
}

impl Adapter for ClassicAdapter {
    fn open(&self, inbox: ClusterInbox) -> Arc<dyn ClusterLink> {
        if let Some(python) = &self.python {
            python.add(&inbox);
        }
        Arc::new(ClassicNode::open(&self.medium, &self.options, inbox))
    }
}

impl fmt::Debug for ClassicAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClassicAdapter").field("options", &self.options).finish_non_exhaustive()
    }
}
