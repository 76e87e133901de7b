//! The HTTP request that becomes a WebSocket: read, judged, and answered.

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

/// A client that asks to be let in.
#[derive(Clone, Debug)]
pub struct Handshake {
    /// What it asked for: path and query.
    pub uri: Uri,
    /// Its headers.
    pub headers: HeaderMap,
    /// Where it comes from, if that is known.
    pub peer: Option<SocketAddr>,
}

/// Who a client is, as [`Server::authenticate`](crate::Server::authenticate) found out.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// Whose connection it is. Default: nobody's.
    pub user: Option<String>,
    /// What else is known of it. Default: nothing.
    pub metadata: Metadata,
}

/// A client that is not let in, and what it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status of the answer.
    pub status: StatusCode,
    /// Its text.
    pub text: String,
}

/// Finds out who a client is.
pub(crate) type Authenticate =
    Arc<dyn Fn(Handshake) -> Pin<Box<dyn Future<Output = Result<Identity, Refusal>> + Send>> + Send + Sync>;

impl Handshake {
    /// A parameter of the query, decoded; the first of that name.
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
    /// A status and a text.
    pub fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into() }
    }

    /// 401, for those who have not shown who they are.
    pub fn unauthorized(text: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, text)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status.as_u16(), self.text)
    }
}

/// A request that was read, with what came behind it.
pub(crate) struct Asked<S> {
    stream: S,
    request: HttpRequest,
    rest: Vec<u8>,
    handshake: Handshake,
}

/// Reads a request. `None` if there is none to be answered.
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
    /// Says no.
    pub(crate) async fn refuse(mut self, refusal: &Refusal) {
        answer(&mut self.stream, refusal).await;
    }

    /// Finds out who asks, and whether that may come in.
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

    /// Says yes.
    pub(crate) async fn accept(mut self, config: WebSocketConfig) -> Option<WebSocketStream<S>> {
        let mut head = Vec::new();
        write_response(&mut head, &create_response(&self.request).ok()?).ok()?;
        self.stream.write_all(&head).await.ok()?;
        self.stream.flush().await.ok()?;
        let Self { stream, rest, .. } = self;
        Some(WebSocketStream::from_partially_read(stream, rest, Role::Server, Some(config)).await)
    }
}

/// The answer that ends a connection before it began. Who does not want to hear it does not.
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
