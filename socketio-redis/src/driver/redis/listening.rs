//! Subscriptions and streams on a connection.

use std::time::Duration;

use bytes::Bytes;
use redis::{Cmd, Pipeline, PushInfo, PushKind, ServerError, Value};

use super::connection::Connected;
use super::wire::to_entries;
use crate::driver::DriverError;
use socketio_broker::driver::{
    Bounds, BoxError, BoxFuture, Change, Entries, Entry, Sink, Subscriptions, Topic, TopicKind,
};

impl Subscriptions for Connected {
    fn change<'a>(&'a mut self, changes: &'a [Change]) -> BoxFuture<'a, Result<Vec<bool>, BoxError>> {
        Box::pin(async move {
            let pipeline = change_commands(changes);
            let values = self.pipelined(&pipeline).await?;
            Ok(values.iter().map(|value| !matches!(value, Value::ServerError(_))).collect())
        })
    }

    fn lost(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.ended())
    }
}

/// One command for each topic: a command with several has as many replies.
pub(crate) fn change_commands<'a>(changes: impl IntoIterator<Item = &'a Change>) -> Pipeline {
    let mut pipeline = Pipeline::new();
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
    pipeline
}

/// A connection that reads a stream.
pub(crate) struct Reading {
    pub(crate) connected: Connected,
    pub(crate) block: Duration,
    /// Called with errors of the server.
    pub(crate) refused: Box<dyn Fn(&ServerError) + Send + Sync>,
}

impl Reading {
    async fn ask(&mut self, command: &Cmd) -> Result<Value, DriverError> {
        match self.connected.ask(command).await? {
            Value::ServerError(error) => {
                (self.refused)(&error);
                Err(DriverError::new(error))
            }
            value => Ok(value),
        }
    }
}

impl Entries for Reading {
    fn bounds<'a>(&'a mut self, stream: &'a str) -> BoxFuture<'a, Result<Bounds, BoxError>> {
        Box::pin(async move {
            let mut ids = Vec::new();
            for (command, from, to) in [("XRANGE", "-", "+"), ("XREVRANGE", "+", "-")] {
                let mut cmd = Cmd::new();
                cmd.arg(command).arg(stream).arg(from).arg(to).arg("COUNT").arg(1);
                let value = self.ask(&cmd).await?;
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
    ) -> BoxFuture<'a, Result<Vec<Entry>, BoxError>> {
        Box::pin(async move {
            let mut cmd = Cmd::new();
            cmd.arg("XREAD").arg("COUNT").arg(count);
            cmd.arg("BLOCK").arg(self.block.as_millis().max(1) as u64);
            cmd.arg("STREAMS").arg(stream).arg(after);
            let value = self.ask(&cmd).await?;
            Ok(match value {
                // The one stream with its entries.
                Value::Map(mut map) => map.pop().map(|(_, entries)| to_entries(entries)).unwrap_or_default(),
                _ => Vec::new(),
            })
        })
    }
}

/// Passes a message to the sink.
pub(crate) fn arrived(sink: &dyn Sink, info: PushInfo) {
    let kind = match info.kind {
        PushKind::Message => TopicKind::Channel,
        PushKind::PMessage => TopicKind::Pattern,
        PushKind::SMessage => TopicKind::Shard,
        PushKind::SUnsubscribe => {
            if let Some(Value::BulkString(name)) = info.data.first() {
                // Our topics are text.
                let name = std::str::from_utf8(name).unwrap_or_default();
                sink.unsubscribed(&[Topic::new(TopicKind::Shard, name)], None);
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
        sink.arrived(kind, &topic, channel, payload);
    }
}
