//! The port for operators: health and metrics.

use std::future::Future;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use system_support::with_error_bodies;
use tokio::net::TcpListener;
use websocket_rooms::{METRICS_CONTENT_TYPE, Server};

/// Deadline of requests in progress when the program ends.
const LAST_RESPONSES: Duration = Duration::from_secs(1);

/// Serves until `stop` completes.
pub(crate) async fn serve(
    listener: TcpListener,
    server: Server,
    stop: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let router = Router::new()
        .route("/health/live", get(async || status(StatusCode::OK, "ok")))
        .route("/health/ready", get(ready))
        .route("/health", get(ready))
        .route("/metrics", get(metrics))
        .with_state(server);
    system_support::serve(listener, with_error_bodies(router), stop, LAST_RESPONSES).await
}

async fn ready(State(server): State<Server>) -> Response {
    if server.is_ready() {
        status(StatusCode::OK, "ok")
    } else {
        status(StatusCode::SERVICE_UNAVAILABLE, "draining")
    }
}

async fn metrics(State(server): State<Server>) -> Response {
    ([(header::CONTENT_TYPE, METRICS_CONTENT_TYPE)], server.metrics()).into_response()
}

fn status(code: StatusCode, status: &str) -> Response {
    let body = serde_json::json!({ "status": status }).to_string();
    (code, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}
