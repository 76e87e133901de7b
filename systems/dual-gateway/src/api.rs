//! The HTTP API of the main port. Socket.IO lives beside it.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use engineio::PeerAddr;
use gateway::Gateway;
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use crate::session::Sessions;

/// What the API offers, in OpenAPI.
pub const OPENAPI: &str = include_str!("../openapi.json");

#[derive(Clone)]
struct Api {
    gateway: Gateway,
    sessions: Sessions,
}

/// The API, with Socket.IO in front.
pub(crate) fn router(gateway: &Gateway, sessions: Sessions) -> Router {
    let io = gateway.io().layer();
    let api = Api { gateway: gateway.clone(), sessions };
    let origins: Arc<[String]> = gateway.config().origins.allowed.clone().into();
    Router::new()
        .route("/", get(about))
        .route("/health", get(health))
        .route("/openapi.json", get(openapi))
        .route("/api/auth/acquire-session", post(acquire_session))
        .with_state(api)
        .layer(from_fn_with_state(origins, allow_origins))
        .layer(io)
        .layer(axum::middleware::from_fn(name_peer))
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

async fn health(State(api): State<Api>) -> Response {
    let ready = api.gateway.is_ready();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let said = if ready { "ok" } else { "draining" };
    let uptime = api.gateway.uptime().as_secs();
    let clients = api.gateway.io().len();
    (status, Json(json!({ "status": said, "uptime": uptime, "clients": clients }))).into_response()
}

async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}

/// A session of nobody in particular.
async fn acquire_session(State(api): State<Api>) -> Response {
    match api.sessions.acquire(None) {
        Ok((session, token)) => {
            let data = json!({ "token": token, "expiresAt": session.expires_at() });
            let body = Json(json!({ "success": true, "data": data }));
            ([(header::CACHE_CONTROL, "no-store")], body).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "a session was not made");
            let body = json!({ "success": false, "error": "a session cannot be made" });
            (StatusCode::INTERNAL_SERVER_ERROR, Json(body)).into_response()
        }
    }
}

/// Lets pages of the listed origins read the answers. No cookie plays a part, so reading is all there is to allow.
async fn allow_origins(State(origins): State<Arc<[String]>>, request: Request, next: Next) -> Response {
    let origin: Option<HeaderValue> = request.headers().get(header::ORIGIN).cloned();
    let mut response = next.run(request).await;
    let allowed = |origin: &HeaderValue| {
        origins.iter().any(|allowed| allowed == "*" || allowed.as_bytes() == origin.as_bytes())
    };
    if let Some(origin) = origin.filter(allowed) {
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        response.headers_mut().append(header::VARY, HeaderValue::from_static("origin"));
    }
    response
}

/// The Socket.IO server below learns from axum who the peer is.
async fn name_peer(mut request: Request, next: Next) -> Response {
    if let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>().copied() {
        request.extensions_mut().insert(PeerAddr(peer));
    }
    next.run(request).await
}
