//! The driver, on a small client of its own: a connection that publishes, and one that subscribes. The crate async-nats needs
//! Rust 1.88, buffers and opens connections again by itself, and drops messages of a slow consumer, none of which a driver
//! could count.

mod commands;
mod connection;
mod error;
mod inbox;
pub(crate) mod jetstream;
#[cfg(feature = "adapter")]
mod reading;
mod requests;
mod servers;
#[cfg(feature = "adapter")]
mod subscriptions;

#[cfg(all(test, unix, feature = "adapter"))]
#[allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]
mod tests;

use std::sync::Arc;
#[cfg(feature = "adapter")]
use std::time::Duration;

use socketio_broker::driver::{BoxError, BoxFuture, Commands, Driver};
#[cfg(feature = "adapter")]
use socketio_broker::driver::{Entries, Sink, Subscriptions};

use self::commands::Publishing;
use self::connection::{Connection, Inbound};
use self::error::DriverError;
use self::inbox::{Inbox, ToInbox};
#[cfg(feature = "adapter")]
use self::reading::Reading;
use self::requests::Requests;
pub(crate) use self::requests::too_large;
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
    #[cfg(feature = "adapter")]
    reading: Order,
}

impl NatsDriver {
    pub(crate) fn new(settings: &Nats) -> Self {
        Self {
            settings: settings.clone(),
            servers: Arc::new(Servers::new(settings.servers())),
            publishing: Order::default(),
            #[cfg(feature = "adapter")]
            subscribing: Order::default(),
            #[cfg(feature = "adapter")]
            reading: Order::default(),
        }
    }

    /// The known servers.
    pub(crate) fn servers(&self) -> &Arc<Servers> {
        &self.servers
    }

    /// A connection for requests.
    async fn requests(&self, order: &Order, purpose: &str) -> Result<Requests, BoxError> {
        let max_bytes = self.settings.tuning().max_received_bytes;
        let inbox = Inbox::new(max_bytes);
        let connection = self.open(order, purpose, max_bytes, ToInbox(Arc::clone(&inbox))).await?;
        let settings = self.settings.jetstream_settings().clone();
        Ok(Requests::new(connection, inbox, Arc::clone(&self.servers), settings)?)
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
            let requests = self.requests(&self.publishing, "publish").await?;
            Ok(Box::new(Publishing::new(requests, self.settings.tuning().timeout)) as _)
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

    #[cfg(feature = "adapter")]
    fn entries<'a>(
        &'a self,
        stream: &'a str,
        block: Duration,
    ) -> BoxFuture<'a, Result<Box<dyn Entries>, BoxError>> {
        Box::pin(async move {
            let requests = self.requests(&self.reading, "stream").await?;
            let timeout = self.settings.tuning().timeout;
            Ok(Box::new(Reading::new(requests, stream, block, timeout)) as _)
        })
    }
}
