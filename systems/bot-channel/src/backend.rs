//! An agent that queries an HTTP backend, and forwards its replies as they arrive.
//!
//! The request body is `{"sender", "message", "metadata", "input_channel"}`. The response contains replies: a
//! JSON array, a single reply, or one reply per line, each sent as soon as it is ready (also as server-sent
//! events).

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use serde_json::{Value, json};
use socketio_server::Object;
use tokio::time::timeout;

use crate::agent::{Agent, AgentError, Answering};
use crate::message::UserMessage;
use crate::replies::Replies;
use crate::reply::Reply;

/// Settings of the HTTP backend.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackendConfig {
    /// URL of the backend, which receives POST requests.
    pub url: String,
    /// The value of the `Authorization` header. Default none.
    pub authorization: Option<String>,
    /// Idle timeout of the response, in milliseconds. Default 30,000. A conversation waits for this long.
    #[serde(default = "default_timeout")]
    pub timeout_ms: u64,
    /// Maximum reply size in bytes. Default 1,000,000. The channel may have to hold this much per request.
    #[serde(default = "default_max_reply")]
    pub max_reply_bytes: usize,
}

/// An agent that queries an HTTP backend.
#[derive(Clone, Debug)]
pub struct BackendAgent {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    uri: Uri,
    authorization: Option<HeaderValue>,
    silence: Duration,
    max_reply: usize,
}

/// Invalid settings of a backend.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackendConfigError {
    /// The URL is not an HTTP URL.
    #[error("agent.url: {0:?} is not the URL of an HTTP server")]
    Url(String),
    /// The value is not a valid header value.
    #[error("agent.authorization: it cannot stand in a header")]
    Authorization,
    /// The certificates of the system cannot be read.
    #[error("the certificates of the system cannot be read")]
    Certificates(#[source] std::io::Error),
}

