//! The driver on the crate tokio-postgres: a connection that sends, and one that listens.

mod commands;
mod connection;
#[cfg(feature = "adapter")]
mod listening;
#[cfg(feature = "adapter")]
mod rows;

#[cfg(feature = "adapter")]
use std::sync::Arc;

use socketio_broker::driver::{BoxError, BoxFuture, Commands, Driver};
#[cfg(feature = "adapter")]
use socketio_broker::driver::{Sink, Subscriptions};
use tokio_postgres::Client;

use self::commands::Sending;
use self::connection::Connected;
#[cfg(feature = "adapter")]
use self::listening::Listening;
#[cfg(feature = "adapter")]
pub(crate) use self::rows::{RowError, Rows};
use crate::settings::{Postgres, describe};

/// The name of the broker in log events.
const BROKER: &str = "PostgreSQL";

/// Connections to the server.
pub(crate) struct PostgresDriver {
    settings: Postgres,
    /// The name of the table in SQL.
    table: String,
    /// Whether the table is created.
    create_table: bool,
    /// The rows of large messages, which are read on the listening connection. `None` for an emitter, which reads none.
    #[cfg(feature = "adapter")]
    rows: Option<Arc<Rows>>,
}

impl PostgresDriver {
    /// The driver of an emitter.
    pub(crate) fn of_emitter(settings: &Postgres, table: &str) -> Self {
        Self {
            settings: settings.clone(),
            table: table.to_owned(),
            create_table: false,
            #[cfg(feature = "adapter")]
            rows: None,
        }
    }

    /// The driver of an adapter.
    #[cfg(feature = "adapter")]
    pub(crate) fn of_adapter(settings: &Postgres, table: &str, create_table: bool, rows: &Arc<Rows>) -> Self {
        let table = table.to_owned();
        Self { settings: settings.clone(), table, create_table, rows: Some(Arc::clone(rows)) }
    }

    /// Creates the table, unless it is there. Without it everything works but large messages, so that a failure is logged
    /// and no reason to give up.
    async fn create(&self, client: &Client) {
        let is_there = async || {
            let found = client.query_one("SELECT to_regclass($1) IS NOT NULL", &[&self.table]).await;
            found.is_ok_and(|row| row.try_get(0).unwrap_or_default())
        };
        if is_there().await {
            return;
        }
        let sql = format!(
            "CREATE TABLE IF NOT EXISTS {} \
             (id bigserial UNIQUE, created_at timestamptz DEFAULT NOW(), payload bytea)",
            self.table
        );
        if let Err(error) = client.batch_execute(&sql).await {
            // Another node may have created it at the same moment.
            if !is_there().await {
                socketio_broker::trace::refused(BROKER, &describe(&error));
            }
        }
    }
}

impl Driver for PostgresDriver {
    fn broker(&self) -> &'static str {
        BROKER
    }

    fn commands(&self) -> BoxFuture<'_, Result<Box<dyn Commands>, BoxError>> {
        Box::pin(async move {
            let connected = Connected::open(&self.settings, "publish", |_, _| {}).await?;
            if self.create_table {
                self.create(&connected.client).await;
            }
            Ok(Box::new(Sending::new(connected, &self.table).await?) as _)
        })
    }

    #[cfg(feature = "adapter")]
    fn subscriptions(&self, sink: Arc<dyn Sink>) -> BoxFuture<'_, Result<Box<dyn Subscriptions>, BoxError>> {
        Box::pin(async move {
            let listening = Listening::open(&self.settings, sink, self.rows.clone()).await?;
            Ok(Box::new(listening) as _)
        })
    }
}
