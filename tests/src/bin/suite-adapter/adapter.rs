//! The adapters.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use socketio_redis::{ClassicAdapter, Connections, Redis, ShardedAdapter, StreamsAdapter, SubscriptionMode};
use socketio_server::Parser;
use socketio_server::cluster::{Adapter, ClusterInbox, ClusterLink};

use crate::bus::Bus;
use crate::control::Output;
use crate::values::milliseconds;

/// The adapter of this server.
#[derive(Clone)]
pub(crate) enum Media {
    None,
    Bus(Bus),
    Classic(ClassicAdapter),
    Sharded(ShardedAdapter),
    Streams(StreamsAdapter),
}

/// An adapter whose links can be closed by the name of their namespace.
#[derive(Clone)]
pub(crate) struct Kept {
    adapter: Arc<dyn Adapter>,
    links: Arc<Mutex<HashMap<String, Arc<dyn ClusterLink>>>>,
}

impl Kept {
    fn new(adapter: impl Adapter) -> Self {
        Self { adapter: Arc::new(adapter), links: Arc::default() }
    }

    /// This server leaves the cluster for a namespace.
    pub(crate) async fn close(&self, namespace: &str) {
        let link = self.links.lock().ok().and_then(|mut links| links.remove(namespace));
        if let Some(link) = link {
            link.close().await;
        }
    }
}

impl Adapter for Kept {
    fn open(&self, inbox: ClusterInbox) -> Arc<dyn ClusterLink> {
        let namespace = inbox.namespace().to_owned();
        let link = self.adapter.open(inbox);
        if let Ok(mut links) = self.links.lock() {
            links.insert(namespace, Arc::clone(&link));
        }
        link
    }
}

impl Media {
    /// The adapter for the server, if it has one.
    pub(crate) fn adapter(&self) -> Option<Kept> {
        match self {
            Self::None => None,
            Self::Bus(bus) => Some(Kept::new(bus.clone())),
            Self::Classic(adapter) => Some(Kept::new(adapter.clone())),
            Self::Sharded(adapter) => Some(Kept::new(adapter.clone())),
            Self::Streams(adapter) => Some(Kept::new(adapter.clone())),
        }
    }

    pub(crate) fn from_environment(
        options: &Value,
        output: &Output,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let kind = std::env::var("ADAPTER").unwrap_or_else(|_| "none".to_owned());
        let redis = || -> Result<Redis, Box<dyn std::error::Error>> {
            let urls = std::env::var("REDIS_URL")?;
            if !urls.contains(',') {
                return Ok(Redis::open(&urls)?);
            }
            let servers: Vec<&str> = urls.split(',').map(|url| url.trim_start_matches("redis://")).collect();
            Ok(Redis::open(&format!("redis-cluster://{}", servers.join(",")))?)
        };
        let prefix = |name: &str| options[name].as_str().unwrap_or("socket.io").to_owned();
        Ok(match kind.as_str() {
            "none" => Self::None,
            "bus" => Self::Bus(Bus::new(
                milliseconds(options, "heartbeatInterval"),
                milliseconds(options, "heartbeatTimeout"),
                output.clone(),
            )),
            "classic" => {
                let mut builder = ClassicAdapter::builder(&redis()?).key(&prefix("key"));
                if let Some(timeout) = milliseconds(options, "requestsTimeout") {
                    builder = builder.requests_timeout(timeout);
                }
                if options["publishOnSpecificResponseChannel"] == true {
                    builder = builder.publish_on_specific_response_channel(true);
                }
                if options["parser"] == "json" {
                    builder = builder.parser(Parser::Json);
                }
                Self::Classic(builder.build())
            }
            "sharded" => {
                let mode = match options["subscriptionMode"].as_str() {
                    Some("static") => SubscriptionMode::Static,
                    Some("dynamic-private") => SubscriptionMode::DynamicPrivate,
                    _ => SubscriptionMode::Dynamic,
                };
                let builder = ShardedAdapter::builder(&redis()?);
                let prefix = prefix("channelPrefix");
                Self::Sharded(builder.channel_prefix(&prefix).subscription_mode(mode).build())
            }
            "streams" => {
                let mut builder = StreamsAdapter::builder(&redis()?)
                    .stream_name(&prefix("streamName"))
                    .channel_prefix(&prefix("channelPrefix"))
                    .use_sharded_pub_sub(options["useShardedPubSub"] == true)
                    .only_plaintext(options["onlyPlaintext"] == true);
                if let Some(count) = options["streamCount"].as_u64() {
                    builder = builder.stream_count(count.try_into()?);
                }
                if let Some(entries) = options["maxLen"].as_u64() {
                    builder = builder.max_len(entries);
                }
                if let Some(entries) = options["readCount"].as_u64() {
                    builder = builder.read_count(entries.try_into()?);
                }
                if let Some(time) = milliseconds(options, "blockTimeInMs") {
                    builder = builder.block_time(time);
                }
                Self::Streams(builder.build())
            }
            other => return Err(format!("unsupported: {other}").into()),
        })
    }

    /// The URL of a server of Redis, if the adapter uses one.
    pub(crate) fn url(&self) -> Option<String> {
        self.connections()?;
        Some(std::env::var("REDIS_URL").ok()?.split(',').next()?.to_owned())
    }

    pub(crate) fn connections(&self) -> Option<&Connections> {
        match self {
            Self::None | Self::Bus(_) => None,
            Self::Classic(adapter) => Some(adapter.connections()),
            Self::Sharded(adapter) => Some(adapter.connections()),
            Self::Streams(adapter) => Some(adapter.connections()),
        }
    }

    /// The number of servers.
    pub(crate) async fn server_count(&self, namespace: &str) -> Option<usize> {
        match self {
            Self::None => Some(1),
            Self::Bus(_) => None,
            Self::Classic(adapter) => adapter.server_count(namespace).await.ok(),
            Self::Sharded(adapter) => adapter.server_count(namespace).await.ok(),
            Self::Streams(adapter) => adapter.server_count(namespace).await.ok(),
        }
    }

    /// What the official adapter says when time is over.
    pub(crate) fn timeout_message(&self, received: usize, missing: usize) -> String {
        match self {
            Self::Bus(_) => format!("timeout reached: missing {missing} responses"),
            _ => format!("timeout reached: only {received} responses received out of {}", received + missing),
        }
    }

    pub(crate) fn fetch_timeout_message(&self, answered: usize, missing: usize) -> String {
        match self {
            Self::Classic(_) => "timeout reached while waiting for fetchSockets response".to_owned(),
            _ => self.timeout_message(answered, missing),
        }
    }
}
