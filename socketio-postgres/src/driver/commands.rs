//! Commands in a pipeline: each is sent before the one before it is answered.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use futures_util::future::{MaybeDone, maybe_done};
#[cfg(feature = "adapter")]
use socketio_broker::driver::Request;
use socketio_broker::driver::{BoxError, BoxFuture, Command, Commands, Reply};
#[cfg(feature = "adapter")]
use tokio_postgres::Row;
use tokio_postgres::Statement;
use tokio_postgres::types::{ToSql, Type};

use super::connection::{Connected, refusal};
use crate::settings::describe;

/// A connection that sends.
pub(super) struct Sending {
    connected: Connected,
    /// Sends a notification: a channel and a text.
    notify: Statement,
    /// Stores a row, and sends the notification with its id, in one statement.
    store: String,
}

impl Sending {
    pub(super) async fn new(connected: Connected, table: &str) -> Result<Self, BoxError> {
        // Rows live for some seconds, and need not survive a crash of the server.
        connected
            .client
            .batch_execute("SET synchronous_commit = off")
            .await
            .map_err(|error| BoxError::from(describe(&error)))?;
        let notify = connected
            .client
            .prepare_typed("SELECT pg_notify($1, $2)", &[Type::TEXT, Type::TEXT])
            .await
            .map_err(|error| BoxError::from(describe(&error)))?;
        // The statement is not prepared, as the table may be created later.
        let store = format!(
            "WITH stored AS (INSERT INTO {table} (payload) VALUES ($2) RETURNING id) \
             SELECT pg_notify($1, $3 || stored.id::text || $4) FROM stored"
        );
        Ok(Self { connected, notify, store })
    }

    /// Carries out a command. It is sent when the future is first polled.
    async fn carry_out(&self, command: &Command) -> Result<Reply, BoxError> {
        let client = &self.connected.client;
        let done = match command {
            Command::Publish { channel, payload, sharded: false } => {
                let Ok(text) = std::str::from_utf8(payload) else {
                    return Ok(Reply::Refused("a notification has to be text".to_owned()));
                };
                client.execute(&self.notify, &[channel, &text]).await
            }
            Command::Store { channel, payload, before, after } => {
                let payload = &payload[..];
                let parameters: [(&(dyn ToSql + Sync), Type); 4] = [
                    (channel, Type::TEXT),
                    (&payload, Type::BYTEA),
                    (before, Type::TEXT),
                    (after, Type::TEXT),
                ];
                client.query_typed(&self.store, &parameters).await.map(|rows| rows.len() as u64)
            }
            #[cfg(feature = "adapter")]
            Command::Request(Request::Probe { channel, sharded: false }) => {
                client.execute(&self.notify, &[channel, &""]).await
            }
            #[cfg(feature = "adapter")]
            Command::Request(Request::Script { script, keys, args }) if keys.is_empty() => {
                let args: Vec<&[u8]> = args.iter().map(|arg| &arg[..]).collect();
                let parameters: Vec<(&(dyn ToSql + Sync), Type)> =
                    args.iter().map(|arg| (arg as &(dyn ToSql + Sync), Type::BYTEA)).collect();
                return match client.query_typed(script, &parameters).await {
                    Ok(rows) => Ok(rows.first().map_or(Reply::Nothing, first_value)),
                    Err(error) => refusal(&error).map(Reply::Refused),
                };
            }
            _ => return Ok(Reply::Refused("PostgreSQL has no such command".to_owned())),
        };
        match done {
            Ok(number) => Ok(Reply::Number(number)),
            Err(error) => refusal(&error).map(Reply::Refused),
        }
    }
}

#[cfg(feature = "adapter")]
fn first_value(row: &Row) -> Reply {
    if let Ok(Some(number)) = row.try_get::<_, Option<i64>>(0) {
        return Reply::Number(number.try_into().unwrap_or_default());
    }
    match row.try_get::<_, Option<String>>(0) {
        Ok(Some(text)) => Reply::Text(text),
        _ => Reply::Nothing,
    }
}

impl Commands for Sending {
    fn send<'a>(&'a mut self, batch: &'a [&'a Command]) -> BoxFuture<'a, Result<Vec<Reply>, BoxError>> {
        Box::pin(in_order(batch.iter().map(|command| self.carry_out(command))))
    }

    fn lost(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.connected.ended())
    }
}

/// Begins all in their order, then waits for them. Ends with the first error.
pub(super) async fn in_order<T, E>(
    futures: impl Iterator<Item = impl Future<Output = Result<T, E>> + Send>,
) -> Result<Vec<T>, E> {
    let mut running: Vec<Pin<Box<MaybeDone<_>>>> = futures.map(|one| Box::pin(maybe_done(one))).collect();
    poll_fn(|cx| {
        for one in &mut running {
            // Whatever is ready now is taken below.
            let _ = one.as_mut().poll(cx);
        }
        Poll::Ready(())
    })
    .await;
    let mut results = Vec::with_capacity(running.len());
    for one in &mut running {
        one.as_mut().await;
        if let Some(result) = one.as_mut().take_output() {
            results.push(result?);
        }
    }
    Ok(results)
}
