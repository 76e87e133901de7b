//! A connection to a Redis server, on the crate redis: RESP3, so that messages and replies are told apart.

use std::future::Future;
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Client, Cmd, Pipeline, PushInfo, PushKind, Value};
use socketio_broker::driver::{BoxError, BoxFuture, Command, Commands, Reply};
use tokio::sync::watch;

use super::packed::Packed;
use super::wire::reply_to;
use crate::driver::DriverError;

/// The common part of all connections.
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
        let ending = ended.clone();
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
        Ok(Connected { connection, ended: ending, lost })
    }
}

/// An open connection. It is closed when all of its handles are dropped.
pub(crate) struct Connected {
    connection: MultiplexedConnection,
    ended: watch::Sender<bool>,
    lost: watch::Receiver<bool>,
}

impl Connected {
    /// Sends a command. An error of the server is a value.
    pub(crate) async fn ask(&mut self, command: &Cmd) -> Result<Value, DriverError> {
        let mut lost = self.lost.clone();
        tokio::select! {
            biased;
            value = self.connection.req_packed_command(command) => Ok(value?),
            _ = lost.wait_for(|lost| *lost) => Err(DriverError::Ended),
        }
    }

    pub(crate) async fn pipelined(&mut self, pipeline: &Pipeline) -> Result<Vec<Value>, DriverError> {
        let count = pipeline.cmd_iter().count();
        let mut lost = self.lost.clone();
        tokio::select! {
            biased;
            values = self.connection.req_packed_commands(pipeline, 0, count) => Ok(values?),
            _ = lost.wait_for(|lost| *lost) => Err(DriverError::Ended),
        }
    }

    /// Another handle.
    #[cfg(feature = "adapter")]
    pub(crate) fn another(&self) -> Self {
        let (ended, lost) = (self.ended.clone(), self.lost.clone());
        Self { connection: self.connection.clone(), ended, lost }
    }

    /// Gives the connection up.
    #[cfg(feature = "adapter")]
    pub(crate) fn end(&self) {
        self.ended.send_replace(true);
    }

    /// Whether the connection is lost.
    pub(crate) fn has_ended(&self) -> bool {
        *self.lost.borrow()
    }

    /// Gives the connection up as soon as this future returns.
    pub(crate) fn end_after(&self, over: impl Future<Output = ()> + Send + 'static) {
        let ended = self.ended.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = over => { ended.send_replace(true); }
                // The connection was dropped.
                () = ended.closed() => {}
            }
        });
    }

    /// Returns when the connection is lost.
    pub(crate) async fn ended(&self) {
        let mut lost = self.lost.clone();
        let _ = lost.wait_for(|lost| *lost).await;
    }
}

impl Commands for Connected {
    fn send<'a>(&'a mut self, batch: &'a [&'a Command]) -> BoxFuture<'a, Result<Vec<Reply>, BoxError>> {
        Box::pin(async move {
            let packed = Packed::new(batch);
            let values = self.pipelined(&packed.pipeline).await?;
            let values = packed.unpack(values).ok_or(DriverError::Answer("EXEC"))?;
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
