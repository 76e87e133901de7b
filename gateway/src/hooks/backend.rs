//! One request to the backend, and what is wrong if it is not answered as it should be.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use thiserror::Error;

use super::HookError;
use super::signature::Signer;
use crate::config::Secret;
use crate::config::hooks::Hooks as Settings;

/// The longest answer.
const MAX_ANSWER: usize = 1_000_000;
/// How long a connection that nobody needs is kept. Many servers of backends close theirs after five seconds, and a
/// request that meets the end of a connection cannot always be repeated.
const KEEP: Duration = Duration::from_secs(4);
const AGENT: HeaderValue = HeaderValue::from_static(concat!("socketio-gateway/", env!("CARGO_PKG_VERSION")));

/// The backend.
#[derive(Debug)]
pub(super) struct Backend {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    uri: Uri,
    signer: Signer,
    timeout: Duration,
}

/// Why a try was not answered as it should be.
#[derive(Debug, Error)]
pub(super) enum TryError {
    #[error("the backend cannot be reached")]
    Unreachable(#[source] hyper_util::client::legacy::Error),
    #[error("the connection to the backend broke")]
    Broken,
    #[error("the backend did not answer in time")]
    TimedOut,
    #[error("the backend answered {0}")]
    Status(StatusCode),
    #[error("the answer of the backend is longer than 1,000,000 bytes")]
    TooLong,
}

impl TryError {
    /// Whether the backend cannot have seen the call.
    pub(super) fn is_unseen(&self) -> bool {
        // Who says that it is busy has not begun.
        let is_busy = |status: &StatusCode| {
            matches!(*status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
        };
        matches!(self, Self::Unreachable(_)) || matches!(self, Self::Status(status) if is_busy(status))
    }

    /// Whether the backend does not work, and not only this call.
    pub(super) fn is_failure(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Broken | Self::TimedOut => true,
            Self::Status(status) => status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS,
            Self::TooLong => false,
        }
    }
}

impl Backend {
    pub(super) fn new(settings: &Settings) -> Result<Self, HookError> {
        let wrong = || HookError::Url(settings.url.clone());
        let uri: Uri = settings.url.parse().map_err(|_| wrong())?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none_or(str::is_empty) {
            return Err(wrong());
        }
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        let connector = HttpsConnectorBuilder::new()
            // Named, because another crate in the same program may bring another one along.
            .with_provider_and_native_roots(rustls::crypto::aws_lc_rs::default_provider())
            .map_err(HookError::Certificates)?
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(KEEP)
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(settings.max_concurrent)
            .build(connector);
        let signer = Signer::new(settings.secrets.iter().map(Secret::expose))?;
        Ok(Self { client, uri, signer, timeout: Duration::from_millis(settings.timeout_ms) })
    }

    /// Tries once. The answer's body, if it is one of success.
    pub(super) async fn post(&self, id: &str, body: Bytes) -> Result<Bytes, TryError> {
        let answered = tokio::time::timeout(self.timeout, self.exchange(id, body)).await;
        answered.unwrap_or(Err(TryError::TimedOut))
    }

    async fn exchange(&self, id: &str, body: Bytes) -> Result<Bytes, TryError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut request = Request::new(Full::new(body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, AGENT);
        self.signer.sign(id, now, &body, headers);
        let response = self.client.request(request).await.map_err(|error| {
            if error.is_connect() { TryError::Unreachable(error) } else { TryError::Broken }
        })?;
        let status = response.status();
        if !status.is_success() {
            return Err(TryError::Status(status));
        }
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
        match body {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(TryError::TooLong),
            Err(_) => Err(TryError::Broken),
        }
    }
}
