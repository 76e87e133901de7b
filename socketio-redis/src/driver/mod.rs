//! What the adapters need of a Redis server, as traits: one connection for commands, one for subscriptions.
//! Everything above is the same for a single server, Sentinel, a Redis Cluster, and a medium in memory.

pub(crate) mod redis;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::medium::router::Router;

/// A boxed future, as the return type of trait object methods.
pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Opens connections. A connection that cannot be opened in time is an error.
pub(crate) trait Driver: Send + Sync + 'static {
    /// A connection for commands.
    fn commands(&self) -> BoxFuture<'_, Result<Box<dyn Commands>, DriverError>>;

    /// A connection for subscriptions. What arrives on it is passed to the router.
    fn subscriptions(
        &self,
        router: Arc<Router>,
    ) -> BoxFuture<'_, Result<Box<dyn Subscriptions>, DriverError>>;

    /// A connection that reads a stream, and waits up to this time for an entry.
    fn entries(&self, block: Duration) -> BoxFuture<'_, Result<Box<dyn Entries>, DriverError>>;
}

/// A connection for commands.
pub(crate) trait Commands: Send {
    /// Carries out commands in their order, with one reply for each. After an error nothing is known of any
    /// of them, and the connection must not be used again.
    fn send<'a>(&'a mut self, batch: &'a [&'a Command]) -> BoxFuture<'a, Result<Vec<Reply>, DriverError>>;

    /// Returns when the connection is lost.
    fn lost(&self) -> BoxFuture<'_, ()>;
}

/// A connection for subscriptions.
pub(crate) trait Subscriptions: Send {
    /// Subscribes and unsubscribes. Returns when the server has confirmed all changes; `false` stands for one
    /// that it has refused.
    fn change<'a>(&'a mut self, changes: &'a [Change]) -> BoxFuture<'a, Result<Vec<bool>, DriverError>>;

    /// Returns when the connection is lost.
    fn lost(&self) -> BoxFuture<'_, ()>;
}

/// A connection that reads a stream.
pub(crate) trait Entries: Send {
    /// The ids of the first entry and of the last one.
    fn bounds<'a>(&'a mut self, stream: &'a str) -> BoxFuture<'a, Result<Bounds, DriverError>>;

    /// Up to `count` entries behind the one with this id. Waits for an entry up to the time with which the
    /// connection was opened.
    fn read<'a>(
        &'a mut self,
        stream: &'a str,
        after: &'a str,
        count: usize,
    ) -> BoxFuture<'a, Result<Vec<Entry>, DriverError>>;
}

/// The ids of the first and the last entry of a stream, if it has any.
pub(crate) type Bounds = (Option<String>, Option<String>);

/// An entry of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) id: String,
    pub(crate) fields: Vec<(Bytes, Bytes)>,
}

/// A command.
#[derive(Clone, Debug)]
pub(crate) enum Command {
    /// Publishes a message: PUBLISH or SPUBLISH.
    Publish { channel: String, payload: Bytes, sharded: bool },
    /// Publishes an empty message, which is not counted.
    Probe { channel: String, sharded: bool },
    /// Counts the subscribers of a channel: PUBSUB NUMSUB or SHARDNUMSUB. The reply is a number.
    Subscribers { channel: String, sharded: bool },
    /// Appends an entry to a stream of about this length: XADD. The reply is the id of the entry.
    Append { stream: String, max_len: u64, fields: Vec<(&'static str, Bytes)> },
    /// Reads up to `count` entries of a stream, from this id on: XRANGE.
    Range { stream: String, from: String, count: usize },
    /// Runs a script: EVAL. The reply is a number, a text, or nothing.
    Script { script: &'static str, keys: Vec<String>, args: Vec<Bytes> },
}

/// The reply to a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// A number.
    Number(u64),
    /// A text.
    Text(String),
    /// Entries of a stream.
    Entries(Vec<Entry>),
    /// There is no such key.
    Nothing,
    /// The server has refused the command.
    Refused(String),
}

/// A change of subscriptions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) topic: Topic,
    pub(crate) subscribe: bool,
}

/// What a connection can subscribe to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Topic {
    pub(crate) kind: TopicKind,
    pub(crate) name: Arc<str>,
}

/// Kinds of topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum TopicKind {
    /// A channel: SUBSCRIBE.
    Channel,
    /// A pattern of channels: PSUBSCRIBE.
    Pattern,
    /// A channel of sharded pub/sub: SSUBSCRIBE.
    Shard,
}

/// A connection cannot be opened or is lost.
#[derive(Clone, Debug)]
pub(crate) struct DriverError(Arc<str>);

impl Command {
    /// The memory that the command occupies while it is queued.
    pub(crate) fn bytes(&self) -> usize {
        /// Names and lengths of the command itself.
        const OVERHEAD: usize = 64;
        OVERHEAD
            + match self {
                Self::Publish { channel, payload, .. } => channel.len() + payload.len(),
                Self::Probe { channel, .. } | Self::Subscribers { channel, .. } => channel.len(),
                Self::Range { stream, .. } => stream.len(),
                Self::Script { script, keys, args } => {
                    let keys = keys.iter().map(|key| OVERHEAD + key.len()).sum::<usize>();
                    script.len() + keys + args.iter().map(|arg| OVERHEAD + arg.len()).sum::<usize>()
                }
                Self::Append { stream, fields, .. } => {
                    stream.len() + fields.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>()
                }
            }
    }

    /// Whether other nodes miss something when the command is lost.
    pub(crate) fn is_message(&self) -> bool {
        matches!(self, Self::Publish { .. } | Self::Append { .. })
    }
}

impl Topic {
    pub(crate) fn new(kind: TopicKind, name: &str) -> Self {
        Self { kind, name: name.into() }
    }
}

impl DriverError {
    pub(crate) fn new(reason: impl fmt::Display) -> Self {
        Self(reason.to_string().into())
    }
}

impl fmt::Display for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
