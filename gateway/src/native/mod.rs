//! The native protocol: plain WebSockets that carry JSON, for clients without a Socket.IO library.
//!
//! A native connection is a Socket.IO client that lives in this process: `inside` connects to our own server through
//! memory, and `bridge` says the same in the other protocol. So there is one set of namespaces, rooms, users,
//! handlers and limits, and nothing that works for the one kind of client can be missing for the other. The price is
//! one more encoding per message, which is small beside the system call that carries it.

mod bridge;
mod inside;
mod message;
#[cfg(feature = "fuzzing")]
pub(crate) mod message_check;
mod subprotocol;

use std::net::SocketAddr;

use engineio::{PendingUpgrade, Query, RequestBody, Session};
use http::{HeaderValue, Request, StatusCode, header};
use socketio_server::Handshake;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use self::bridge::Bridge;
use self::inside::Inside;
use crate::answer::{self, Answer};
use crate::config::Config;

/// The header by which our server knows the connections that come from here. Whoever else sends it is not believed.
pub(crate) const MARK: &str = "x-gateway-native";
/// Both ends of a connection read this much at once; an idle one needs no more.
const READ_BUFFER: usize = 4096;
/// Messages that wait for each other leave together, up to this many bytes.
const WRITE_BUFFER: usize = 8192;

/// Whether a socket's client speaks the native protocol.
pub fn is_native(handshake: &Handshake) -> bool {
    handshake.header(MARK).is_some()
}

/// How a session's client is connected: `native`, or the transport of Socket.IO.
pub fn carrier(session: &Session) -> &'static str {
    if session.request().header(MARK).is_some() { "native" } else { session.transport().as_str() }
}

/// Answers a request that wants a WebSocket. The client is let in, or not, before the answer is given.
pub(crate) async fn upgrade(
    config: &Config,
    engine: &engineio::Server,
    mut request: Request<RequestBody>,
    peer: SocketAddr,
) -> Answer {
    let upgrading = PendingUpgrade::take(request.extensions_mut());
    let mut request = request.map(drop);
    subprotocol::authorize(request.headers_mut());
    let mut switching = match create_response(&request) {
        Ok(switching) => switching.map(|()| engineio::Body::default()),
        Err(error) => {
            let mut refused = answer::failure(StatusCode::BAD_REQUEST, "bad_handshake", &error.to_string());
            refused.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            return refused;
        }
    };
    if let Some(subprotocol) = subprotocol::selected(request.headers()) {
        switching.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, subprotocol);
    }
    let Some(upgrading) = upgrading else {
        let message = "a request for a WebSocket has no body";
        return answer::failure(StatusCode::BAD_REQUEST, "bad_handshake", message);
    };
    let namespace = Query::from(request.uri()).get("namespace").unwrap_or("/").to_owned();
    let inside = match Inside::connect(config, engine, &request, peer, &namespace).await {
        Ok(inside) => inside,
        Err(refused) => return *refused,
    };
    let max_payload = config.transport.max_payload_bytes;
    let patience = config.transport.ping_interval_ms + config.transport.ping_timeout_ms;
    tokio::spawn(async move {
        // A client that is gone before it read our answer needs nothing more; dropping the inside says so.
        if let Ok(upgraded) = upgrading.await {
            let limits = buffers().max_message_size(Some(max_payload)).max_frame_size(Some(max_payload));
            let outside = WebSocketStream::from_raw_socket(upgraded, Role::Server, Some(limits)).await;
            Bridge::new(inside, std::time::Duration::from_millis(patience)).run(outside).await;
        }
    });
    switching
}

fn buffers() -> WebSocketConfig {
    WebSocketConfig::default().read_buffer_size(READ_BUFFER).write_buffer_size(WRITE_BUFFER)
}
