//! The HTTP API of the main port, next to Socket.IO.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use engineio::Origins;
use http::{HeaderValue, StatusCode, header};
use serde_json::json;
use socketio_gateway::Gateway;

/// The OpenAPI description of the API.
pub const OPENAPI: &str = include_str!("../openapi.json");

/// The API, with Socket.IO as the outer layer.
pub(crate) fn router(gateway: &Gateway) -> Router {
    let origins: Origins = gateway.config().origins.allowed.iter().collect();
    Router::new()
        .route("/", get(about))
        .route("/health", get(health))
        .route("/openapi.json", get(openapi))
        .route("/api/auth/acquire-session", post(acquire_session))
        .with_state(gateway.clone())
        .layer(from_fn_with_state(Arc::new(origins), allow_origins))
        .layer(from_fn_with_state(gateway.clone(), socketio))
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
            let body = json!({ "success": false, "error": "a session cannot be made" });
            (StatusCode::INTERNAL_SERVER_ERROR, Json(body)).into_response()
        }
    }
}

/// CORS headers for the listed origins. Cookies are not used, so read access is the only permission.
async fn allow_origins(State(origins): State<Arc<Origins>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let origin = headers.get(header::ORIGIN).filter(|_| origins.allow(headers)).cloned();
    let mut response = next.run(request).await;
    if let Some(origin) = origin {
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        response.headers_mut().append(header::VARY, HeaderValue::from_static("origin"));
    }
    response
}
