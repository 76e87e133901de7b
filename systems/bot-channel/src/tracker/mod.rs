//! The tracker: what user and bot have said in each conversation, and what no client has received yet.

mod entry;
mod memory;
mod redis;

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

pub use self::entry::{Entry, Kind, Role};
pub use self::memory::MemoryTracker;
pub use self::redis::{RedisTracker, TrackerConfigError};

/// The future of an operation of a tracker.
pub type Tracking<'a, T> = Pin<Box<dyn Future<Output = Result<T, TrackerError>> + Send + 'a>>;

/// Keeps conversations. The channel calls the methods for one conversation in sequence. A method that fails affects
/// neither the client nor the conversation: the channel logs the error and goes on.
pub trait Tracker: Send + Sync + 'static {
    /// Appends an entry to a conversation. An entry that is not heard also waits for the return of a client. Returns the
    /// number of waiting messages that the tracker has dropped, because of a limit.
    fn append<'a>(&'a self, conversation: &'a str, entry: Entry, is_heard: bool) -> Tracking<'a, usize>;

    /// The entries of a conversation, oldest first; none for an unknown conversation.
    fn history<'a>(&'a self, conversation: &'a str) -> Tracking<'a, Vec<Entry>>;

    /// The messages of the bot that wait for the return of a client, oldest first.
    fn unheard<'a>(&'a self, conversation: &'a str) -> Tracking<'a, Vec<Value>>;

    /// Removes the oldest waiting messages, because a client has received them.
    fn heard<'a>(&'a self, conversation: &'a str, count: usize) -> Tracking<'a, ()>;

    /// Removes a conversation.
    fn forget<'a>(&'a self, conversation: &'a str) -> Tracking<'a, ()>;

    /// Whether the tracker can be used at present. `GET /health/ready` reports it.
    fn is_ready(&self) -> bool {
        true
    }
}

impl<T: Tracker + ?Sized> Tracker for Arc<T> {
    fn append<'a>(&'a self, conversation: &'a str, entry: Entry, is_heard: bool) -> Tracking<'a, usize> {
        (**self).append(conversation, entry, is_heard)
    }

    fn history<'a>(&'a self, conversation: &'a str) -> Tracking<'a, Vec<Entry>> {
        (**self).history(conversation)
    }

    fn unheard<'a>(&'a self, conversation: &'a str) -> Tracking<'a, Vec<Value>> {
        (**self).unheard(conversation)
    }

    fn heard<'a>(&'a self, conversation: &'a str, count: usize) -> Tracking<'a, ()> {
        (**self).heard(conversation, count)
    }

    fn forget<'a>(&'a self, conversation: &'a str) -> Tracking<'a, ()> {
        (**self).forget(conversation)
    }

    fn is_ready(&self) -> bool {
        (**self).is_ready()
    }
}

/// A tracker cannot carry out an operation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrackerError {
    /// The store cannot be reached, or has refused the operation.
    #[error("the tracker is not available: {0}")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// The stored value has another format.
    #[error("the tracker has an entry in another format: {0}")]
    Format(#[from] serde_json::Error),
}

/// Settings of the tracker.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrackerConfig {
    /// URL of a Redis server: `redis://`, `rediss://`, `redis-sentinel://` or `redis-cluster://`. Default none: the
    /// conversations are in memory, and end with the process. Cost: a request to Redis for each message.
    pub url: Option<String>,
    /// Prefix of the keys in Redis. Default `bot-channel`.
    pub prefix: String,
    /// Maximum number of conversations in memory. Default 10,000. Beyond it the least recently used one is removed.
    /// Redis has limits of its own (`maxmemory`).
    pub max_conversations: usize,
    /// Maximum size of all conversations in memory, in bytes. Default 64 MiB. Beyond it the least recently used ones are
    /// removed.
    pub max_bytes: usize,
    /// Maximum number of messages per conversation. Default 100. The oldest are removed.
    pub max_messages: usize,
    /// Maximum size of the messages of a conversation, in bytes. Default 256 KiB, and as much for the waiting ones. The
    /// oldest are removed.
    pub max_conversation_bytes: usize,
    /// Maximum number of messages of the bot that wait for the return of a client, per conversation. Default 50; with 0
    /// none waits. The oldest are removed, with a warning.
    pub max_unheard: usize,
    /// Time after which a conversation without messages is removed, in seconds. Default 86,400: a day.
    pub idle_seconds: u64,
}

impl Default for TrackerConfig {
    fn default() -> Self {
        Self {
            url: None,
            prefix: "bot-channel".to_owned(),
            max_conversations: 10_000,
            max_bytes: 64 << 20,
            max_messages: 100,
            max_conversation_bytes: 256 << 10,
            max_unheard: 50,
            idle_seconds: 86_400,
        }
    }
}

impl TrackerConfig {
    /// The tracker that the settings describe. With a URL it must be called within a runtime of tokio.
    pub fn tracker(&self) -> Result<Arc<dyn Tracker>, TrackerConfigError> {
        Ok(match &self.url {
            Some(url) => Arc::new(RedisTracker::new(url, self)?),
            None => Arc::new(MemoryTracker::new(self)),
        })
    }
}
