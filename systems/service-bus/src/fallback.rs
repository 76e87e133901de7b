//! The client of the HTTP API, for services without a connection.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use engineio::client::Tls;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::time::timeout;

use crate::command::{Command, Outcome};
use crate::requests::Request;

/// Maximum response size, in bytes.
const MAX_ANSWER: usize = 1_000_000;

/// A request to the API failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FallbackError {
    /// The bus cannot be reached over HTTP either.
    #[error("the bus cannot be reached")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The response did not arrive in time.
    #[error("the bus did not answer in time")]
    Timeout,
    /// The command cannot be sent as JSON: its event has binary data, for which a connection is needed.
    #[error("the HTTP API carries JSON, and no binary data: {0}")]
    NotJson(#[source] serde_json::Error),
    /// The bus refused the request.
    #[error("the bus answered {0}: {1}")]
    Refused(StatusCode, String),
}

impl FallbackError {
    /// Whether another attempt may succeed.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Timeout => true,
            Self::NotJson(_) => false,
            Self::Refused(status, _) => status.is_server_error() || *status == StatusCode::CONFLICT,
        }
    }
}

/// Code and message of a request that failed.
pub(crate) type Failed = (String, String);

#[derive(Clone, Debug)]
pub(crate) struct Fallback {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    base: String,
    authorization: Option<HeaderValue>,
    source: String,
    limit: Duration,
}

impl Fallback {
    pub(crate) fn new(
        base: &str,
        tls: &Tls,
        key: Option<&HeaderValue>,
        source: &str,
        limit: Duration,
    ) -> io::Result<Self> {
        let config = (*tls.config()?).clone();
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http1().build();
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            base: base.trim_end_matches('/').to_owned(),
            authorization: key.cloned(),
            source: source.to_owned(),
            limit,
        })
    }

    pub(crate) async fn carry_out(&self, command: &Command) -> Result<Outcome, FallbackError> {
        let mut body = serde_json::to_value(command).map_err(FallbackError::NotJson)?;
        if let Some(object) = body.as_object_mut() {
            object.remove("op");
            object.insert("source".to_owned(), self.source.as_str().into());
        }
        let path = format!("/api/{}", command.op());
        // The bus carries out a command that is sent again once.
        let id = command.event().and_then(|event| event.id.as_deref());
        let answer = self.ask(Method::POST, &path, Full::from(body.to_string()), id, self.limit).await?;
        Ok(serde_json::from_value(succeeded(answer)?).unwrap_or_default())
    }

    /// Asks a service. The inner error is that of the request.
    pub(crate) async fn request(
        &self,
        request: &Request,
        limit: Duration,
    ) -> Result<Result<socketio_parser::Value, Failed>, FallbackError> {
        let mut body = serde_json::to_value(request).map_err(FallbackError::NotJson)?;
        body["source"] = self.source.as_str().into();
        let asked = self.ask(Method::POST, "/api/request", Full::from(body.to_string()), None, limit).await?;
        let (status, answer) = asked;
        let code = answer["error"]["code"].as_str().unwrap_or_default();
        if !status.is_success() && status != StatusCode::UNAUTHORIZED && !code.is_empty() {
            let message = answer["error"]["message"].as_str().unwrap_or_default();
            return Ok(Err((code.to_owned(), message.to_owned())));
        }
        let answer = succeeded((status, answer))?;
        socketio_parser::Value::from_serialize(&answer["answer"]).map(Ok).map_err(FallbackError::NotJson)
    }

    /// Whether the bus is reachable over HTTP, and accepts the key.
    pub(crate) async fn is_there(&self) -> Result<(), FallbackError> {
        let asked = self.ask(Method::GET, "/api/ready", Full::default(), None, self.limit).await?;
        succeeded(asked).map(drop)
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Full<Bytes>,
        idempotency_key: Option<&str>,
        limit: Duration,
    ) -> Result<(StatusCode, Value), FallbackError> {
        let unreachable = |error: Box<dyn std::error::Error + Send + Sync>| FallbackError::Unreachable(error);
        let uri: Uri = format!("{}{path}", self.base)
            .parse()
            .map_err(|error: http::uri::InvalidUri| unreachable(error.into()))?;
        let mut request = http::Request::new(body);
        (*request.method_mut(), *request.uri_mut()) = (method, uri);
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(Ok(key)) = idempotency_key.map(HeaderValue::from_str) {
            request.headers_mut().insert("idempotency-key", key);
        }
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        let answered = timeout(limit, async {
            let response = self.client.request(request).await.map_err(|error| unreachable(error.into()))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await.map_err(unreachable)?;
            Ok((status, body.to_bytes()))
        });
        let (status, body) = answered.await.map_err(|_| FallbackError::Timeout)??;
        // A response that is not JSON carries no information besides its status.
        Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
    }
}

/// The answer of a request that succeeded.
fn succeeded((status, answer): (StatusCode, Value)) -> Result<Value, FallbackError> {
    if status.is_success() {
        return Ok(answer);
    }
    let message = answer["error"]["message"].as_str().unwrap_or_default();
    Err(FallbackError::Refused(status, message.to_owned()))
}
