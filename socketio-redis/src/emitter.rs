//! Emitters: events for the clients of a cluster from a process that is no server. The options of each kind, and the commands
//! that it sends.

use bytes::Bytes;
use socketio_broker::PublishError;
use socketio_broker::driver::Command;
use socketio_broker::emitter::{self, Emitter};
use socketio_cluster::classic::{self, encode_broadcast_in, encode_request};
use socketio_cluster::streams::{encode_entry, stream_name};
use socketio_cluster::{Limits, Message, Sender, cluster};
use socketio_parser::Parser;

use crate::channel_rule::SubscriptionMode;
use crate::settings::Redis;

/// Options of an emitter for servers with the classic adapter, with the names and the format of the official
/// `@socket.io/redis-emitter`.
///
/// ```no_run
/// use socketio_redis::{ClassicEmitter, Redis};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let emitter = ClassicEmitter::new(&Redis::open("redis://127.0.0.1:6379/")?).build();
/// emitter.to("news").except("away").emit("headline", "for the members on all servers")?;
/// emitter.connections().flush().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ClassicEmitter {
    redis: Redis,
    key: String,
    parser: Parser,
}

/// Options of an emitter for servers with the sharded adapter, with the names of that adapter. There is no official emitter for
/// it. Redis 7 is needed.
#[derive(Clone, Debug)]
pub struct ShardedEmitter {
    redis: Redis,
    channel_prefix: String,
    subscription_mode: SubscriptionMode,
}

/// Options of an emitter for servers with the Streams adapter, with the names and the format of the official
/// `@socket.io/redis-streams-emitter`.
#[derive(Clone, Debug)]
pub struct StreamsEmitter {
    redis: Redis,
    stream_name: String,
    stream_count: u32,
    max_len: u64,
}

impl ClassicEmitter {
    /// The official defaults.
    pub fn new(redis: &Redis) -> Self {
        Self { redis: redis.clone(), key: "socket.io".to_owned(), parser: Parser::Msgpack }
    }

    /// Prefix of the channels. Default `socket.io`.
    #[must_use]
    pub fn key(mut self, key: &str) -> Self {
        key.clone_into(&mut self.key);
        self
    }

    /// Format of broadcasts, as the servers have it. Default msgpack.
    #[must_use]
    pub fn parser(mut self, parser: Parser) -> Self {
        self.parser = parser;
        self
    }

    /// Opens the connection. It must be called within a runtime of tokio.
    pub fn build(self) -> Emitter {
        Emitter::new(self.redis.publisher(), Format::Classic { key: self.key, parser: self.parser })
    }
}

impl ShardedEmitter {
    /// The defaults of the adapter.
    pub fn new(redis: &Redis) -> Self {
        Self {
            redis: redis.clone(),
            channel_prefix: "socket.io".to_owned(),
            subscription_mode: SubscriptionMode::default(),
        }
    }

    /// Prefix of the channels. Default `socket.io`.
    #[must_use]
    pub fn channel_prefix(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.channel_prefix);
        self
    }

    /// The channels of rooms, as the servers have them. Default [`SubscriptionMode::Dynamic`].
    #[must_use]
    pub fn subscription_mode(mut self, mode: SubscriptionMode) -> Self {
        self.subscription_mode = mode;
        self
    }

    /// Opens the connection. It must be called within a runtime of tokio.
    pub fn build(self) -> Emitter {
        let format = Format::Sharded { prefix: self.channel_prefix, mode: self.subscription_mode };
        Emitter::new(self.redis.publisher(), format)
    }
}

impl StreamsEmitter {
    /// The official defaults.
    pub fn new(redis: &Redis) -> Self {
        Self { redis: redis.clone(), stream_name: "socket.io".to_owned(), stream_count: 1, max_len: 10_000 }
    }

    /// Name of the stream. Default `socket.io`.
    #[must_use]
    pub fn stream_name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.stream_name);
        self
    }

    /// Number of streams, as the servers have it. Default 1. The official emitter does not have this option.
    #[must_use]
    pub fn stream_count(mut self, count: u32) -> Self {
        self.stream_count = count;
        self
    }

    /// Number of entries that the stream keeps, about. Default 10 000. Cost: memory of Redis.
    #[must_use]
    pub fn max_len(mut self, entries: u64) -> Self {
        self.max_len = entries;
        self
    }

    /// Opens the connection. It must be called within a runtime of tokio.
    pub fn build(self) -> Emitter {
        let format =
            Format::Streams { name: self.stream_name, count: self.stream_count, max_len: self.max_len };
        Emitter::new(self.redis.publisher(), format)
    }
}

enum Format {
    Classic { key: String, parser: Parser },
    Sharded { prefix: String, mode: SubscriptionMode },
    Streams { name: String, count: u32, max_len: u64 },
}

impl emitter::Format for Format {
    fn parser(&self) -> Parser {
        match self {
            Self::Classic { parser, .. } => *parser,
            Self::Sharded { .. } | Self::Streams { .. } => Parser::Json,
        }
    }

    fn command(&self, namespace: &str, message: &Message) -> Result<Command, PublishError> {
        let limits = Limits::default();
        let sender = Sender::Emitter;
        Ok(match self {
            Self::Classic { key, parser } => {
                let channels = classic::Channels::new(key, namespace);
                let (channel, payload) = match message {
                    Message::Broadcast { target, flags, event, request: None } => (
                        channels.broadcast(target),
                        encode_broadcast_in(*parser, sender, namespace, target, *flags, event, &limits)?,
                    ),
                    request => {
                        (channels.requests().to_owned(), encode_request(sender, namespace, request, &limits)?)
                    }
                };
                Command::Publish { channel, payload: payload.into(), sharded: false }
            }
            Self::Sharded { prefix, mode } => {
                let channels = cluster::Channels::new(prefix, namespace);
                let payload = cluster::encode_sharded(sender, namespace, message, &limits)?;
                Command::Publish {
                    channel: mode.channel(&channels, message),
                    payload: payload.into(),
                    sharded: true,
                }
            }
            Self::Streams { name, count, max_len } => {
                let entry = encode_entry(sender, namespace, message, false, &limits)?;
                let fields = entry
                    .fields()
                    .map(|(name, value)| (name, Bytes::copy_from_slice(value.as_bytes())))
                    .collect();
                let stream = stream_name(name, *count, namespace);
                Command::Append { stream, max_len: *max_len, fields }
            }
        })
    }
}
