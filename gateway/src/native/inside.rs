//! The inner side of a native connection: a client of our own server, connected through memory.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use engineio::PeerAddr;
use futures_util::{SinkExt, StreamExt};
use http::{HeaderName, HeaderValue, Request, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::Value;
use socketio_parser::{Decoder, Limits, Parser, Payload};
use tokio::io::DuplexStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::{WebSocketStream, client_async_with_config, tungstenite};

use super::{MARK, READ_BUFFER, buffers};
use crate::answer::{self, Answer};
use crate::config::Config;
use crate::refusal;

/// What the requests of both sides are allowed to bring, and a little more for what we add.
const MAX_HEAD: usize = 24 * 1024;

/// A client that has joined a namespace.
pub(super) struct Inside {
    pub(super) line: WebSocketStream<DuplexStream>,
    pub(super) decoder: Decoder,
    pub(super) namespace: String,
    /// The id of its socket.
    pub(super) id: String,
}

impl Inside {
    /// Connects with the headers and parameters of the client's own request, and joins.
    pub(super) async fn connect(
        config: &Config,
        engine: &engineio::Server,
        request: &Request<()>,
        peer: SocketAddr,
        namespace: &str,
    ) -> Result<Self, Box<Answer>> {
        if !is_namespace(namespace) {
            return Err(refused(
                StatusCode::BAD_REQUEST,
                "bad_namespace",
                "a name such as /chat is expected",
            ));
        }
        let limit = Duration::from_millis(config.transport.connect_timeout_ms);
        let joined = tokio::time::timeout(limit, async {
            let mut line = open(config, engine, request, peer).await?;
            let connect = if namespace == "/" { "40".to_owned() } else { format!("40{namespace},") };
            line.send(Message::text(connect)).await.map_err(|_| gone())?;
            Self::joined(line, namespace).await
        });
        joined.await.unwrap_or_else(|_| {
            Err(refused(StatusCode::GATEWAY_TIMEOUT, "timeout", "the namespace did not answer in time"))
        })
    }

    async fn joined(mut line: WebSocketStream<DuplexStream>, namespace: &str) -> Result<Self, Box<Answer>> {
        #[derive(Deserialize)]
        struct Welcome {
            sid: String,
        }
        #[derive(Deserialize)]
        struct Refusal {
            message: String,
            data: Option<Value>,
        }
        // What our own server says needs no limits.
        let mut decoder = Decoder::new(Parser::Json, unlimited());
        while let Some(Ok(message)) = line.next().await {
            let Message::Text(text) = message else { continue };
            match text.as_bytes().first() {
                Some(b'2') => line.send(Message::text("3")).await.map_err(|_| gone())?,
                Some(b'4') => {
                    let packet = decoder.text(Bytes::from(text).slice(1..)).ok().flatten();
                    match packet.map(|packet| packet.payload) {
                        Some(Payload::Connect(Some(welcome))) => {
                            let Welcome { sid: id } = welcome.parse().map_err(|_| gone())?;
                            return Ok(Self { line, decoder, namespace: namespace.to_owned(), id });
                        }
                        Some(Payload::ConnectError(Some(refusal))) => {
                            let Refusal { message, data } = refusal.parse().map_err(|_| gone())?;
                            return Err(not_let_in(&message, data));
                        }
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        Err(gone())
    }
}

async fn open(
    config: &Config,
    engine: &engineio::Server,
    request: &Request<()>,
    peer: SocketAddr,
) -> Result<WebSocketStream<DuplexStream>, Box<Answer>> {
    let (near, far) = tokio::io::duplex(READ_BUFFER);
    let engine = engine.clone();
    tokio::spawn(async move {
        let service = service_fn(move |mut request: Request<Incoming>| {
            let engine = engine.clone();
            request.extensions_mut().insert(PeerAddr(peer));
            async move { Ok::<_, Infallible>(engine.handle(request).await) }
        });
        let connection =
            http1::Builder::new().max_buf_size(MAX_HEAD).serve_connection(TokioIo::new(far), service);
        // When it fails, the near side sees its end.
        let _ = connection.with_upgrades().await;
    });
    let request = inner_request(config, request).map_err(|_| gone())?;
    let limits = buffers().max_message_size(None).max_frame_size(None);
    match client_async_with_config(request, near, Some(limits)).await {
        Ok((line, _)) => Ok(line),
        Err(tungstenite::Error::Http(response)) => {
            let (mut parts, body) = response.into_parts();
            parts.headers.remove(header::CONTENT_LENGTH);
            let body = engineio::Body::from(Bytes::from(body.unwrap_or_default()));
            Err(Box::new(Answer::from_parts(parts, body)))
        }
        Err(_) => Err(gone()),
    }
}

/// The client's request as its Socket.IO twin would have sent it. Of a parameter that comes twice the last one counts,
/// so ours come last.
fn inner_request(config: &Config, request: &Request<()>) -> http::Result<Request<()>> {
    let own = "EIO=4&transport=websocket&sid=&b64=";
    let query = request.uri().query().map_or_else(|| own.to_owned(), |query| format!("{query}&{own}"));
    let path = config.server.path.trim_end_matches('/');
    let mut inner = Request::get(format!("ws://gateway{path}/?{query}"))
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_VERSION, "13")
        .header(header::SEC_WEBSOCKET_KEY, generate_key())
        .header(MARK, "1");
    let mut has_host = false;
    for (name, value) in request.headers() {
        if !is_hop_by_hop(name) && value.to_str().is_ok() {
            has_host |= *name == header::HOST;
            inner = inner.header(name, value);
        }
    }
    if !has_host {
        inner = inner.header(header::HOST, HeaderValue::from_static("gateway"));
    }
    inner.body(())
}

/// Headers that speak of the connection, which ends here.
fn is_hop_by_hop(name: &HeaderName) -> bool {
    let name = name.as_str();
    name == MARK
        || name.starts_with("sec-websocket-")
        || matches!(
            name,
            "connection"
                | "upgrade"
                | "keep-alive"
                | "te"
                | "trailer"
                | "transfer-encoding"
                | "content-length"
        )
}

/// A name that a packet's header can carry.
fn is_namespace(name: &str) -> bool {
    name.starts_with('/')
        && name.len() <= 512
        && !name.contains([',', '?'])
        && !name.contains(char::is_control)
}

fn unlimited() -> Limits {
    Limits {
        max_packet_bytes: usize::MAX,
        max_attachments: u32::MAX,
        max_attachment_bytes: usize::MAX,
        max_depth: 1000,
        max_arguments: u32::MAX,
        ..Limits::default()
    }
}

/// A refusal as HTTP has it.
fn not_let_in(message: &str, data: Option<Value>) -> Box<Answer> {
    // Only the protocol itself refuses without a code, and by this text.
    let is_unknown = data.is_none() && message == "Invalid namespace";
    let own = data.as_ref().and_then(|data| data.get("code")).and_then(Value::as_str);
    let (status, code) = if is_unknown {
        (StatusCode::NOT_FOUND, "unknown_namespace")
    } else {
        (own.and_then(refusal::status).unwrap_or(StatusCode::FORBIDDEN), "connect_error")
    };
    let mut error = serde_json::json!({"code": code, "message": message});
    if let Some(data) = data {
        error["data"] = data;
    }
    Box::new(answer::json(status, &serde_json::json!({"success": false, "error": error})))
}

fn refused(status: StatusCode, code: &str, message: &str) -> Box<Answer> {
    Box::new(answer::failure(status, code, message))
}

/// The server closed the connection without a word, as it does when it shuts down.
fn gone() -> Box<Answer> {
    refused(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "the server takes no connections now")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
            let answer = not_let_in(message, data.clone());
            assert_eq!(answer.status(), status, "{message} {data:?}");
        }
    }
}
