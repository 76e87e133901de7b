//! Connections to the servers of a Redis Cluster.
//!
//! The cluster client of the crate redis is not used. It does not subscribe again when the slot of a channel has moved, and
//! takes the message by which a server tells so for the reply to a command.

mod commands;
mod join;
mod nodes;
mod slots;
#[cfg(feature = "adapter")]
mod subscriptions;

use std::sync::Arc;
#[cfg(feature = "adapter")]
use std::time::Duration;

#[cfg(feature = "adapter")]
use redis::ServerError;
use socketio_broker::driver::{BoxError, BoxFuture, Commands, Driver};

use self::commands::ClusterCommands;
pub(crate) use self::nodes::{MAX_SEEDS, Nodes};
#[cfg(feature = "adapter")]
use self::slots::Redirection;
#[cfg(feature = "adapter")]
use self::subscriptions::ClusterSubscriptions;
#[cfg(feature = "adapter")]
use super::redis::Reading;
use crate::trace::BROKER;
#[cfg(feature = "adapter")]
use socketio_broker::driver::{Entries, Sink, Subscriptions};

/// Connections to the servers of a cluster.
pub(crate) struct Cluster {
    pub(crate) nodes: Arc<Nodes>,
    /// Interval of the PINGs on connections with subscriptions.
    #[cfg(feature = "adapter")]
    pub(crate) interval: Duration,
}

impl Driver for Cluster {
    fn broker(&self) -> &'static str {
        BROKER
    }

    fn commands(&self) -> BoxFuture<'_, Result<Box<dyn Commands>, BoxError>> {
        Box::pin(async move { Ok(Box::new(ClusterCommands::open(&self.nodes).await?) as _) })
    }

    #[cfg(feature = "adapter")]
    fn subscriptions(&self, sink: Arc<dyn Sink>) -> BoxFuture<'_, Result<Box<dyn Subscriptions>, BoxError>> {
        let subscriptions = ClusterSubscriptions::new(&self.nodes, sink, self.interval);
        Box::pin(async move { Ok(Box::new(subscriptions) as _) })
    }

    #[cfg(feature = "adapter")]
    fn entries<'a>(
        &'a self,
        stream: &'a str,
        block: Duration,
    ) -> BoxFuture<'a, Result<Box<dyn Entries>, BoxError>> {
        Box::pin(async move {
            let slot = slots::slot(stream.as_bytes());
            let address = self.nodes.owner(slot).await?;
            let opened = self.nodes.open(&address, "stream", block, |_| {}).await;
            if opened.is_err() {
                self.nodes.refresh().await;
            }
            let nodes = Arc::clone(&self.nodes);
            let refused = Box::new(move |error: &ServerError| {
                if let Some(Redirection::Moved(slot, owner)) = Redirection::read(error, &address) {
                    nodes.moved(slot, &owner);
                }
            });
            Ok(Box::new(Reading { connected: opened?, block, refused }) as _)
        })
    }
}
