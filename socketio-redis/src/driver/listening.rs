//! The part of Redis that only adapters need: subscriptions, streams, and commands that ask for something.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use super::{BoxFuture, Command, DriverError};

/// Receives what arrives on a connection for subscriptions.
pub(crate) trait Sink: Send + Sync + 'static {
    /// A message has arrived for a topic.
    fn arrived(&self, kind: TopicKind, topic: &[u8], channel: Bytes, payload: Bytes);

    /// Subscriptions have ended, as when the slot of a sharded channel moves or one server of a cluster is lost. Messages may
    /// have been missed since this time, if it is known.
    fn unsubscribed(&self, topics: &[Topic], since: Option<Instant>);
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

/// A command that is no message for other nodes.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    /// Publishes an empty message, which is not counted.
    Probe { channel: String, sharded: bool },
    /// Counts the subscribers of a channel: PUBSUB NUMSUB or SHARDNUMSUB. The reply is a number.
    Subscribers { channel: String, sharded: bool },
    /// Reads up to `count` entries of a stream, from this id on: XRANGE.
    Range { stream: String, from: String, count: usize },
    /// Runs a script: EVAL. The reply is a number, a text, or nothing.
    Script { script: &'static str, keys: Vec<String>, args: Vec<Bytes> },
}

/// A change of subscriptions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) topic: Topic,
    pub(crate) subscribe: bool,
}

/// Target of a subscription.
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

impl Request {
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Probe { channel, .. } | Self::Subscribers { channel, .. } => channel.len(),
            Self::Range { stream, .. } => stream.len(),
            Self::Script { script, keys, args } => {
                let keys = keys.iter().map(|key| Command::OVERHEAD + key.len()).sum::<usize>();
                script.len() + keys + args.iter().map(|arg| Command::OVERHEAD + arg.len()).sum::<usize>()
            }
        }
    }
}

impl Topic {
    pub(crate) fn new(kind: TopicKind, name: &str) -> Self {
        Self { kind, name: name.into() }
    }
}
