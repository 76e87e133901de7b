//! The HTTP API of the main port, next to Socket.IO.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use engineio::Origins;
use http::{StatusCode, header};
use serde_json::json;
use socketio_gateway::Gateway;
use system_support::{failure, with_cors, with_error_bodies};

/// The OpenAPI description of the API.
pub const OPENAPI: &str = include_str!("../openapi.json");

/// The API, with Socket.IO as the outer layer. `websocket` is the port of plain WebSocket, if this process has it.
pub(crate) fn router(gateway: &Gateway, websocket: Option<u16>) -> Router {
    let origins: Origins = gateway.config().origins.allowed.iter().collect();
    let router = Router::new()
        .route("/", get(about))
        .route("/health", get(health))
        .route("/openapi.json", get(openapi))
        .route("/api/auth/acquire-session", post(acquire_session))
        .with_state(gateway.clone())
        .layer(from_fn(move |request, next| refuse_websocket(websocket, request, next)));
    with_cors(with_error_bodies(router), origins.into()).layer(from_fn_with_state(gateway.clone(), socketio))
}

/// Refuses WebSockets. Otherwise their clients would report an unexpected status 200.
async fn refuse_websocket(port: Option<u16>, request: Request, next: Next) -> Response {
    let upgrade = request.headers().get(header::UPGRADE);
    if upgrade.is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket")) {
        let error = match port {
            Some(port) => format!("plain WebSocket is on port {port}"),
            None => "plain WebSocket is on the port of another process".to_owned(),
        };
        return failure(StatusCode::BAD_REQUEST, &error);
    }
    next.run(request).await
}

/// Socket.IO, with the same origins and limits as on the other port.
async fn socketio(
    State(gateway): State<Gateway>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    if gateway.io().engine().matches(request.uri().path()) {
        gateway.socketio(request, peer).await.into_response()
    } else {
        next.run(request).await
    }
}

async fn about() -> Response {
    let about = json!({
        "name": env!("CARGO_PKG_NAME"),
        "version": env!("CARGO_PKG_VERSION"),
        "socketio": "/socket.io/",
        "api": "/openapi.json",
    });
    Json(about).into_response()
}

async fn health(State(gateway): State<Gateway>) -> Response {
    let ready = gateway.is_ready();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let said = if ready { "ok" } else { "draining" };
    let uptime = gateway.uptime().as_secs();
    let clients = gateway.io().len();
    (status, Json(json!({ "status": said, "uptime": uptime, "clients": clients }))).into_response()
}

async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}

/// Creates an anonymous session.
async fn acquire_session(State(gateway): State<Gateway>) -> Response {
    match gateway.acquire_session(None) {
        Ok(session) => {
            let data = json!({ "token": session.token, "expiresAt": session.expires_at() });
            let body = Json(json!({ "success": true, "data": data }));
            ([(header::CACHE_CONTROL, "no-store")], body).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "a session was not made");
            failure(StatusCode::INTERNAL_SERVER_ERROR, "a session cannot be made")
        }
    }
}
