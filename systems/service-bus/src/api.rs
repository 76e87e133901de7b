//! The HTTP API: the same commands, for services that cannot hold a connection.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use engineio::PeerAddr;
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::bus::{Bus, Command, CommandError};

impl Bus {
    /// Socket.IO and the API, as one router.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/health", get(|| async { Json(json!({ "status": "ok" })) }))
            .route("/api/rooms", get(rooms))
            .route("/api/{op}", post(command))
            .with_state(self.clone())
            .layer(self.io().layer())
            .layer(from_fn(name_peer))
    }

    /// Serves until `stop` is done; then everybody is told to go.
    pub async fn serve(
        &self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let bus = self.clone();
        let service = self.router().into_make_service_with_connect_info::<SocketAddr>();
        let stopped = async move {
            stop.await;
            bus.close().await;
        };
        axum::serve(listener, service).with_graceful_shutdown(stopped).await
    }
}

async fn command(
    State(bus): State<Bus>,
    Path(op): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !Command::OPS.contains(&op.as_str()) {
        return failure(StatusCode::NOT_FOUND, "there is nothing at this path");
    }
    if !bus.knows(bearer(&headers)) {
        return failure(StatusCode::UNAUTHORIZED, "the key of services is missing or wrong");
    }
    let mut data: Value = match serde_json::from_slice(&body) {
        Ok(data) => data,
        Err(error) => return failure(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let source = match data.as_object_mut().and_then(|object| object.remove("source")) {
        Some(Value::String(source)) if !source.is_empty() => source,
        _ => "http".to_owned(),
    };
    let done = match Command::read(&op, data) {
        Ok(command) => bus.carry_out(command, &source).await,
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

async fn rooms(State(bus): State<Bus>, headers: HeaderMap) -> Response {
    if !bus.knows(bearer(&headers)) {
        return failure(StatusCode::UNAUTHORIZED, "the key of services is missing or wrong");
    }
    Json(json!({ "success": true, "rooms": bus.rooms() })).into_response()
}

fn failure(status: StatusCode, error: &str) -> Response {
    (status, Json(json!({ "success": false, "error": error }))).into_response()
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

/// The Socket.IO server below learns from axum who the peer is.
async fn name_peer(mut request: Request, next: Next) -> Response {
    if let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>().copied() {
        request.extensions_mut().insert(PeerAddr(peer));
    }
    next.run(request).await
}
