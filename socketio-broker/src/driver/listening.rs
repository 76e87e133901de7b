//! The part of a broker that only adapters need: subscriptions, streams, and commands that ask for something.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::{BoxError, BoxFuture, Command};

/// Receives what arrives on a connection for subscriptions.
pub trait Sink: Send + Sync + 'static {
    /// A message has arrived for a topic.
    fn arrived(&self, kind: TopicKind, topic: &[u8], channel: Bytes, payload: Bytes);

    /// A message has arrived that is larger than [`max_received_bytes`](crate::publisher::Tuning::max_received_bytes). The
    /// driver has skipped it and has not taken it into memory.
    fn skipped(&self);

    /// Subscriptions have ended, as when the slot of a sharded channel moves or one server of a cluster is lost. Messages may
    /// have been missed since this time, if it is known.
    fn unsubscribed(&self, topics: &[Topic], since: Option<Instant>);
}

/// A connection for subscriptions.
pub trait Subscriptions: Send {
    /// Subscribes and unsubscribes. Returns when the server has confirmed all changes; `false` stands for one
    /// that it has refused.
    fn change<'a>(&'a mut self, changes: &'a [Change]) -> BoxFuture<'a, Result<Vec<bool>, BoxError>>;

    /// Returns when the connection is lost.
    fn lost(&self) -> BoxFuture<'_, ()>;

    /// The reason of the broker for the end of the connection. Default: unknown.
    fn reason(&self) -> Option<String> {
        None
    }
}

/// A connection that reads a stream.
pub trait Entries: Send {
    /// The ids of the first entry and of the last one.
    fn bounds<'a>(&'a mut self, stream: &'a str) -> BoxFuture<'a, Result<Bounds, BoxError>>;

    /// Up to `count` entries behind the one with this id. Waits for an entry up to the time with which the
    /// connection was opened.
    fn read<'a>(
        &'a mut self,
        stream: &'a str,
        after: &'a str,
        count: usize,
    ) -> BoxFuture<'a, Result<Vec<Entry>, BoxError>>;
}

/// The ids of the first and the last entry of a stream, if it has any.
pub type Bounds = (Option<String>, Option<String>);

/// An entry of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The id of the entry.
    pub id: String,
    /// Names and values.
    pub fields: Vec<(Bytes, Bytes)>,
}

/// A command that is no message for other nodes. Exhaustive as [`Command`].
#[derive(Clone, Debug)]
pub enum Request {
    /// Publishes an empty message, which is not counted.
    Probe {
        /// The channel.
        channel: String,
        /// Whether the channel is one of [`TopicKind::Shard`].
        sharded: bool,
    },
    /// Counts the subscribers of a channel. The reply is a number. Only for formats that count nodes by it.
    Subscribers {
        /// The channel.
        channel: String,
        /// Whether the channel is one of [`TopicKind::Shard`].
        sharded: bool,
    },
    /// Reads entries of a stream. The reply are entries. Only for brokers with streams.
    Range {
        /// The name of the stream.
        stream: String,
        /// The id of the first entry.
        from: String,
        /// The largest number of entries.
        count: usize,
    },
    /// Runs a script, or a statement, on the server. The reply is a number, a text, or nothing. Only for brokers that have
    /// them.
    Script {
        /// The text of the script.
        script: Cow<'static, str>,
        /// The keys that the script uses, which decide where it runs. A broker without keys has none.
        keys: Vec<String>,
        /// Its other arguments.
        args: Vec<Bytes>,
    },
    /// Reads a value. The reply is a value, or nothing. As all below, only for brokers with a key-value store.
    Get {
        /// The bucket of the value.
        bucket: Arc<Bucket>,
        /// The key.
        key: String,
    },
    /// Writes a value if the current one has the expected revision. The reply is the new revision, a number, or a conflict.
    Put {
        /// The bucket of the value.
        bucket: Arc<Bucket>,
        /// The key.
        key: String,
        /// The value.
        value: Bytes,
        /// The revision of the current value. Zero: there is none.
        revision: u64,
        /// Time after which the value is not read any more. A broker may remove it then, and at the latest after the
        /// lifetime of the bucket.
        keep_for: Duration,
    },
    /// Removes the value that has this revision. The reply is a number, or a conflict.
    Delete {
        /// The bucket of the value.
        bucket: Arc<Bucket>,
        /// The key.
        key: String,
        /// The revision of the value.
        revision: u64,
    },
    /// Reads values in the order of their revisions. The reply are entries: the revision is the id, and the key is the name of
    /// the only field.
    List {
        /// The bucket of the values.
        bucket: Arc<Bucket>,
        /// Only values with larger revisions.
        after: u64,
        /// The largest number of values.
        count: usize,
    },
}

/// A part of a key-value store, whose values have the same lifetime.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Bucket {
    /// The name: ASCII letters, digits, `-` and `_`.
    pub name: String,
    /// Time after which the broker removes a value that was not written again.
    pub max_age: Duration,
    /// Maximum number of values. A write of a further one is refused.
    pub max_values: u64,
}

/// A change of subscriptions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which subscription.
    pub topic: Topic,
    /// Whether it begins; otherwise it ends.
    pub subscribe: bool,
}

/// Target of a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Topic {
    /// Which kind of name it is.
    pub kind: TopicKind,
    /// The name.
    pub name: Arc<str>,
}

/// Kinds of topics. A broker need not have all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TopicKind {
    /// A channel.
    Channel,
    /// A pattern of channels.
    Pattern,
    /// A channel that belongs to one server of a broker with several.
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
            Self::Get { key, .. } | Self::Delete { key, .. } => key.len(),
            Self::Put { key, value, .. } => key.len() + value.len(),
            Self::List { .. } => 0,
        }
    }
}

impl Topic {
    /// A topic.
    pub fn new(kind: TopicKind, name: &str) -> Self {
        Self { kind, name: name.into() }
    }
}
