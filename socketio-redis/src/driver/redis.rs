//! The driver on the crate redis: RESP3, so that messages and replies are told apart on each connection.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Client, Cmd, Pipeline, PushInfo, PushKind, Value};
use tokio::sync::watch;

use super::{
    Bounds, BoxFuture, Change, Command, Commands, Driver, DriverError, Entries, Entry, Reply, Subscriptions,
    TopicKind,
};
use crate::medium::router::Router;

/// Connections to one Redis server.
pub(crate) struct Single {
    pub(crate) client: Client,
    /// The name of the connections, which CLIENT LIST shows. The purpose is appended.
    pub(crate) name: String,
    /// Maximum wait for a connection, and for the reply to a command.
    pub(crate) timeout: Duration,
}

impl Single {
    async fn connect(
        &self,
        purpose: &str,
        wait: Duration,
        pushed: impl Fn(PushInfo) + Send + Sync + 'static,
    ) -> Result<Connected, DriverError> {
        let (ended, lost) = watch::channel(false);
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(Some(self.timeout + wait))
            .set_push_sender(move |info: PushInfo| {
                if info.kind == PushKind::Disconnection {
                    ended.send_replace(true);
                } else {
                    pushed(info);
                }
                Ok::<(), ()>(())
            });
        let mut connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        let name = format!("{}:{purpose}", self.name);
        redis::cmd("CLIENT").arg("SETNAME").arg(name).exec_async(&mut connection).await?;
        Ok(Connected { connection, lost })
    }
}

impl Driver for Single {
    fn commands(&self) -> BoxFuture<'_, Result<Box<dyn Commands>, DriverError>> {
        Box::pin(async move {
            let connected = self.connect("publish", Duration::ZERO, |_| {}).await?;
            Ok(Box::new(connected) as Box<dyn Commands>)
        })
    }

    fn subscriptions(
        &self,
        router: Arc<Router>,
    ) -> BoxFuture<'_, Result<Box<dyn Subscriptions>, DriverError>> {
        Box::pin(async move {
            let connected =
                self.connect("subscribe", Duration::ZERO, move |info| arrived(&router, info)).await?;
            Ok(Box::new(connected) as Box<dyn Subscriptions>)
        })
    }

    fn entries(&self, block: Duration) -> BoxFuture<'_, Result<Box<dyn Entries>, DriverError>> {
        Box::pin(async move {
            let connected = self.connect("stream", block, |_| {}).await?;
            Ok(Box::new(Reading { connected, block }) as Box<dyn Entries>)
        })
    }
}

/// A connection that reads a stream.
struct Reading {
    connected: Connected,
    block: Duration,
}

impl Entries for Reading {
    fn bounds<'a>(&'a mut self, stream: &'a str) -> BoxFuture<'a, Result<Bounds, DriverError>> {
        Box::pin(async move {
            let mut ids = Vec::new();
            for (command, from, to) in [("XRANGE", "-", "+"), ("XREVRANGE", "+", "-")] {
                let mut cmd = Cmd::new();
                cmd.arg(command).arg(stream).arg(from).arg(to).arg("COUNT").arg(1);
                let value = self.connected.connection.req_packed_command(&cmd).await?;
                if let Value::ServerError(error) = value {
                    return Err(DriverError::new(error));
                }
                ids.push(to_entries(value).into_iter().next().map(|entry| entry.id));
            }
            Ok((ids.swap_remove(0), ids.pop().flatten()))
        })
    }

    fn read<'a>(
        &'a mut self,
        stream: &'a str,
        after: &'a str,
        count: usize,
    ) -> BoxFuture<'a, Result<Vec<Entry>, DriverError>> {
        Box::pin(async move {
            let mut cmd = Cmd::new();
            cmd.arg("XREAD").arg("COUNT").arg(count);
            cmd.arg("BLOCK").arg(self.block.as_millis().max(1) as u64);
            cmd.arg("STREAMS").arg(stream).arg(after);
            let value = self.connected.connection.req_packed_command(&cmd).await?;
            Ok(match value {
                Value::ServerError(error) => return Err(DriverError::new(error)),
                // The one stream with its entries.
                Value::Map(mut map) => map.pop().map(|(_, entries)| to_entries(entries)).unwrap_or_default(),
                _ => Vec::new(),
            })
        })
    }
}

/// The entries of a range: their ids, and their fields in a list.
fn to_entries(value: Value) -> Vec<Entry> {
    let Value::Array(list) = value else { return Vec::new() };
    let entry = |value: Value| {
        let Value::Array(parts) = value else { return None };
        let mut parts = parts.into_iter();
        let Some(Value::BulkString(id)) = parts.next() else { return None };
        let fields = match parts.next() {
            Some(Value::Array(fields)) => fields,
            _ => Vec::new(),
        };
        let mut fields = fields.into_iter().map(|field| match field {
            Value::BulkString(field) => Bytes::from(field),
            _ => Bytes::new(),
        });
        let mut pairs = Vec::new();
        while let Some(pair) = fields.next().zip(fields.next()) {
            pairs.push(pair);
        }
        Some(Entry { id: String::from_utf8_lossy(&id).into_owned(), fields: pairs })
    };
    list.into_iter().filter_map(entry).collect()
}

/// An open connection. It is closed on drop.
struct Connected {
    connection: MultiplexedConnection,
    lost: watch::Receiver<bool>,
}

impl Connected {
    async fn pipelined(&mut self, pipeline: &Pipeline) -> Result<Vec<Value>, DriverError> {
        let count = pipeline.cmd_iter().count();
        Ok(self.connection.req_packed_commands(pipeline, 0, count).await?)
    }

