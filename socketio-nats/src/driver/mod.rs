//! The driver, on a small client of its own: a connection that publishes, and one that subscribes. The crate async-nats needs
//! Rust 1.88, buffers and opens connections again by itself, and drops messages of a slow consumer, none of which a driver
//! could count.

mod commands;
mod connection;
mod error;
mod servers;
#[cfg(feature = "adapter")]
mod subscriptions;

use std::sync::Arc;

use bytes::Bytes;
use socketio_broker::driver::{BoxError, BoxFuture, Commands, Driver};
#[cfg(feature = "adapter")]
use socketio_broker::driver::{Sink, Subscriptions};

use self::commands::Publishing;
pub(crate) use self::commands::too_large;
use self::connection::{Connection, Inbound};
use self::error::DriverError;
use self::servers::Order;
pub(crate) use self::servers::Servers;
#[cfg(feature = "adapter")]
use self::subscriptions::{Subscribing, ToSink};
use crate::settings::Nats;

/// The name of the broker in log events.
pub(crate) const BROKER: &str = "NATS";

/// Connections to the servers.
pub(crate) struct NatsDriver {
    settings: Nats,
    servers: Arc<Servers>,
    publishing: Order,
    #[cfg(feature = "adapter")]
    subscribing: Order,
}

impl NatsDriver {
    pub(crate) fn new(settings: &Nats) -> Self {
        Self {
            settings: settings.clone(),
            servers: Arc::new(Servers::new(settings.servers())),
            publishing: Order::default(),
            #[cfg(feature = "adapter")]
            subscribing: Order::default(),
        }
    }

    /// The known servers.
    pub(crate) fn servers(&self) -> &Arc<Servers> {
        &self.servers
    }

    async fn open(
        &self,
        order: &Order,
        purpose: &str,
        max_message: usize,
        inbound: impl Inbound,
    ) -> Result<Connection, BoxError> {
        let server = order.next(&self.servers).ok_or(DriverError::NoServer)?;
        Connection::open(&self.settings, &self.servers, &server, purpose, max_message, inbound)
            .await
            .map_err(|error| format!("{server}: {error}").into())
    }
}

impl Driver for NatsDriver {
    fn broker(&self) -> &'static str {
        BROKER
    }

    fn commands(&self) -> BoxFuture<'_, Result<Box<dyn Commands>, BoxError>> {
        Box::pin(async move {
            // There are no subscriptions on this connection.
            let connection = self.open(&self.publishing, "publish", 0, Nothing).await?;
            Ok(Box::new(Publishing { connection, servers: Arc::clone(&self.servers) }) as _)
        })
    }

    #[cfg(feature = "adapter")]
    fn subscriptions(&self, sink: Arc<dyn Sink>) -> BoxFuture<'_, Result<Box<dyn Subscriptions>, BoxError>> {
        Box::pin(async move {
            let max_message = self.settings.tuning().max_received_bytes;
            let connection = self.open(&self.subscribing, "subscribe", max_message, ToSink(sink)).await?;
            Ok(Box::new(Subscribing::new(connection)) as _)
        })
    }
}

/// Drops messages.
struct Nothing;

impl Inbound for Nothing {
    fn arrived(&self, _: Bytes, _: Bytes) {}

    fn skipped(&self) {}
}
