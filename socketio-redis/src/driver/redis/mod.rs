//! The driver on the crate redis.

mod connection;
#[cfg(feature = "adapter")]
mod listening;
mod packed;
mod wire;

use std::future::Future;
#[cfg(feature = "adapter")]
use std::sync::Arc;
use std::time::Duration;

use redis::{Client, PushInfo};
use socketio_broker::driver::{BoxError, BoxFuture, Commands, Driver};

pub(crate) use self::connection::{Connected, Profile};
#[cfg(feature = "adapter")]
pub(crate) use self::listening::{Reading, arrived, change_commands};
pub(crate) use self::packed::Packed;
pub(crate) use self::wire::{reply_to, to_redis};
use super::DriverError;
use crate::trace::BROKER;
#[cfg(feature = "adapter")]
use socketio_broker::driver::{Entries, Sink, Subscriptions};

/// Connections to one server at a time, which is all that a driver needs.
pub(crate) trait Connect: Send + Sync + 'static {
    /// Opens a connection. Replies may take `wait` longer than usual.
    fn connect(
        &self,
        purpose: &str,
        wait: Duration,
        pushed: impl Fn(PushInfo) + Send + Sync + 'static,
    ) -> impl Future<Output = Result<Connected, DriverError>> + Send;
}

/// Connections to one Redis server.
pub(crate) struct Single {
    pub(crate) client: Client,
    pub(crate) profile: Profile,
}

impl Connect for Single {
    async fn connect(
        &self,
        purpose: &str,
        wait: Duration,
        pushed: impl Fn(PushInfo) + Send + Sync + 'static,
    ) -> Result<Connected, DriverError> {
        self.profile.connect(&self.client, purpose, wait, pushed).await
    }
}

/// A driver whose connections go to one server at a time.
pub(crate) struct OneServer<C>(pub(crate) C);

impl<C: Connect> Driver for OneServer<C> {
    fn broker(&self) -> &'static str {
        BROKER
    }

    fn commands(&self) -> BoxFuture<'_, Result<Box<dyn Commands>, BoxError>> {
        Box::pin(async move {
            let connected = self.0.connect("publish", Duration::ZERO, |_| {}).await?;
            Ok(Box::new(connected) as _)
        })
    }

    #[cfg(feature = "adapter")]
    fn subscriptions(&self, sink: Arc<dyn Sink>) -> BoxFuture<'_, Result<Box<dyn Subscriptions>, BoxError>> {
        Box::pin(async move {
            let pushed = move |info| arrived(&*sink, info);
            let connected = self.0.connect("subscribe", Duration::ZERO, pushed).await?;
            Ok(Box::new(connected) as _)
        })
    }

    #[cfg(feature = "adapter")]
    fn entries<'a>(
        &'a self,
        _: &'a str,
        block: Duration,
    ) -> BoxFuture<'a, Result<Box<dyn Entries>, BoxError>> {
        Box::pin(async move {
            let connected = self.0.connect("stream", block, |_| {}).await?;
            Ok(Box::new(Reading { connected, block, refused: Box::new(|_| {}) }) as _)
        })
    }
}
