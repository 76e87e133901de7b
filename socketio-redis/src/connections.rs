//! The public handle of the connections of an adapter.

use std::fmt;

use bytes::Bytes;
use socketio_broker::driver::{Command, Reply, Request};
use socketio_broker::medium::Medium;
use socketio_broker::publisher::Publisher;
use socketio_broker::{Health, PublishError, Stats};
use tokio::sync::watch;

/// The connections of an adapter: their state and their counters. While a handle exists they stay open.
#[derive(Clone)]
pub struct Connections {
    connections: socketio_broker::Connections,
    publisher: Publisher,
}

impl Connections {
    pub(crate) fn of_adapter(medium: &Medium) -> Self {
        let connections = socketio_broker::Connections::of_adapter(medium);
        Self { connections, publisher: medium.publisher().clone() }
    }

    /// Waits until this server hears the others in each namespace that exists now.
    /// Without this call clients and events are served at once, and events of other servers may be missed in the first
    /// moments.
    pub async fn ready(&self) {
        self.connections.ready().await;
    }

    /// Waits until the messages that are queued have been sent, or have failed.
    pub async fn flush(&self) {
        self.connections.flush().await;
    }

    /// Runs a script (`EVAL`) behind the messages that wait for Redis, and waits for its reply, for at most
    /// [`Redis::timeout`](crate::Redis::timeout). Without a connection it fails at once. For state that an application
    /// shares between its servers, on the connection that the adapter has anyway. All keys must be in one slot of a Redis
    /// Cluster.
    ///
    /// # Errors
    ///
    /// There is no connection, or Redis has refused the script. If the connection has ended before there was a reply, the
    /// script may have run.
    pub async fn run_script(
        &self,
        script: &'static str,
        keys: Vec<String>,
        args: Vec<Vec<u8>>,
    ) -> Result<ScriptReply, PublishError> {
        match self.publisher.request(to_request(script, keys, args)).await? {
            Reply::Number(number) => Ok(ScriptReply::Number(number)),
            Reply::Text(text) => Ok(ScriptReply::Text(text)),
            Reply::Nothing | Reply::Entries(_) | Reply::Value { .. } | Reply::Conflict => {
                Ok(ScriptReply::Nothing)
            }
            Reply::Refused(reason) => Err(PublishError::Refused(reason)),
            Reply::Lost => Err(PublishError::Down),
        }
    }

    /// As [`run_script`](Self::run_script), without waiting: the script runs when Redis is reached, and its reply is
    /// dropped. It is not repeated if the connection ends before there was a reply.
    ///
    /// # Errors
    ///
    /// More than [`Redis::max_queued_bytes`](crate::Redis::max_queued_bytes) wait for Redis.
    pub fn queue_script(
        &self,
        script: &'static str,
        keys: Vec<String>,
        args: Vec<Vec<u8>>,
    ) -> Result<(), PublishError> {
        self.publisher.push(Command::Request(to_request(script, keys, args)))
    }

    /// Whether Redis is reached, and this server hears.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.connections.health()
    }

    /// Counters of messages, and the current load.
    pub fn stats(&self) -> Stats {
        self.connections.stats()
    }
}

fn to_request(script: &'static str, keys: Vec<String>, args: Vec<Vec<u8>>) -> Request {
    Request::Script { script: script.into(), keys, args: args.into_iter().map(Bytes::from).collect() }
}

/// The reply of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScriptReply {
    /// False, nil, or a list.
    Nothing,
    /// A number; negative ones are 0.
    Number(u64),
    /// A text. Bytes that are not UTF-8 are replaced.
    Text(String),
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
