//! Native protocol: plain WebSockets that carry JSON, for clients without a Socket.IO library.
//!
//! A native connection is an ordinary session of the own server, with its WebSocket as the transport. Only
//! the messages differ, and `translator` translates them. Both kinds of clients therefore share namespaces,
//! rooms, users, handlers and limits, and all features work for both. `plain` translates most messages
//! without another copy, `message` the others.

mod message;
#[cfg(feature = "fuzzing")]
pub(crate) mod message_check;
mod plain;
mod subprotocol;
mod translator;

use std::net::SocketAddr;
use std::time::Duration;

use engineio::{OpenError, PeerAddr, Query, RequestBody, Session};
use http::{HeaderValue, Request, StatusCode, header};
use serde_json::{Value, json};
use socketio_server::Handshake;

use self::translator::{Client, Refused};
use crate::auth::refusal;
use crate::config::Config;
use crate::response::{self, HttpResponse};

/// Whether the client of this handshake speaks the native protocol.
pub fn is_native(handshake: &Handshake) -> bool {
    handshake.request().is_translated()
}

/// Name of the transport of a session: `native`, or the transport of Socket.IO.
pub fn transport(session: &Session) -> &'static str {
    if session.request().is_translated() { "native" } else { session.transport().as_str() }
}

/// Responds to a WebSocket upgrade, after the client has joined its namespace or was refused.
pub(crate) async fn upgrade(
    config: &Config,
    engine: &engineio::Server,
    mut request: Request<RequestBody>,
    peer: SocketAddr,
) -> HttpResponse {
    subprotocol::authorize(request.headers_mut());
    let subprotocol = subprotocol::selected(request.headers());
    let namespace = Query::from(request.uri()).get("namespace").unwrap_or("/").to_owned();
    if !is_namespace(&namespace) {
        let message = "a name such as /chat is expected";
        return response::failure(StatusCode::BAD_REQUEST, "bad_namespace", message);
    }
    request.extensions_mut().insert(PeerAddr(peer));
    let (client, joined) = Client::new(&namespace, config.transport.max_payload_bytes);
    let (session, mut switching) = match engine.open_translated(request, client).await {
        Ok(opened) => opened,
        Err(OpenError::Refused(response)) => return *response,
        Err(OpenError::Handshake { status, message }) => return bad_handshake(status, &message),
        Err(_) => return unavailable(),
    };
    // With any other response the session ends.
    let limit = Duration::from_millis(config.transport.connect_timeout_ms);
    match tokio::time::timeout(limit, joined).await {
        Ok(Ok(Ok(()))) => {
            if let Some(subprotocol) = subprotocol {
                switching.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, subprotocol);
            }
            switching
        }
        Ok(Ok(Err(refusal))) => refused(refusal),
        Ok(Err(_)) => unavailable(),
        Err(_) => {
            session.abort();
            let message = "the namespace did not respond in time";
            response::failure(StatusCode::GATEWAY_TIMEOUT, "timeout", message)
        }
    }
}

/// Whether the header of a packet can contain the name.
fn is_namespace(name: &str) -> bool {
    name.starts_with('/')
        && name.len() <= 512
        && !name.contains([',', '?'])
        && !name.contains(char::is_control)
}

fn bad_handshake(status: StatusCode, message: &str) -> HttpResponse {
    let mut refused = response::failure(status, "bad_handshake", message);
    refused.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    refused
}

/// HTTP response to a refused client.
fn refused(refusal: Refused) -> HttpResponse {
    let Refused { message, data } = refusal;
    // The refusal of an unknown namespace has no code, and this text.
    let is_unknown = data.is_none() && message == "Invalid namespace";
    let own = data.as_ref().and_then(|data| data.get("code")).and_then(Value::as_str);
    let (status, code) = if is_unknown {
        (StatusCode::NOT_FOUND, "unknown_namespace")
    } else {
        (own.and_then(refusal::status).unwrap_or(StatusCode::FORBIDDEN), "connect_error")
    };
    let mut error = json!({"code": code, "message": message});
    if let Some(data) = data {
        error["data"] = data;
    }
    response::json(status, &json!({"success": false, "error": error}))
}

/// HTTP response when the server closed the session without a refusal, as it does during a drain.
fn unavailable() -> HttpResponse {
    let message = "the server accepts no connections";
    response::failure(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_depends_on_the_code_and_not_on_the_text() {
        for (message, data, status) in [
            ("go away", Some(json!({"code": "invalid_token"})), 401),
            ("go away", Some(json!({"code": "backend_unavailable", "more": 1})), 503),
            ("go away", Some(json!({"code": "too_many_namespaces"})), 429),
            ("Invalid namespace", None, 404),
            // An application may use any texts and codes.
            ("unauthorized", None, 403),
            ("unavailable", Some(json!("invalid_token")), 403),
            ("too many cooks", Some(json!({"code": "kitchen_full"})), 403),
            ("Invalid namespace", Some(json!({"code": 404})), 403),
        ] {
            let response = refused(Refused { message: message.to_owned(), data: data.clone() });
            assert_eq!(response.status(), status, "{message} {data:?}");
        }
    }
}
