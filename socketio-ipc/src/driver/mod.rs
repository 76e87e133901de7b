//! The driver: a connection for commands, one for subscriptions, and one for each stream.

mod connection;
mod convert;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use socketio_broker::driver::{
    Bounds, BoxError, BoxFuture, Change, Command, Commands, Driver, Entries, Entry, Reply, Sink,
    Subscriptions, TopicKind,
};
use socketio_cluster::streams::EntryId;

use self::connection::{Connection, DriverError};
use self::convert::{entries, question, reply};
use crate::protocol::{self, Question};

/// The name of the broker in log events.
const BROKER: &str = "the broker of this host";

/// Connections to the broker at a path.
pub(crate) struct IpcDriver {
    pub(crate) path: PathBuf,
    /// Messages that are larger are skipped.
    pub(crate) max_message: usize,
}

impl IpcDriver {
    async fn open(&self, inbound: connection::Inbound) -> Result<Connection, BoxError> {
        let opened = Connection::open(&self.path, inbound).await;
        opened.map_err(|error| format!("{}: {error}", self.path.display()).into())
    }
}

impl Driver for IpcDriver {
    fn broker(&self) -> &'static str {
        BROKER
    }

    fn commands(&self) -> BoxFuture<'_, Result<Box<dyn Commands>, BoxError>> {
        Box::pin(async move { Ok(Box::new(Asking(self.open(Box::new(|_, _| {})).await?)) as _) })
    }

    fn subscriptions(&self, sink: Arc<dyn Sink>) -> BoxFuture<'_, Result<Box<dyn Subscriptions>, BoxError>> {
        Box::pin(async move {
            let max_message = self.max_message;
            let inbound = move |channel: bytes::Bytes, payload: bytes::Bytes| {
                if payload.len() > max_message {
                    sink.skipped();
                } else {
                    sink.arrived(TopicKind::Channel, &channel.clone(), channel, payload);
                }
            };
            Ok(Box::new(Asking(self.open(Box::new(inbound)).await?)) as _)
        })
    }

    fn entries<'a>(
        &'a self,
        _: &'a str,
        block: Duration,
    ) -> BoxFuture<'a, Result<Box<dyn Entries>, BoxError>> {
        Box::pin(async move {
            let connection = self.open(Box::new(|_, _| {})).await?;
            Ok(Box::new(Reading { connection, block }) as _)
        })
    }
}

/// A connection that asks for one batch after the other.
struct Asking(Connection);

impl Commands for Asking {
    fn send<'a>(&'a mut self, batch: &'a [&'a Command]) -> BoxFuture<'a, Result<Vec<Reply>, BoxError>> {
        Box::pin(async move {
            let converted: Vec<_> = batch.iter().map(|command| question(command)).collect();
            let questions: Vec<Question> = converted.iter().flatten().cloned().collect();
            let mut replies = self.0.ask(&questions).await?.into_iter();
            let mut all = Vec::with_capacity(batch.len());
            for question in converted {
                all.push(match question {
                    Some(_) => reply(replies.next().ok_or(DriverError::Ended)?)?,
                    None => Reply::Refused(format!("{BROKER} has no such command")),
                });
            }
            Ok(all)
        })
    }

    fn lost(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.0.lost())
    }

    fn reason(&self) -> Option<String> {
        self.0.reason()
    }
}

impl Subscriptions for Asking {
    fn change<'a>(&'a mut self, changes: &'a [Change]) -> BoxFuture<'a, Result<Vec<bool>, BoxError>> {
        Box::pin(async move {
            let question = |change: &Change| {
                let channel = bytes::Bytes::copy_from_slice(change.topic.name.as_bytes());
                if change.subscribe {
                    Question::Subscribe { channel }
                } else {
                    Question::Unsubscribe { channel }
                }
            };
            let is_channel = |change: &&Change| change.topic.kind == TopicKind::Channel;
            let questions: Vec<Question> = changes.iter().filter(is_channel).map(question).collect();
            let mut replies = self.0.ask(&questions).await?.into_iter();
            let is_done = |change| is_channel(&change) && replies.next() == Some(protocol::Reply::Nothing);
            Ok(changes.iter().map(is_done).collect())
        })
    }

    fn lost(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.0.lost())
    }

    fn reason(&self) -> Option<String> {
        self.0.reason()
    }
}

/// A connection that reads a stream.
struct Reading {
    connection: Connection,
    block: Duration,
}

impl Entries for Reading {
    fn bounds<'a>(&'a mut self, stream: &'a str) -> BoxFuture<'a, Result<Bounds, BoxError>> {
        Box::pin(async move {
            match self.connection.ask_one(Question::Bounds { stream: stream.to_owned() }).await? {
                protocol::Reply::Bounds(Some((first, last))) => {
                    Ok((Some(first.to_string()), Some(last.to_string())))
                }
                protocol::Reply::Bounds(None) => Ok((None, None)),
                _ => Err(DriverError::from(protocol::ProtocolError::Malformed).into()),
            }
        })
    }

    fn read<'a>(
        &'a mut self,
        stream: &'a str,
        after: &'a str,
        count: usize,
    ) -> BoxFuture<'a, Result<Vec<Entry>, BoxError>> {
        Box::pin(async move {
            let after: EntryId = after.parse()?;
            let (stream, count, wait) = (stream.to_owned(), count as u64, self.block);
            match self.connection.ask_one(Question::Read { stream, after, count, wait }).await? {
                protocol::Reply::Entries(read) => Ok(entries(read)?),
                _ => Err(DriverError::from(protocol::ProtocolError::Malformed).into()),
            }
        })
    }
}
