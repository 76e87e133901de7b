//! What emitters and adapters need of Redis, as traits: a connection for commands, and for adapters those of
//! subscriptions and streams. Everything above is the same for a single server, Sentinel, and a Redis Cluster.

pub(crate) mod cluster;
#[cfg(feature = "adapter")]
pub(crate) mod listening;
pub(crate) mod redis;
pub(crate) mod sentinel;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
#[cfg(feature = "adapter")]
use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;

#[cfg(feature = "adapter")]
use self::listening::{Entries, Entry, Request, Sink, Subscriptions};
use self::redis::Address;

/// A boxed future, as the return type of trait object methods.
pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Opens connections. A connection that cannot be opened in time is an error.
pub(crate) trait Driver: Send + Sync + 'static {
    /// A connection for commands.
    fn commands(&self) -> BoxFuture<'_, Result<Box<dyn Commands>, DriverError>>;

    /// A connection for subscriptions. What arrives on it is passed to the sink.
    #[cfg(feature = "adapter")]
    fn subscriptions(
        &self,
        sink: Arc<dyn Sink>,
    ) -> BoxFuture<'_, Result<Box<dyn Subscriptions>, DriverError>>;

    /// A connection that reads this stream, and waits up to this time for an entry.
    #[cfg(feature = "adapter")]
    fn entries<'a>(
        &'a self,
        stream: &'a str,
        block: std::time::Duration,
    ) -> BoxFuture<'a, Result<Box<dyn Entries>, DriverError>>;
}

/// A connection for commands.
pub(crate) trait Commands: Send {
    /// Carries out commands in their order, with one reply for each. After an error nothing is known of any
    /// of them, and the connection must not be used again.
    fn send<'a>(&'a mut self, batch: &'a [&'a Command]) -> BoxFuture<'a, Result<Vec<Reply>, DriverError>>;

    /// Returns when the connection is lost.
    fn lost(&self) -> BoxFuture<'_, ()>;
}

/// A command.
#[derive(Clone, Debug)]
pub(crate) enum Command {
    /// Publishes a message: PUBLISH or SPUBLISH.
    Publish { channel: String, payload: Bytes, sharded: bool },
    /// Appends an entry to a stream of about this length: XADD. The reply is the id of the entry.
    Append { stream: String, max_len: u64, fields: Vec<(&'static str, Bytes)> },
    /// A command that is no message for other nodes.
    #[cfg(feature = "adapter")]
    Request(Request),
}

/// The reply to a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// A number.
    Number(u64),
    /// A text.
    Text(String),
    /// Entries of a stream.
    #[cfg(feature = "adapter")]
    Entries(Vec<Entry>),
    /// There is no such key.
    Nothing,
    /// The server has refused the command.
    Refused(String),
    /// The connection has ended before there was a reply, and other connections go on.
    Lost,
}

/// A connection cannot be opened or is lost.
#[derive(Clone, Debug, Error)]
pub(crate) enum DriverError {
    /// Error of the server or the network.
    #[error("{0}")]
    Redis(String),
    /// The connection has ended, or its server is not the right one any more.
    #[error("the connection has ended")]
    Ended,
    /// No sentinel has named a master.
    #[error("no sentinel has named a master of {0}")]
    NoMaster(String),
    /// The server that the sentinels name is not the master, or not yet.
    #[error("the server {0} is not the master")]
    NotMaster(Address),
    /// No server of a cluster can be reached.
    #[error("no server of the cluster can be reached")]
    NoServer,
    /// No server of a cluster has a slot.
    #[error("no server of the cluster has the slot {0}")]
    NoOwner(u16),
    /// A server of a cluster could not be reached a moment ago.
    #[error("the server {0} could not be reached a moment ago")]
    Resting(Address),
    /// The answer of a server does not have the expected form.
    #[error("the answer to {0} cannot be read")]
    Answer(&'static str),
}

impl Command {
    /// Names and lengths of a command, and of each of its parts.
    pub(crate) const OVERHEAD: usize = 64;

    /// The memory that the command occupies while it is queued.
    pub(crate) fn bytes(&self) -> usize {
        Self::OVERHEAD
            + match self {
                Self::Publish { channel, payload, .. } => channel.len() + payload.len(),
                Self::Append { stream, fields, .. } => {
                    stream.len() + fields.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>()
                }
                #[cfg(feature = "adapter")]
                Self::Request(request) => request.bytes(),
            }
    }

    /// Whether other nodes miss something when the command is lost.
    pub(crate) fn is_message(&self) -> bool {
        matches!(self, Self::Publish { .. } | Self::Append { .. })
    }
}

impl DriverError {
    pub(crate) fn new(reason: impl fmt::Display) -> Self {
        Self::Redis(reason.to_string())
    }
}
