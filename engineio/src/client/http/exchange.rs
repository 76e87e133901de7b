//! One polling request and its response, on a connection that is reused.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;

use super::connection::Connection;
use super::dial;
use super::route::Route;
use crate::client::error::HttpError;

/// A request in progress: the body of its response, and the connection if it can be reused.
pub(crate) type Exchange =
    Pin<Box<dyn Future<Output = (Result<Bytes, HttpError>, Option<Connection>)> + Send>>;

/// Sends a polling request, on `idle` if that connection still works, and waits for the whole response. The
/// response must have the status 200 and at most `limit` bytes.
pub(crate) fn exchange(
    route: Arc<Route>,
    idle: Option<Connection>,
    request: Result<Request<Full<Bytes>>, HttpError>,
    limit: usize,
) -> Exchange {
    let timeout = route.config.request_timeout;
    let exchanged = run(route, idle, request, limit);
    match timeout {
        None => Box::pin(exchanged),
        Some(timeout) => Box::pin(async move {
            // A connection whose response is still due cannot be reused.
            tokio::time::timeout(timeout, exchanged).await.unwrap_or((Err(HttpError::TimedOut), None))
        }),
    }
}

async fn run(
    route: Arc<Route>,
    idle: Option<Connection>,
    request: Result<Request<Full<Bytes>>, HttpError>,
    limit: usize,
) -> (Result<Bytes, HttpError>, Option<Connection>) {
    let mut request = match request {
        Ok(request) => request,
        Err(error) => return (Err(error), idle),
    };
    let mut reusable = idle;
    loop {
        let is_reused = reusable.is_some();
        let mut connection = match reusable.take() {
            Some(connection) => connection,
            None => match open(&route).await {
                Ok(connection) => connection,
                Err(error) => return (Err(error), None),
            },
        };
        match connection.send(request).await {
            Ok(response) => return connection.read(&route, response, limit).await,
            // The server closed the idle connection before the request was sent. A new one is tried.
            Err((_, Some(unsent))) if is_reused => request = unsent,
            Err((error, _)) => return (Err(error), None),
        }
    }
}

async fn open(route: &Route) -> Result<Connection, HttpError> {
    Connection::on(dial::open(route, false).await?).await
}
