//! What emitters and adapters need of a broker, as traits: a connection for commands, and for adapters those of
//! subscriptions and streams. Everything above is the same for all brokers.
//!
//! A broker need not have everything: its driver replies [`Reply::Refused`] to a command that the broker does not have, and
//! refuses the subscriptions of a kind that it does not know. A format uses only what its broker has.

#[cfg(feature = "adapter")]
mod listening;

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
#[cfg(feature = "adapter")]
use std::sync::Arc;
#[cfg(feature = "adapter")]
use std::time::Duration;

use bytes::Bytes;

#[cfg(feature = "adapter")]
pub use self::listening::{
    Bounds, Bucket, Change, Entries, Entry, Request, Sink, Subscriptions, Topic, TopicKind,
};

/// A boxed future, as the return type of trait object methods.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A connection cannot be opened or is lost. The error is logged.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Opens connections. A connection that cannot be opened in time is an error.
pub trait Driver: Send + Sync + 'static {
    /// The name of the broker, for log events.
    fn broker(&self) -> &'static str;

    /// A connection for commands.
    fn commands(&self) -> BoxFuture<'_, Result<Box<dyn Commands>, BoxError>>;

    /// A connection for subscriptions. What arrives on it is passed to the sink.
    #[cfg(feature = "adapter")]
    fn subscriptions(&self, sink: Arc<dyn Sink>) -> BoxFuture<'_, Result<Box<dyn Subscriptions>, BoxError>>;

    /// A connection that reads this stream, and waits up to this time for an entry. Default: an error, for brokers without
    /// streams.
    #[cfg(feature = "adapter")]
    fn entries<'a>(
        &'a self,
        stream: &'a str,
        block: Duration,
    ) -> BoxFuture<'a, Result<Box<dyn Entries>, BoxError>> {
        let _ = (stream, block);
        Box::pin(async move { Err(format!("{} has no streams", self.broker()).into()) })
    }
}

/// A connection for commands.
pub trait Commands: Send {
    /// Carries out commands in their order, with one reply for each. After an error nothing is known of any
    /// of them, and the connection must not be used again.
    fn send<'a>(&'a mut self, batch: &'a [&'a Command]) -> BoxFuture<'a, Result<Vec<Reply>, BoxError>>;

    /// Returns when the connection is lost.
    fn lost(&self) -> BoxFuture<'_, ()>;

    /// The reason of the broker for the end of the connection. Default: unknown.
    fn reason(&self) -> Option<String> {
        None
    }
}

/// A command. The enum is exhaustive: a driver has to decide about each.
#[derive(Clone, Debug)]
pub enum Command {
    /// Publishes a message.
    Publish {
        /// The channel.
        channel: String,
        /// The message.
        payload: Bytes,
        /// Whether the channel belongs to one server of the broker, as a topic of the kind `Shard`.
        sharded: bool,
    },
    /// Stores a message with the broker, and publishes a reference to it: the id of the message between two texts. Both in one
    /// step, so that the order of messages is kept. For brokers that limit the size of what is published.
    Store {
        /// The channel.
        channel: String,
        /// The message.
        payload: Bytes,
        /// The text before the id.
        before: String,
        /// The text behind the id.
        after: String,
    },
    /// Appends an entry to a stream. The reply is the id of the entry.
    Append {
        /// The name of the stream.
        stream: String,
        /// The number of entries that the stream keeps, about.
        max_len: u64,
        /// The fields of the entry.
        fields: Vec<(&'static str, Bytes)>,
    },
    /// A command that is no message for other nodes.
    #[cfg(feature = "adapter")]
    Request(Request),
}

/// The reply to a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A number.
    Number(u64),
    /// A text.
    Text(String),
    /// Entries of a stream.
    #[cfg(feature = "adapter")]
    Entries(Vec<Entry>),
    /// A value of a key-value store.
    #[cfg(feature = "adapter")]
    Value {
        /// The value.
        value: Bytes,
        /// Its revision, which is larger than zero.
        revision: u64,
    },
    /// The current value of the key has another revision than the expected one.
    #[cfg(feature = "adapter")]
    Conflict,
    /// There is no such key.
    Nothing,
    /// The server has refused the command.
    Refused(String),
    /// The connection has ended before there was a reply, and other connections go on.
    Lost,
}

impl Command {
    /// Names and lengths of a command, and of each of its parts.
    pub const OVERHEAD: usize = 64;

    /// The memory that the command occupies while it is queued.
    pub fn bytes(&self) -> usize {
        Self::OVERHEAD
            + match self {
                Self::Publish { channel, payload, .. } => channel.len() + payload.len(),
                Self::Append { stream, fields, .. } => {
                    stream.len() + fields.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>()
                }
                Self::Store { channel, payload, before, after } => {
                    channel.len() + payload.len() + before.len() + after.len()
                }
                #[cfg(feature = "adapter")]
                Self::Request(request) => request.bytes(),
            }
    }

    /// Whether other nodes miss something when the command is lost.
    pub fn is_message(&self) -> bool {
        matches!(self, Self::Publish { .. } | Self::Store { .. } | Self::Append { .. })
    }
}