    /// Returns when the connection is lost.
    async fn ended(&self) {
        let mut lost = self.lost.clone();
        // The sender is dropped with the connection's task.
        let _ = lost.wait_for(|lost| *lost).await;
    }
}

impl Commands for Connected {
    fn send<'a>(&'a mut self, batch: &'a [&'a Command]) -> BoxFuture<'a, Result<Vec<Reply>, DriverError>> {
        Box::pin(async move {
            let mut pipeline = Pipeline::with_capacity(batch.len());
            for command in batch {
                pipeline.add_command(to_redis(command));
            }
            let values = self.pipelined(&pipeline).await?;
            Ok(batch.iter().zip(values).map(|(command, value)| reply_to(command, value)).collect())
        })
    }

    fn lost(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.ended())
    }
}

impl Subscriptions for Connected {
    fn change<'a>(&'a mut self, changes: &'a [Change]) -> BoxFuture<'a, Result<Vec<bool>, DriverError>> {
        Box::pin(async move {
            // One command for each topic: a command with several has as many replies.
            let mut pipeline = Pipeline::with_capacity(changes.len());
            for change in changes {
                let name = match (change.topic.kind, change.subscribe) {
                    (TopicKind::Channel, true) => "SUBSCRIBE",
                    (TopicKind::Channel, false) => "UNSUBSCRIBE",
                    (TopicKind::Pattern, true) => "PSUBSCRIBE",
                    (TopicKind::Pattern, false) => "PUNSUBSCRIBE",
                    (TopicKind::Shard, true) => "SSUBSCRIBE",
                    (TopicKind::Shard, false) => "SUNSUBSCRIBE",
                };
                let mut command = Cmd::new();
                command.arg(name).arg(change.topic.name.as_bytes());
                pipeline.add_command(command);
            }
            let values = self.pipelined(&pipeline).await?;
            Ok(values.iter().map(|value| !matches!(value, Value::ServerError(_))).collect())
        })
    }

    fn lost(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.ended())
    }
}

/// A command in the form of the crate redis.
fn to_redis(command: &Command) -> Cmd {
    let mut cmd = Cmd::new();
    match command {
        Command::Publish { channel, payload, sharded } => {
            cmd.arg(if *sharded { "SPUBLISH" } else { "PUBLISH" }).arg(channel).arg(&payload[..]);
        }
        Command::Probe { channel, sharded } => {
            cmd.arg(if *sharded { "SPUBLISH" } else { "PUBLISH" }).arg(channel).arg("");
        }
        Command::Subscribers { channel, sharded } => {
            cmd.arg("PUBSUB").arg(if *sharded { "SHARDNUMSUB" } else { "NUMSUB" }).arg(channel);
        }
        Command::Append { stream, max_len, fields } => {
            cmd.arg("XADD").arg(stream).arg("MAXLEN").arg("~").arg(*max_len).arg("*");
            for (name, value) in fields {
                cmd.arg(*name).arg(&value[..]);
            }
        }
        Command::Range { stream, from, count } => {
            cmd.arg("XRANGE").arg(stream).arg(from).arg("+").arg("COUNT").arg(*count);
        }
        Command::Script { script, keys, args } => {
            cmd.arg("EVAL").arg(script).arg(keys.len());
            for key in keys {
                cmd.arg(key);
            }
            for arg in args {
                cmd.arg(&arg[..]);
            }
        }
    }
    cmd
}

fn reply_to(command: &Command, value: Value) -> Reply {
    match (command, value) {
        (Command::Range { .. }, value @ Value::Array(_)) => Reply::Entries(to_entries(value)),
        (_, value) => reply(value),
    }
}

fn reply(value: Value) -> Reply {
    match value {
        Value::Nil => Reply::Nothing,
        Value::Int(number) => Reply::Number(number.try_into().unwrap_or(0)),
        Value::BulkString(text) => Reply::Text(String::from_utf8_lossy(&text).into_owned()),
        Value::SimpleString(text) => Reply::Text(text),
        // The counts of PUBSUB: each channel with its number.
        Value::Array(mut list) => reply(list.pop().unwrap_or(Value::Int(0))),
        Value::Map(mut map) => reply(map.pop().map_or(Value::Int(0), |(_, count)| count)),
        Value::ServerError(error) => Reply::Refused(error.to_string()),
        _ => Reply::Text(String::new()),
    }
}

/// Passes a message to the router.
fn arrived(router: &Router, info: PushInfo) {
    let kind = match info.kind {
        PushKind::Message => TopicKind::Channel,
        PushKind::PMessage => TopicKind::Pattern,
        PushKind::SMessage => TopicKind::Shard,
        PushKind::SUnsubscribe => {
            if let Some(Value::BulkString(name)) = info.data.first() {
                router.unsubscribed(TopicKind::Shard, name);
            }
            return;
        }
        _ => return,
    };
    let mut parts = info.data.into_iter().filter_map(|part| match part {
        Value::BulkString(part) => Some(Bytes::from(part)),
        _ => None,
    });
    let Some(topic) = parts.next() else { return };
    let channel = if kind == TopicKind::Pattern { parts.next() } else { Some(topic.clone()) };
    if let (Some(channel), Some(payload)) = (channel, parts.next()) {
        router.arrived(kind, &topic, channel, payload);
    }
}

impl From<redis::RedisError> for DriverError {
    fn from(error: redis::RedisError) -> Self {
        Self::new(error)
    }
}
