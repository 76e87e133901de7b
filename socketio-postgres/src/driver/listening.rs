//! The connection that listens.

use std::sync::Arc;

use bytes::Bytes;
use socketio_broker::driver::{BoxError, BoxFuture, Change, Sink, Subscriptions, TopicKind};

use super::commands::in_order;
use super::connection::{Connected, refusal};
use super::rows::Rows;
use crate::channel::quoted;
use crate::settings::Postgres;

/// The channels of a connection. Rows are read on the same connection: if it is lost, the gap covers them too.
pub(super) struct Listening {
    connected: Connected,
    rows: Option<Arc<Rows>>,
}

impl Listening {
    /// Opens a connection, without channels.
    pub(super) async fn open(
        settings: &Postgres,
        sink: Arc<dyn Sink>,
        rows: Option<Arc<Rows>>,
    ) -> Result<Self, BoxError> {
        let notified = move |channel: &str, text: &str| {
            let name = Bytes::copy_from_slice(channel.as_bytes());
            let text = Bytes::copy_from_slice(text.as_bytes());
            sink.arrived(TopicKind::Channel, channel.as_bytes(), name, text);
        };
        let connected = Connected::open(settings, "subscribe", notified).await?;
        if let Some(rows) = &rows {
            rows.opened(&connected.client);
        }
        Ok(Self { connected, rows })
    }

    async fn change_one(&self, change: &Change) -> Result<bool, BoxError> {
        if change.topic.kind != TopicKind::Channel {
            return Ok(false);
        }
        let verb = if change.subscribe { "LISTEN" } else { "UNLISTEN" };
        let sql = format!("{verb} {}", quoted(&change.topic.name));
        match self.connected.client.batch_execute(&sql).await {
            Ok(()) => Ok(true),
            Err(error) => refusal(&error).map(|_| false),
        }
    }
}

impl Subscriptions for Listening {
    fn change<'a>(&'a mut self, changes: &'a [Change]) -> BoxFuture<'a, Result<Vec<bool>, BoxError>> {
        Box::pin(in_order(changes.iter().map(|change| self.change_one(change))))
    }

    fn lost(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.connected.ended())
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Some(rows) = &self.rows {
            rows.closed();
        }
    }
}
