//! The adapter with sharded pub/sub: the format of the official sharded adapter.

mod node;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use socketio_cluster::cluster::Channels;
use socketio_server::cluster::{Adapter, ClusterInbox, ClusterLink};

use self::node::ShardedNode;
use crate::channel_rule::SubscriptionMode;
use crate::connections::Connections;
use crate::settings::Redis;
use socketio_broker::PublishError;
use socketio_broker::driver::{Topic, TopicKind};
use socketio_broker::medium::Medium;

/// Adapter for clusters of servers with the official sharded adapter (`createShardedAdapter`). Redis 7 is
/// needed.
///
/// Messages are delivered at most once. In the modes with a channel for each room, an event to one room and
/// one to the whole namespace have different channels. On one Redis server they keep their order; in a Redis
/// Cluster they may not. In the first moments after a room was created, events of other servers to it may be
/// missed, until Redis has confirmed the subscription.
///
/// ```no_run
/// use socketio_redis::{Redis, ShardedAdapter, SubscriptionMode};
/// use socketio_server::Server;
///
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let redis = Redis::open("redis://127.0.0.1:6379/")?;
/// let adapter = ShardedAdapter::builder(&redis).subscription_mode(SubscriptionMode::Static).build();
/// let io = Server::builder().adapter(adapter).build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ShardedAdapter {
    medium: Medium,
    connections: Connections,
    options: Arc<Options>,
}

/// Options of a [`ShardedAdapter`], with the names of the official adapter. All servers of a cluster need the
/// same.
#[derive(Clone, Debug)]
pub struct ShardedBuilder {
    redis: Redis,
    options: Options,
}

#[derive(Clone, Debug)]
struct Options {
    channel_prefix: String,
    subscription_mode: SubscriptionMode,
    requests_timeout: Duration,
}

impl ShardedAdapter {
    /// The adapter with the official defaults. It must be made within a runtime of tokio.
    pub fn new(redis: &Redis) -> Self {
        Self::builder(redis).build()
    }

    /// Sets options first.
    pub fn builder(redis: &Redis) -> ShardedBuilder {
        ShardedBuilder {
            redis: redis.clone(),
            options: Options {
                channel_prefix: "socket.io".to_owned(),
                subscription_mode: SubscriptionMode::default(),
                requests_timeout: Duration::from_secs(5),
            },
        }
    }

    /// The connections to Redis.
    pub fn connections(&self) -> &Connections {
        &self.connections
    }

    /// The number of servers that have this namespace, this one included (`serverCount`).
    pub async fn server_count(&self, namespace: &str) -> Result<usize, PublishError> {
        let topic =
            Topic::new(TopicKind::Shard, Channels::new(&self.options.channel_prefix, namespace).public());
        let (count, is_counted) = self.medium.subscribers_of(&topic).await?;
        Ok(count + usize::from(!is_counted))
    }
}

impl ShardedBuilder {
    /// Prefix of the channels. Default `socket.io`.
    #[must_use]
    pub fn channel_prefix(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.options.channel_prefix);
        self
    }

    /// The channels of rooms. Default [`SubscriptionMode::Dynamic`]. Cost: a subscription for each room that
    /// has one.
    #[must_use]
    pub fn subscription_mode(mut self, mode: SubscriptionMode) -> Self {
        self.options.subscription_mode = mode;
        self
    }

    /// Maximum wait for the answers of the other servers. Default 5 s; the official adapter has no such
    /// option. Cost: an entry per request until then.
    #[must_use]
    pub fn requests_timeout(mut self, timeout: Duration) -> Self {
        self.options.requests_timeout = timeout;
        self
    }

    /// Opens the connections. It must be called within a runtime of tokio.
    pub fn build(self) -> ShardedAdapter {
        let medium = self.redis.medium(&self.options.channel_prefix, TopicKind::Shard);
        let connections = Connections::of_adapter(&medium);
        ShardedAdapter { medium, connections, options: Arc::new(self.options) }
    }
}

impl Adapter for ShardedAdapter {
    fn open(&self, inbox: ClusterInbox) -> Arc<dyn ClusterLink> {
        Arc::new(ShardedNode::open(&self.medium, &self.options, inbox))
    }
}

impl fmt::Debug for ShardedAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShardedAdapter").field("options", &self.options).finish_non_exhaustive()
    }
}
