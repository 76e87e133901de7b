//! Statements of the application on the connection of the adapter.

use std::borrow::Cow;

use bytes::Bytes;
use socketio_broker::PublishError;
use socketio_broker::driver::{Command, Reply, Request};

use super::PostgresAdapter;

/// The first value of the first row of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueryReply {
    /// NULL, no row, or a value of another type.
    Nothing,
    /// A `bigint`; negative ones are 0.
    Number(u64),
    /// A `text`.
    Text(String),
}

impl PostgresAdapter {
    /// Carries out a statement behind the messages that wait for PostgreSQL, and waits for its reply, for at most
    /// [`Postgres::timeout`](crate::Postgres::timeout). Without a connection it fails at once. For state that an application
    /// shares between its servers, on the connection that the adapter has anyway. All parameters, `$1` and so on, are of the
    /// type `bytea`. The connection commits asynchronously (`synchronous_commit = off`).
    ///
    /// # Errors
    ///
    /// There is no connection, or PostgreSQL has refused the statement. If the connection has ended before there was a reply,
    /// the statement may have been carried out.
    pub async fn query(
        &self,
        sql: impl Into<Cow<'static, str>>,
        parameters: Vec<Vec<u8>>,
    ) -> Result<QueryReply, PublishError> {
        match self.medium.request(to_request(sql.into(), parameters)).await? {
            Reply::Number(number) => Ok(QueryReply::Number(number)),
            Reply::Text(text) => Ok(QueryReply::Text(text)),
            Reply::Nothing | Reply::Entries(_) | Reply::Value { .. } | Reply::Conflict => {
                Ok(QueryReply::Nothing)
            }
            Reply::Refused(reason) => Err(PublishError::Refused(reason)),
            Reply::Lost => Err(PublishError::Down),
        }
    }

    /// As [`query`](Self::query), without waiting: the statement is carried out when PostgreSQL is reached, and its reply is
    /// dropped. It is not repeated if the connection ends before there was a reply.
    ///
    /// # Errors
    ///
    /// More than [`Postgres::max_queued_bytes`](crate::Postgres::max_queued_bytes) wait for PostgreSQL.
    pub fn queue_query(
        &self,
        sql: impl Into<Cow<'static, str>>,
        parameters: Vec<Vec<u8>>,
    ) -> Result<(), PublishError> {
        self.medium.push(Command::Request(to_request(sql.into(), parameters)))
    }
}

fn to_request(script: Cow<'static, str>, parameters: Vec<Vec<u8>>) -> Request {
    Request::Script { script, keys: Vec::new(), args: parameters.into_iter().map(Bytes::from).collect() }
}