/// Errors of a request to the backend.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackendError {
    /// The backend is unreachable.
    #[error("the backend cannot be reached")]
    Connect(#[source] hyper_util::client::legacy::Error),
    /// The backend responded with an error status.
    #[error("the backend answered {0}")]
    Status(StatusCode),
    /// The connection failed while the body was read.
    #[error("the backend broke off")]
    Body(#[source] hyper::Error),
    /// The idle timeout expired.
    #[error("the backend is silent")]
    Silent,
    /// A reply exceeds the maximum size.
    #[error("the backend's reply is too long")]
    TooLong,
    /// The body is not a valid reply.
    #[error("the backend's reply cannot be read")]
    Reply(#[source] serde_json::Error),
}

fn default_timeout() -> u64 {
    30_000
}

fn default_max_reply() -> usize {
    1_000_000
}

impl BackendAgent {
    /// An agent for this backend, over HTTP or HTTPS. Connections are reused for later requests.
    pub fn new(config: &BackendConfig) -> Result<Self, BackendConfigError> {
        let uri: Uri = config.url.parse().map_err(|_| BackendConfigError::Url(config.url.clone()))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none_or(str::is_empty) {
            return Err(BackendConfigError::Url(config.url.clone()));
        }
        let mut authorization = None;
        if let Some(value) = &config.authorization {
            let mut value = HeaderValue::from_str(value).map_err(|_| BackendConfigError::Authorization)?;
            value.set_sensitive(true);
            authorization = Some(value);
        }
        let connector = HttpsConnectorBuilder::new()
            // The provider is explicit, because a process may have no default.
            .with_provider_and_native_roots(rustls::crypto::aws_lc_rs::default_provider())
            .map_err(BackendConfigError::Certificates)?
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            uri,
            authorization,
            silence: Duration::from_millis(config.timeout_ms),
            max_reply: config.max_reply_bytes,
        })
    }

    async fn ask(&self, message: UserMessage, replies: &Replies) -> Result<(), AgentError> {
        let question = json!({
            "sender": message.sender,
            "message": message.text,
            "metadata": message.metadata,
            "input_channel": message.input_channel,
        });
        let mut request = Request::new(Full::from(question.to_string()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(
            ACCEPT,
            HeaderValue::from_static("application/x-ndjson, application/json, text/event-stream"),
        );
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        let asked = timeout(self.silence, self.client.request(request)).await;
        let response = asked.map_err(|_| BackendError::Silent)?.map_err(BackendError::Connect)?;
        if !response.status().is_success() {
            return Err(BackendError::Status(response.status()).into());
        }
        let whole = response
            .headers()
            .get(CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
        let mut read = Vec::new();
        let mut body = response.into_body();
        while let Some(data) = self.more(&mut body).await? {
            read.extend_from_slice(&data);
            if !whole {
                while let Some(end) = read.iter().position(|&byte| byte == b'\n') {
                    let line: Vec<u8> = read.drain(..=end).collect();
                    for reply in parse_line(&line)? {
                        replies.send(&reply).await?;
                    }
                }
            }
            if read.len() > self.max_reply {
                return Err(BackendError::TooLong.into());
            }
        }
        for reply in if whole { parse(&read)? } else { parse_line(&read)? } {
            replies.send(&reply).await?;
        }
        Ok(())
    }

    /// The next chunk of the body.
    async fn more(&self, body: &mut Incoming) -> Result<Option<Bytes>, BackendError> {
        while !body.is_end_stream() {
            let frame = timeout(self.silence, body.frame()).await.map_err(|_| BackendError::Silent)?;
            match frame {
                None => break,
                Some(Err(error)) => return Err(BackendError::Body(error)),
                // Trailers are ignored.
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
        Ok(None)
    }
}

impl Agent for BackendAgent {
    fn answer(&self, message: UserMessage, replies: Replies) -> Answering<'_> {
        Box::pin(async move { self.ask(message, &replies).await })
    }
}

/// Replies in JSON: several, one, or none.
fn parse(json: &[u8]) -> Result<Vec<Reply>, BackendError> {
    let json = json.trim_ascii();
    if json.is_empty() {
        return Ok(Vec::new());
    }
    let value: Value = serde_json::from_slice(json).map_err(BackendError::Reply)?;
    let replies = match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(_) => serde_json::from_value::<Vec<Object<Reply>>>(value),
        one => serde_json::from_value(one).map(|reply| vec![reply]),
    };
    let replies = replies.map_err(BackendError::Reply)?;
    Ok(replies.into_iter().map(|Object(reply)| reply).collect())
}

/// One line of a stream. Server-sent events have the prefix `data:`, and their other lines carry no data.
fn parse_line(line: &[u8]) -> Result<Vec<Reply>, BackendError> {
    let line = line.trim_ascii();
    let about = [b"event:".as_slice(), b"id:", b"retry:", b":"];
    if about.iter().any(|prefix| line.starts_with(prefix)) {
        return Ok(Vec::new());
    }
    match line.strip_prefix(b"data:").unwrap_or(line).trim_ascii() {
        b"[DONE]" => Ok(Vec::new()),
        line => parse(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str) -> BackendConfig {
        BackendConfig { url: url.to_owned(), authorization: None, timeout_ms: 1, max_reply_bytes: 1 }
    }

    #[test]
    fn all_forms_of_replies_are_parsed() {
        let hi = vec![Reply::text("hi")];
        for json in [r#"{"text":"hi"}"#, r#" [{"recipient_id":"x","text":"hi"}] "#] {
            assert_eq!(parse(json.as_bytes()).unwrap(), hi);
            assert_eq!(parse_line(format!("{json}\r\n").as_bytes()).unwrap(), hi);
            assert_eq!(parse_line(format!("data: {json}\n").as_bytes()).unwrap(), hi);
        }
        for nothing in
            ["", "\n", "null", "[]", ": still there", "event: message", "id: 1", "data: [DONE]", "data:"]
        {
            assert!(parse_line(nothing.as_bytes()).unwrap().is_empty(), "{nothing}");
        }
        for wrong in [
            "hi",
            "7",
            r#"[["hi"]]"#,
            r#"{"buttons":[["x","y"]]}"#,
            r#"[{"text":7}]"#,
            r#"{"buttons":[{"title":"x"}]}"#,
        ] {
            assert!(matches!(parse_line(wrong.as_bytes()), Err(BackendError::Reply(_))), "{wrong}");
        }
    }

    #[test]
    fn invalid_settings_are_refused() {
        for url in ["ftp://x", "x", "http://", "/path", "not a url"] {
            assert!(matches!(BackendAgent::new(&config(url)), Err(BackendConfigError::Url(_))), "{url}");
        }
        let strange = BackendConfig { authorization: Some("a\nb".to_owned()), ..config("http://x") };
        assert!(matches!(BackendAgent::new(&strange), Err(BackendConfigError::Authorization)));
    }
}
