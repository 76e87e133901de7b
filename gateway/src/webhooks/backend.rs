//! One request to the backend, and the errors that it can end with.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use thiserror::Error;

use super::WebhookError;
use super::signature::Signer;
use crate::config::Secret;
use crate::config::webhooks::Webhooks as Settings;
use crate::http_client::{self, HttpClient};

/// Limit of the size of a response, in bytes.
const MAX_ANSWER: usize = 1_000_000;
const AGENT: HeaderValue = HeaderValue::from_static(concat!("socketio-gateway/", env!("CARGO_PKG_VERSION")));

/// HTTP client of the backend.
#[derive(Debug)]
pub(super) struct Backend {
    client: HttpClient,
    uri: Uri,
    signer: Signer,
    timeout: Duration,
}

/// Error of one attempt.
#[derive(Debug, Error)]
pub(super) enum TryError {
    #[error("the backend cannot be reached")]
    Unreachable(#[source] hyper_util::client::legacy::Error),
    #[error("the connection to the backend broke")]
    Broken,
    #[error("the backend did not respond in time")]
    TimedOut,
    #[error("the backend responded with {0}")]
    Status(StatusCode),
    #[error("the response of the backend is longer than 1,000,000 bytes")]
    TooLong,
}

impl TryError {
    /// Whether the backend cannot have processed the webhook, so that a retry is safe.
    pub(super) fn is_unseen(&self) -> bool {
        // A backend that reports overload has not begun to process the webhook.
        let is_busy = |status: &StatusCode| {
            matches!(*status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
        };
        matches!(self, Self::Unreachable(_)) || matches!(self, Self::Status(status) if is_busy(status))
    }

    /// Whether the backend is unreachable or reports an internal error, independently of the webhook.
    pub(super) fn is_down(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::TimedOut => true,
            Self::Status(status) => status.is_server_error(),
            Self::Broken | Self::TooLong => false,
        }
    }

    /// Whether the error concerns the backend as a whole rather than this webhook. Only such errors count for
    /// the circuit, and only they are retried.
    pub(super) fn is_failure(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Broken | Self::TimedOut => true,
            Self::Status(status) => status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS,
            Self::TooLong => false,
        }
    }
}

impl Backend {
    pub(super) fn new(settings: &Settings) -> Result<Self, WebhookError> {
        let uri =
            http_client::address(&settings.url).ok_or_else(|| WebhookError::Url(settings.url.clone()))?;
        let client = http_client::client(settings.max_concurrent).map_err(WebhookError::Certificates)?;
        let signer = Signer::new(settings.secrets.iter().map(Secret::expose))?;
        Ok(Self { client, uri, signer, timeout: Duration::from_millis(settings.timeout_ms) })
    }

    /// Makes one attempt. Returns the body of a successful response.
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
