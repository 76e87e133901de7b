//! A connection to a Redis server, on the crate redis: RESP3, so that messages and replies are told apart.

use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Client, Pipeline, PushInfo, PushKind, Value};
use tokio::sync::watch;

use super::wire::{reply_to, to_redis};
use crate::driver::{BoxFuture, Command, Commands, DriverError, Reply};

/// What all connections have.
#[derive(Clone)]
pub(crate) struct Profile {
    /// The name of the connections, which CLIENT LIST shows. The purpose is appended.
    pub(crate) name: String,
    /// Maximum wait for a connection, and for the reply to a command.
    pub(crate) timeout: Duration,
}

impl Profile {
    /// Opens a connection. Replies may take `wait` longer than usual.
    pub(crate) async fn connect(
        &self,
        client: &Client,
        purpose: &str,
        wait: Duration,
        pushed: impl Fn(PushInfo) + Send + Sync + 'static,
    ) -> Result<Connected, DriverError> {
        let (ended, lost) = watch::channel(false);
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(Some(self.timeout + wait))
            .set_push_sender(move |info: PushInfo| {
                if info.kind == PushKind::Disconnection {
                    ended.send_replace(true);
                } else {
                    pushed(info);
                }
                Ok::<(), ()>(())
            });
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        let name = format!("{}:{purpose}", self.name);
        redis::cmd("CLIENT").arg("SETNAME").arg(name).exec_async(&mut connection).await?;
        Ok(Connected { connection, lost })
    }
}

/// An open connection. It is closed on drop.
pub(crate) struct Connected {
    pub(super) connection: MultiplexedConnection,
    lost: watch::Receiver<bool>,
}

impl Connected {
    pub(super) async fn pipelined(&mut self, pipeline: &Pipeline) -> Result<Vec<Value>, DriverError> {
        let count = pipeline.cmd_iter().count();
        Ok(self.connection.req_packed_commands(pipeline, 0, count).await?)
    }

    /// Returns when the connection is lost.
    pub(super) async fn ended(&self) {
        let mut lost = self.lost.clone();
        // The sender is dropped with the connection's task.
        let _ = lost.wait_for(|lost| *lost).await;
    }
}

impl Commands for Connected {
    fn send<'a>(&'a mut self, batch: &'a [&'a Command]) -> BoxFuture<'a, Result<Vec<Reply>, DriverError>> {
        Box::pin(async move {
            let mut pipeline = Pipeline::with_capacity(batch.len());
            for command in batch {
                pipeline.add_command(to_redis(command));
            }
            let values = self.pipelined(&pipeline).await?;
            Ok(batch.iter().zip(values).map(|(command, value)| reply_to(command, value)).collect())
        })
    }

    fn lost(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.ended())
    }
}

impl From<redis::RedisError> for DriverError {
    fn from(error: redis::RedisError) -> Self {
        Self::new(error)
    }
}
