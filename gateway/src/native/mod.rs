//! The native protocol: plain WebSockets that carry JSON, for clients without a Socket.IO library.
//!
//! A native connection is a session of our own server as all others are, with its WebSocket as the carrier; only the
//! messages are others, between which `translator` translates. So there is one set of namespaces, rooms, users, handlers
//! and limits, and nothing that works for the one kind of client can be missing for the other. The price is one more
//! encoding per message, which is small beside the system call that carries it.

mod message;
#[cfg(feature = "fuzzing")]
pub(crate) mod message_check;
mod subprotocol;
mod translator;

use std::net::SocketAddr;
use std::time::Duration;

use engineio::{OpenError, PeerAddr, Query, RequestBody, Session};
use http::{HeaderValue, Request, StatusCode, header};
use serde_json::{Value, json};
use socketio_server::Handshake;

use self::translator::{Client, NotLetIn};
use crate::auth::refusal;
use crate::config::Config;
use crate::response::{self, HttpResponse};

/// Whether a socket's client speaks the native protocol.
pub fn is_native(handshake: &Handshake) -> bool {
    handshake.request().is_translated()
}

/// How a session's client is connected: `native`, or the transport of Socket.IO.
pub fn transport(session: &Session) -> &'static str {
    if session.request().is_translated() { "native" } else { session.transport().as_str() }
}

/// Answers a request that wants a WebSocket. The client is let in, or not, before the answer is given.
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
    let (client, joined) = Client::new(&namespace);
    let (session, mut switching) = match engine.open_translated(request, client).await {
        Ok(opened) => opened,
        Err(OpenError::Refused(answer)) => return *answer,
        Err(OpenError::Handshake { status, message }) => return bad_handshake(status, &message),
        Err(_) => return gone(),
    };
    // With any other answer the session ends.
    let limit = Duration::from_millis(config.transport.connect_timeout_ms);
    match tokio::time::timeout(limit, joined).await {
        Ok(Ok(Ok(()))) => {
            if let Some(subprotocol) = subprotocol {
                switching.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, subprotocol);
            }
            switching
        }
        Ok(Ok(Err(refused))) => not_let_in(refused),
        Ok(Err(_)) => gone(),
        Err(_) => {
            session.abort();
            let message = "the namespace did not answer in time";
            response::failure(StatusCode::GATEWAY_TIMEOUT, "timeout", message)
        }
    }
}

/// A name that a packet's header can carry.
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

/// A refusal as HTTP has it.
fn not_let_in(refused: NotLetIn) -> HttpResponse {
    let NotLetIn { message, data } = refused;
    // Only the protocol itself refuses without a code, and by this text.
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

/// The server ended the session without a word, as it does when it shuts down.
fn gone() -> HttpResponse {
    let message = "the server takes no connections now";
    response::failure(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_comes_from_the_code_and_not_from_the_text() {
        for (message, data, status) in [
            ("go away", Some(json!({"code": "bad_token"})), 401),
            ("go away", Some(json!({"code": "backend_down", "more": 1})), 503),
            ("go away", Some(json!({"code": "too_many_namespaces"})), 429),
            ("Invalid namespace", None, 404),
            // An application may use any words and codes of its own.
            ("unauthorized", None, 403),
            ("unavailable", Some(json!("bad_token")), 403),
            ("too many cooks", Some(json!({"code": "kitchen_full"})), 403),
            ("Invalid namespace", Some(json!({"code": 404})), 403),
        ] {
            let answer = not_let_in(NotLetIn { message: message.to_owned(), data: data.clone() });
            assert_eq!(answer.status(), status, "{message} {data:?}");
        }
    }
}
