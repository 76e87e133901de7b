//! The rows of large messages: they are read one after the other on the connection that listens, and deleted later.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use socketio_broker::backoff::jittered;
use thiserror::Error;
use tokio::sync::watch;
use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use super::BROKER;
use super::connection::refusal;
use crate::settings::describe;

/// Access to the rows.
pub(crate) struct Rows {
    client: watch::Sender<Option<Arc<Client>>>,
    read: String,
    delete: String,
    /// Maximum wait for a row, the time without a connection included.
    timeout: Duration,
}

/// A row cannot be read.
#[derive(Debug, Error)]
pub(crate) enum RowError {
    /// It was deleted, never existed, or is too large.
    #[error("the row does not exist, or is too large")]
    Missing,
    /// The id is not the one of a row.
    #[error("the id of the row is not a number")]
    Id,
    /// The server has refused to read it, or there was no connection in time.
    #[error("the row cannot be read: {0}")]
    Failed(String),
}

impl Rows {
    /// Rows of a table with this name in SQL, which are deleted when they are older than `max_age`, by a task that ends with
    /// the value.
    pub(crate) fn start(table: &str, timeout: Duration, max_age: Duration) -> Arc<Self> {
        let milliseconds = max_age.as_millis();
        let rows = Arc::new(Self {
            client: watch::channel(None).0,
            read: format!(
                "SELECT CASE WHEN octet_length(payload) <= $2 THEN payload END FROM {table} WHERE id = $1"
            ),
            delete: format!(
                "DELETE FROM {table} WHERE created_at < now() - interval '{milliseconds} milliseconds'"
            ),
            timeout,
        });
        tokio::spawn(clean(Arc::downgrade(&rows), max_age.max(Duration::from_millis(1))));
        rows
    }

    /// The connection that listens is open.
    pub(super) fn opened(&self, client: &Arc<Client>) {
        self.client.send_replace(Some(Arc::clone(client)));
    }

    /// It is lost.
    pub(super) fn closed(&self) {
        self.client.send_replace(None);
    }

    /// The payload of a row of at most this size. Waits for a connection, and asks again when it was lost.
    pub(crate) async fn read(&self, id: &str, max_bytes: usize) -> Result<Bytes, RowError> {
        let id: i64 = id.parse().map_err(|_| RowError::Id)?;
        let max_bytes = i32::try_from(max_bytes).unwrap_or(i32::MAX);
        let reading = async {
            let mut clients = self.client.subscribe();
            loop {
                let Ok(client) = clients.wait_for(Option::is_some).await.map(|client| client.clone()) else {
                    return Err(RowError::Failed("the adapter is closed".to_owned()));
                };
                let Some(client) = client else { continue };
                let parameters: [(&(dyn ToSql + Sync), Type); 2] =
                    [(&id, Type::INT8), (&max_bytes, Type::INT4)];
                match client.query_typed(&self.read, &parameters).await {
                    Ok(rows) => {
                        let payload = rows.first().and_then(|row| row.try_get::<_, Option<&[u8]>>(0).ok()?);
                        return payload.map(Bytes::copy_from_slice).ok_or(RowError::Missing);
                    }
                    Err(error) => match refusal(&error) {
                        Ok(reason) => return Err(RowError::Failed(reason)),
                        // The next connection, unless there is one already.
                        Err(_) => {
                            let is_same = |next: &Option<Arc<Client>>| {
                                next.as_ref().is_some_and(|next| Arc::ptr_eq(next, &client))
                            };
                            let _ = clients.wait_for(|next| !is_same(next)).await;
                        }
                    },
                }
            }
        };
        let failed = |_| Err(RowError::Failed("no answer in time".to_owned()));
        tokio::time::timeout(self.timeout, reading).await.unwrap_or_else(failed)
    }
}

/// Deletes old rows, until the adapter is dropped.
async fn clean(rows: Weak<Rows>, interval: Duration) {
    let mut is_logged = false;
    loop {
        tokio::time::sleep(jittered(interval)).await;
        let Some(rows) = rows.upgrade() else { return };
        let client = rows.client.borrow().clone();
        let Some(client) = client else { continue };
        let deleting = tokio::time::timeout(rows.timeout, client.batch_execute(&rows.delete)).await;
        if let Ok(Err(error)) = deleting {
            if !std::mem::replace(&mut is_logged, true) {
                socketio_broker::trace::refused(BROKER, &describe(&error));
            }
        }
    }
}
