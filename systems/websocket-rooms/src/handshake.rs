//! The HTTP request of the WebSocket handshake: parsing, authentication, and response.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use engineio::Origins;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Response, StatusCode, Uri};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::machine::TryParse;
use tokio_tungstenite::tungstenite::handshake::server::{
    Request as HttpRequest, create_response, write_response,
};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use crate::connection::Metadata;

/// The largest request head, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// The handshake of a client.
#[derive(Clone, Debug)]
pub struct Handshake {
    /// The requested path and query.
    pub uri: Uri,
    /// Its headers.
    pub headers: HeaderMap,
    /// The address of the peer, if known.
    pub peer: Option<SocketAddr>,
}

/// The identity of a client, as determined by [`Server::authenticate`](crate::Server::authenticate).
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// The user of the connection. Default: none.
    pub user: Option<String>,
    /// Further data about the client. Default: empty.
    pub metadata: Metadata,
}

/// The response to a refused client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status of the response.
    pub status: StatusCode,
    /// The body of the response.
    pub text: String,
}

/// The authentication function.
pub(crate) type Authenticate =
    Arc<dyn Fn(Handshake) -> Pin<Box<dyn Future<Output = Result<Identity, Refusal>> + Send>> + Send + Sync>;

impl Handshake {
    /// The first query parameter of this name, decoded.
    pub fn query(&self, name: &str) -> Option<String> {
        let query = self.uri.query()?.as_bytes();
        form_urlencoded::parse(query).find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
    }

    /// The token of an `Authorization: Bearer` header.
    pub fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    }
}

impl Refusal {
    /// A refusal with a status and a text.
    pub fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into() }
    }

    /// A refusal with status 401, for clients without valid credentials.
    pub fn unauthorized(text: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, text)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status.as_u16(), self.text)
    }
}

/// A parsed request, and the bytes that followed it.
pub(crate) struct Asked<S> {
    stream: S,
    request: HttpRequest,
    rest: Vec<u8>,
    handshake: Handshake,
}

/// Reads a request. `None` if there is none that needs a response.
pub(crate) async fn read<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    peer: Option<SocketAddr>,
) -> Option<Asked<S>> {
    let mut head = Vec::with_capacity(1024);
    loop {
        if stream.read_buf(&mut head).await.ok()? == 0 {
            return None;
        }
        match HttpRequest::try_parse(&head) {
            Ok(Some((len, request))) => {
                let (uri, headers) = (request.uri().clone(), request.headers().clone());
                let rest = head.split_off(len);
                return Some(Asked { stream, request, rest, handshake: Handshake { uri, headers, peer } });
            }
            Ok(None) if head.len() < MAX_HEAD => {}
            Ok(None) => {
                let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
                answer(&mut stream, &Refusal::new(status, "the request is too large")).await;
                return None;
            }
            Err(_) => {
                let text = "this is not a request for a WebSocket";
                answer(&mut stream, &Refusal::new(StatusCode::BAD_REQUEST, text)).await;
                return None;
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Asked<S> {
    /// Sends the refusal.
    pub(crate) async fn refuse(mut self, refusal: &Refusal) {
        answer(&mut self.stream, refusal).await;
    }

    /// Authenticates the client, and accepts or refuses it.
    pub(crate) async fn judge(
        &self,
        path: Option<&str>,
        origins: &Origins,
        authenticate: Option<Authenticate>,
    ) -> Result<Identity, Refusal> {
        if path.is_some_and(|path| path != self.handshake.uri.path()) {
            return Err(Refusal::new(StatusCode::NOT_FOUND, "there is nothing here"));
        }
        if create_response(&self.request).is_err() {
            return Err(Refusal::new(StatusCode::UPGRADE_REQUIRED, "this is a WebSocket server"));
        }
        if !origins.allow(&self.handshake.headers) {
            return Err(Refusal::new(StatusCode::FORBIDDEN, "this origin is not allowed"));
        }
        match authenticate {
            Some(authenticate) => authenticate(self.handshake.clone()).await,
            None => Ok(Identity::default()),
        }
    }

    /// Accepts the handshake.
    pub(crate) async fn accept(mut self, config: WebSocketConfig) -> Option<WebSocketStream<S>> {
        let mut head = Vec::new();
        write_response(&mut head, &create_response(&self.request).ok()?).ok()?;
        self.stream.write_all(&head).await.ok()?;
        self.stream.flush().await.ok()?;
        let Self { stream, rest, .. } = self;
        Some(WebSocketStream::from_partially_read(stream, rest, Role::Server, Some(config)).await)
    }
}

/// Writes the response that refuses a connection. Write errors are ignored.
async fn answer<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, refusal: &Refusal) {
    let mut response = Response::new(());
    *response.status_mut() = refusal.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(http::header::CONTENT_LENGTH, refusal.text.len().into());
    headers.insert(http::header::CONNECTION, HeaderValue::from_static("close"));
    if refusal.status == StatusCode::UPGRADE_REQUIRED {
        headers.insert(http::header::UPGRADE, HeaderValue::from_static("websocket"));
    }
    let mut bytes = Vec::new();
    if write_response(&mut bytes, &response).is_ok() {
        bytes.extend_from_slice(refusal.text.as_bytes());
        let _ = stream.write_all(&bytes).await;
        let _ = stream.shutdown().await;
    }
}
