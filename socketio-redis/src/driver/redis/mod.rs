//! The driver on the crate redis.

mod address;
mod connection;
#[cfg(feature = "adapter")]
mod listening;
mod packed;
mod wire;

#[cfg(feature = "adapter")]
use std::sync::Arc;
use std::time::Duration;

use redis::Client;

pub(crate) use self::address::Address;
pub(crate) use self::connection::{Connected, Profile};
#[cfg(feature = "adapter")]
pub(crate) use self::listening::{Reading, arrived, change_commands};
pub(crate) use self::packed::Packed;
pub(crate) use self::wire::{reply_to, to_redis};
#[cfg(feature = "adapter")]
use super::listening::{Entries, Sink, Subscriptions};
use super::{BoxFuture, Commands, Driver, DriverError};

/// Connections to one Redis server.
pub(crate) struct Single {
    pub(crate) client: Client,
    pub(crate) profile: Profile,
}

impl Driver for Single {
    fn commands(&self) -> BoxFuture<'_, Result<Box<dyn Commands>, DriverError>> {
        Box::pin(async move {
            let connected = self.profile.connect(&self.client, "publish", Duration::ZERO, |_| {}).await?;
            Ok(Box::new(connected) as _)
        })
    }

    #[cfg(feature = "adapter")]
    fn subscriptions(
        &self,
        sink: Arc<dyn Sink>,
    ) -> BoxFuture<'_, Result<Box<dyn Subscriptions>, DriverError>> {
        Box::pin(async move {
            let pushed = move |info| arrived(&*sink, info);
            let connected = self.profile.connect(&self.client, "subscribe", Duration::ZERO, pushed).await?;
            Ok(Box::new(connected) as _)
        })
    }

    #[cfg(feature = "adapter")]
    fn entries<'a>(
        &'a self,
        _: &'a str,
        block: Duration,
    ) -> BoxFuture<'a, Result<Box<dyn Entries>, DriverError>> {
        Box::pin(async move {
            let connected = self.profile.connect(&self.client, "stream", block, |_| {}).await?;
            Ok(Box::new(Reading { connected, block, refused: Box::new(|_| {}) }) as _)
        })
    }
}
