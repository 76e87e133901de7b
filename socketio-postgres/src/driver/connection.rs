//! An open connection, and the task that drives it.

use std::future::poll_fn;
use std::sync::Arc;

use socketio_broker::driver::BoxError;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_postgres::error::{DbError, Severity};
use tokio_postgres::{AsyncMessage, Client, Connection, NoTls};

use crate::settings::{Postgres, describe};

/// A connection, which is closed on drop.
pub(crate) struct Connected {
    pub(crate) client: Arc<Client>,
    lost: watch::Receiver<bool>,
    task: JoinHandle<()>,
}

impl Connected {
    /// Opens a connection. `notified` gets the channel and the text of each notification.
    pub(crate) async fn open(
        settings: &Postgres,
        purpose: &str,
        notified: impl Fn(&str, &str) + Send + 'static,
    ) -> Result<Self, BoxError> {
        let config = settings.config(purpose);
        let described = |error: tokio_postgres::Error| BoxError::from(describe(&error));
        #[cfg(feature = "tls")]
        if let Some(tls) = settings.tls() {
            let (client, connection) = config.connect(tls.clone()).await.map_err(described)?;
            return Ok(Self::start(client, connection, notified));
        }
        let (client, connection) = config.connect(NoTls).await.map_err(described)?;
        Ok(Self::start(client, connection, notified))
    }

    fn start<S, T>(
        client: Client,
        mut connection: Connection<S, T>,
        notified: impl Fn(&str, &str) + Send + 'static,
    ) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (ended, lost) = watch::channel(false);
        let task = tokio::spawn(async move {
            while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
                if let AsyncMessage::Notification(notification) = message {
                    notified(notification.channel(), notification.payload());
                }
            }
            ended.send_replace(true);
        });
        Self { client: Arc::new(client), lost, task }
    }

    /// Returns when the connection is lost.
    pub(crate) async fn ended(&self) {
        let mut lost = self.lost.clone();
        let _ = lost.wait_for(|lost| *lost).await;
    }
}

impl Drop for Connected {
    /// A server that does not answer any more would keep the task for ever.
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The reason for which the server has refused a command. An error if the connection is of no use any more.
pub(crate) fn refusal(error: &tokio_postgres::Error) -> Result<String, BoxError> {
    let is_fatal = |error: &DbError| {
        matches!(error.parsed_severity(), Some(Severity::Fatal | Severity::Panic))
            // A server of an old version, or one in another language.
            || matches!(error.severity(), "FATAL" | "PANIC")
    };
    match error.as_db_error() {
        Some(refused) if !is_fatal(refused) => Ok(refused.to_string()),
        Some(fatal) => Err(fatal.to_string().into()),
        // A parameter that cannot be written, as a text with a NUL, leaves the connection as it was.
        None if !error.is_closed()
            && std::error::Error::source(error).is_some_and(|cause| !cause.is::<std::io::Error>()) =>
        {
            Ok(describe(error))
        }
        None => Err(describe(error).into()),
    }
}
