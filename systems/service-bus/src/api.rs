//! The HTTP API: the same commands, for services that cannot hold a connection.

use std::future::Future;
use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt, Collected, Limited};
use serde_json::json;
use socketio_parser::Value;
use system_support::failure;
use tokio::net::TcpListener;

use crate::bus::Bus;
use crate::command::{Command, CommandError};

/// Maximum body size in bytes: the maximum size of a Socket.IO message.
const MAX_BODY: usize = 1_000_000;
/// Deadline for reading a body, also for a body that is discarded.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

impl Bus {
    /// Socket.IO and the API, as one router.
    pub fn router(&self) -> Router {
        let api = Router::new()
            .route("/health", get(|| async { Json(json!({ "status": "ok" })) }))
            .route("/api/rooms", get(rooms).fallback(no_method))
            .route("/api/ready", get(ready).fallback(no_method))
            .fallback(nothing)
            .route("/api/{op}", post(command).fallback(no_method))
            .with_state(self.clone());
        // Socket.IO in front has CORS headers of its own.
        let router = system_support::with_cors(api, self.origins().clone()).layer(self.io().layer());
        system_support::with_peer_addresses(router)
    }

    /// Serves until `stop` completes. Then all clients are disconnected, and requests in flight have ten
    /// seconds to finish.
    pub async fn serve(
        &self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let bus = self.clone();
        let stopped = async move {
            stop.await;
            bus.close().await;
        };
        system_support::serve(listener, self.router(), stopped, system_support::SHUTDOWN_TIMEOUT).await
    }
}

async fn command(
    State(bus): State<Bus>,
    Path(op): Path<String>,
    headers: HeaderMap,
    mut body: Body,
) -> Response {
    let answer = obeyed(&bus, &op, &headers, &mut body).await;
    discard(&mut body).await;
    answer
}

async fn obeyed(bus: &Bus, op: &str, headers: &HeaderMap, body: &mut Body) -> Response {
    if !Command::OPS.contains(&op) {
        return failure(StatusCode::NOT_FOUND, "there is nothing at this path");
    }
    if let Err(refused) = admit(bus, headers) {
        return *refused;
    }
    // The key is checked first, so that no body of an unauthorized client is held.
    let read = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, MAX_BODY).collect()).await;
    let body = match read.map(|read| read.map(Collected::to_bytes)) {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => {
            let message = "the body is too large, or did not come whole";
            return failure(StatusCode::PAYLOAD_TOO_LARGE, message);
        }
        Err(_) => return failure(StatusCode::REQUEST_TIMEOUT, "the body did not come in time"),
    };
    let data: Value = match serde_json::from_slice(&body) {
        Ok(data) => data,
        Err(error) => return failure(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let source = data.get("source").as_str().filter(|source| !source.is_empty()).unwrap_or("http");
    let done = match Command::read(op, &data) {
        Ok(command) => bus.carry_out(command, source).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(outcome) => Json(json!({ "success": true, "reached": outcome.reached })).into_response(),
        Err(error) => {
            let status = match error {
                CommandError::NoClient => StatusCode::NOT_FOUND,
                CommandError::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
                _ => StatusCode::SERVICE_UNAVAILABLE,
            };
            failure(status, &error.to_string())
        }
    }
}

/// Reads the rest of a body up to a limit. Closing a connection with unread data resets it, and a client that
/// is still writing would never see the response.
async fn discard(body: &mut Body) {
    let rest = async {
        let mut left = MAX_BODY;
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, bytes::Bytes::len));
            if left == 0 {
                return;
            }
        }
    };
    // A client that writes more slowly is cut off, even if it loses the response.
    let _ = tokio::time::timeout(BODY_TIMEOUT, rest).await;
}

async fn nothing() -> Response {
    failure(StatusCode::NOT_FOUND, "there is nothing at this path")
}

async fn no_method() -> Response {
    failure(StatusCode::METHOD_NOT_ALLOWED, "not with this method")
}

async fn rooms(State(bus): State<Bus>, headers: HeaderMap) -> Response {
    match admit(&bus, &headers) {
        Ok(()) => Json(json!({ "success": true, "rooms": bus.rooms() })).into_response(),
        Err(refused) => *refused,
    }
}

/// Readiness check: whether the bus accepts requests with these credentials.
async fn ready(State(bus): State<Bus>, headers: HeaderMap) -> Response {
    match admit(&bus, &headers) {
        Ok(()) => Json(json!({ "success": true })).into_response(),
        Err(refused) => *refused,
    }
}

/// Accepts clients with the key, and refuses foreign pages.
fn admit(bus: &Bus, headers: &HeaderMap) -> Result<(), Box<Response>> {
    if !bus.origins().allow(headers) {
        return Err(Box::new(failure(StatusCode::FORBIDDEN, "pages of this origin may not do that")));
    }
    let wrong = || Box::new(failure(StatusCode::UNAUTHORIZED, "the key of services is missing or wrong"));
    if bus.knows(bearer(headers)) { Ok(()) } else { Err(wrong()) }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use bytes::Bytes;
    use http_body::Frame;

    use super::*;
    use crate::bus::BusOptions;

    /// A body that never arrives.
    struct Never;

    impl http_body::Body for Never {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Pending
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_incomplete_body_times_out() {
        let bus = Bus::new(BusOptions::default()).unwrap();
        let op = Command::OPS[0].to_owned();
        let asked = command(State(bus), Path(op), HeaderMap::new(), Body::new(Never));
        let answer = tokio::time::timeout(3 * BODY_TIMEOUT, asked).await.unwrap();
        assert_eq!(answer.status(), StatusCode::REQUEST_TIMEOUT);
    }
}
