//! The broker: channels, streams and values, in the memory of one process.

mod buckets;
mod channels;
mod connection;
mod outbox;
mod streams;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use engineio::sync::Mutex;
use tokio::net::UnixListener;
use tokio::sync::Semaphore;

use self::buckets::{Buckets, Put};
use self::channels::{Channels, Subscriber};
use self::streams::{Found, Streams};
use crate::protocol::{Question, Reply};

/// Pause after an error of accepting, as without file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Limits of the memory of a broker.
#[derive(Clone, Debug)]
struct Limits {
    max_connections: usize,
    max_outbox_bytes: usize,
    max_channels: usize,
    max_streams: usize,
    max_stream_bytes: usize,
    max_buckets: usize,
    max_value_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 1_024,
            max_outbox_bytes: 64 << 20,
            max_channels: 100_000,
            max_streams: 64,
            max_stream_bytes: 64 << 20,
            max_buckets: 64,
            max_value_bytes: 256 << 20,
        }
    }
}

/// A message broker in the memory of this process, for the [adapters](crate::IpcAdapter) of other processes on the same
/// host. A process that may connect to its socket has the rights of a server of the cluster.
///
/// Streams and values are lost when the process ends. The servers go on by themselves then, open a connection to the next broker
/// at the same path, and report a gap.
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// let listener = tokio::net::UnixListener::bind("/run/chat/broker.sock")?;
/// socketio_ipc::IpcBroker::new().serve(listener).await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct IpcBroker {
    limits: Limits,
}

impl IpcBroker {
    /// A broker with the default limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// Maximum number of connections; further ones wait. An adapter opens three.
    ///
    /// Default 1024. Cost: about 20 KiB each.
    #[must_use]
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.limits.max_connections = connections.clamp(1, Semaphore::MAX_PERMITS);
        self
    }

    /// Maximum size of what waits for a process that does not read; then its connection is closed, and it misses messages.
    ///
    /// Default 64 MiB; unit: bytes. Cost: that memory for each slow process.
    #[must_use]
    pub fn max_outbox_bytes(mut self, bytes: usize) -> Self {
        self.limits.max_outbox_bytes = bytes;
        self
    }

    /// Maximum number of subscriptions of all processes: one for each namespace of each process, and one in each namespace
    /// for each process.
    ///
    /// Default 100 000. Cost: about 200 bytes each.
    #[must_use]
    pub fn max_subscriptions(mut self, subscriptions: usize) -> Self {
        self.limits.max_channels = subscriptions;
        self
    }

    /// Maximum size of the entries of a stream, whose number the adapters limit too ([`max_len`](crate::IpcBuilder::max_len)).
    /// Clients that were away for longer are not recovered.
    ///
    /// Default 64 MiB, and at most 128 MiB; unit: bytes. Cost: that memory for each stream, of which there are 64 at most.
    #[must_use]
    pub fn max_stream_bytes(mut self, bytes: usize) -> Self {
        self.limits.max_stream_bytes = bytes.min(128 << 20);
        self
    }

    /// Maximum size of all values together: the sessions of clients that may be recovered, and what applications store.
    /// Further ones are refused.
    ///
    /// Default 256 MiB; unit: bytes. Cost: that memory.
    #[must_use]
    pub fn max_value_bytes(mut self, bytes: usize) -> Self {
        self.limits.max_value_bytes = bytes;
        self
    }

    /// Serves the connections of a listener, until the future is dropped.
    pub async fn serve(self, listener: UnixListener) {
        let space = Arc::new(Semaphore::new(self.limits.max_connections));
        let broker = Arc::new(Broker { state: Mutex::default(), limits: self.limits });
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let accepted = async {
                let permit = Arc::clone(&space).acquire_owned().await.map_err(io::Error::other)?;
                Ok::<_, io::Error>((listener.accept().await?.0, permit))
            };
            tokio::select! {
                accepted = accepted => match accepted {
                    Ok((stream, permit)) => {
                        let broker = Arc::clone(&broker);
                        connections.spawn(async move {
                            connection::run(&broker, stream).await;
                            drop(permit);
                        });
                    }
                    Err(_) => tokio::time::sleep(PAUSE).await,
                },
                Some(_) = connections.join_next() => {}
            }
        }
    }
}

/// State of all connections.
struct Broker {
    state: Mutex<State>,
    limits: Limits,
}

#[derive(Debug, Default)]
struct State {
    channels: Channels,
    streams: Streams,
    buckets: Buckets,
}

/// Result of a question.
enum Handled {
    Reply(Reply),
    /// There is nothing to read yet.
    Waits {
        question: Question,
        notify: Arc<tokio::sync::Notify>,
        wait: Duration,
    },
}

impl Broker {
    fn handle(&self, subscriber: &Subscriber, question: Question) -> Handled {
        let limits = &self.limits;
        let mut state = self.state.lock();
        let State { channels, streams, buckets } = &mut *state;
        Handled::Reply(match question {
            Question::Publish { channel, payload } => {
                channels.publish(channel, payload);
                Reply::Nothing
            }
            Question::Subscribers { channel } => Reply::Number(channels.subscribers(&channel) as u64),
            Question::Subscribe { channel } => {
                if channels.subscribe(&channel, subscriber, limits.max_channels) {
                    Reply::Nothing
                } else {
                    Reply::Refused(format!("the broker has {} subscriptions", limits.max_channels))
                }
            }
            Question::Unsubscribe { channel } => {
                channels.unsubscribe(&channel, subscriber);
                Reply::Nothing
            }
            Question::Append { stream, max_len, fields } => streams.append(stream, max_len, &fields, limits),
            Question::Range { stream, from, count } => streams.range(stream, from, count, limits),
            Question::Bounds { stream } => streams.bounds(stream, limits),
            Question::Read { ref stream, after, count, wait } => {
                match streams.read(stream, after, count, limits) {
                    Found::Reply(reply) => reply,
                    Found::NotYet(notify) => return Handled::Waits { question, notify, wait },
                }
            }
            Question::Get { bucket, key } => buckets.read(bucket, &key, limits),
            Question::Put { bucket, max_values, key, value, revision, keep_for } => {
                buckets.write(bucket, Put { max_values, key, value, revision, keep_for }, limits)
            }
            Question::Delete { bucket, key, revision } => buckets.delete(bucket, &key, revision, limits),
            Question::List { bucket, after, count } => buckets.list(bucket, after, count, limits),
        })
    }

    /// The connection has ended.
    fn left(&self, subscriber: &Subscriber) {
        self.state.lock().channels.remove(subscriber);
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker").finish_non_exhaustive()
    }
}
