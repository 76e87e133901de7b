//! The master of a service, as sentinels name it.

mod report;
mod watcher;

#[cfg(feature = "adapter")]
use std::sync::Arc;
use std::time::Duration;

use redis::{Client, Cmd, ConnectionInfo, PushInfo, Value};

pub(crate) use self::watcher::{MAX_SENTINELS, Watcher};
#[cfg(feature = "adapter")]
use super::listening::{Entries, Sink, Subscriptions};
use super::redis::{Connected, Profile};
#[cfg(feature = "adapter")]
use super::redis::{Reading, arrived};
use super::{BoxFuture, Commands, Driver, DriverError};

/// Connections to the master. They end when the sentinels name another one.
pub(crate) struct Sentinel {
    pub(crate) watcher: Watcher,
    /// The settings of connections to the master, without its address.
    pub(crate) master: ConnectionInfo,
    pub(crate) profile: Profile,
}

impl Sentinel {
    async fn connect(
        &self,
        purpose: &str,
        wait: Duration,
        pushed: impl Fn(PushInfo) + Send + Sync + 'static,
    ) -> Result<Connected, DriverError> {
        let address = self.watcher.master(self.profile.timeout / 2).await?;
        // Taken before the connection is opened, so that no change is missed.
        let demoted = self.watcher.demoted(address.clone());
        let client = Client::open(address.with(&self.master))?;
        let opened = async {
            let mut connected = self.profile.connect(&client, purpose, wait, pushed).await?;
            if is_master(&mut connected).await? {
                Ok(connected)
            } else {
                Err(DriverError::NotMaster(address))
            }
        };
        match opened.await {
            Ok(connected) => {
                connected.end_after(demoted);
                Ok(connected)
            }
            Err(error) => {
                // There may be another one by now.
                self.watcher.ask();
                Err(error)
            }
        }
    }
}

/// Asks a server for its role.
async fn is_master(connected: &mut Connected) -> Result<bool, DriverError> {
    let mut role = Cmd::new();
    role.arg("ROLE");
    match connected.ask(&role).await? {
        Value::Array(parts) => {
            Ok(matches!(parts.first(), Some(Value::BulkString(role)) if role == b"master"))
        }
        Value::ServerError(error) => Err(DriverError::new(error)),
        _ => Err(DriverError::Answer("ROLE")),
    }
}

impl Driver for Sentinel {
    fn commands(&self) -> BoxFuture<'_, Result<Box<dyn Commands>, DriverError>> {
        Box::pin(async move {
            let connected = self.connect("publish", Duration::ZERO, |_| {}).await?;
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
            let connected = self.connect("subscribe", Duration::ZERO, pushed).await?;
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
            let connected = self.connect("stream", block, |_| {}).await?;
            Ok(Box::new(Reading { connected, block, refused: Box::new(|_| {}) }) as _)
        })
    }
}
