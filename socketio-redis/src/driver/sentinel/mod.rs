//! The master of a service, as sentinels name it.

mod report;
mod watcher;

use std::time::Duration;

use redis::{Client, Cmd, ConnectionInfo, PushInfo, Value};

pub(crate) use self::watcher::{MAX_SENTINELS, Watcher};
use super::DriverError;
use super::redis::{Connect, Connected, Profile};

/// Connections to the master. They end when the sentinels name another one.
pub(crate) struct Sentinel {
    pub(crate) watcher: Watcher,
    /// The settings of connections to the master, without its address.
    pub(crate) master: ConnectionInfo,
    pub(crate) profile: Profile,
}

impl Connect for Sentinel {
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
