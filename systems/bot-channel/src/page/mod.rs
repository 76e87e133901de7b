//! The page at `/`, on which browsers talk with the bot. Its files lie beside this one, and it loads no scripts from other
//! servers.

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{
    ACCEPT, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, StatusCode};
use serde_json::json;

use crate::app::health;
use crate::channel::Channel;

/// Scripts and styles are the files of the page, and connections go to its own origin. Pictures and videos are wherever the
/// bot says. Framing is forbidden, because a frame would allow clickjacking of its buttons.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' https: data:; \
     media-src 'self' https:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// The routes of the page: `/` for browsers, which is the health for all others, and its files.
pub(crate) fn routes(channel: &Channel) -> Router {
    let settings: Arc<str> = settings(channel).into();
    let channel = channel.clone();
    let home = move |headers: HeaderMap| async move {
        let mut accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let mut response = if accepted.any(|value| value.contains("text/html")) {
            file("text/html; charset=utf-8", include_str!("index.html"))
        } else {
            health(&channel).into_response()
        };
        response.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
        response
    };
    Router::new()
        .route("/", get(home))
        .route("/page.css", get(async || file("text/css; charset=utf-8", include_str!("page.css"))))
        .route("/page.js", get(async || file(JAVASCRIPT, include_str!("page.js"))))
        .route("/clients.js", get(async || file(JAVASCRIPT, CLIENTS)))
        .route("/page.json", get(move || async move { file("application/json", &settings) }))
}

/// The client of Socket.IO of the gateway's page.
const CLIENTS: &str = include_str!("../../../../gateway/src/http/page/clients.js");

/// The settings that the page needs. None is secret: each client has to know them.
fn settings(channel: &Channel) -> String {
    let config = channel.config();
    json!({
        "path": axum_plugin::SocketOptions::mount_point(&config.options()),
        "namespace": config.namespace,
        "user_message_evt": config.user_message_evt,
        "bot_message_evt": config.bot_message_evt,
        "needs_token": config.jwt_key.is_some(),
    })
    .to_string()
}

fn file(content_type: &'static str, text: &str) -> Response {
    let same_origin = HeaderValue::from_static("same-origin");
    let mut response = (StatusCode::OK, text.to_owned()).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    // Pages of other origins neither reach its window nor embed its files.
    headers.insert(OPENER_POLICY, same_origin.clone());
    headers.insert(RESOURCE_POLICY, same_origin);
    response
}
