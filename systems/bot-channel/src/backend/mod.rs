//! An agent that queries an HTTP backend, and forwards its replies as they arrive.
//!
//! The request body is `{"sender", "message", "metadata", "input_channel"}`. The response contains replies: a
//! JSON array, a single reply, or one reply per line, each sent as soon as it is ready (also as server-sent
//! events).

mod attempts;
mod config;
mod error;
mod parse;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use serde_json::json;
use system_support::{HttpClient, http_client_within};
use tokio::time::{Instant, sleep, timeout};
use tracing::warn;

use self::attempts::{Attempts, Limits};
pub use self::config::{BackendConfig, BackendConfigError};
pub use self::error::BackendError;
use self::parse::{parse, parse_line};
use crate::agent::{Agent, AgentError, Answering};
use crate::counters::BackendCounters;
use crate::message::UserMessage;
use crate::replies::Replies;

/// An agent that queries an HTTP backend.
#[derive(Clone, Debug)]
pub struct BackendAgent {
    client: HttpClient,
    uris: Arc<[Uri]>,
    /// The backend that has answered last.
    preferred: Arc<AtomicUsize>,
    authorization: Option<HeaderValue>,
    silence: Duration,
    max_reply: usize,
    limits: Limits,
    counters: Arc<BackendCounters>,
}

impl BackendAgent {
    /// An agent for this backend, over HTTP or HTTPS. Connections are reused for later requests.
    pub fn new(config: &BackendConfig) -> Result<Self, BackendConfigError> {
        let uris = config.uris()?;
        let mut authorization = None;
        if let Some(value) = &config.authorization {
            let mut value = HeaderValue::from_str(value).map_err(|_| BackendConfigError::Authorization)?;
            value.set_sensitive(true);
            authorization = Some(value);
        }
        let connect_timeout = Some(Duration::from_millis(config.connect_ms));
        let client = http_client_within(connect_timeout).map_err(BackendConfigError::Certificates)?;
        Ok(Self {
            client,
            uris: uris.into(),
            preferred: Arc::default(),
            authorization,
            silence: Duration::from_millis(config.timeout_ms),
            max_reply: config.max_reply_bytes,
            limits: Limits::new(config),
            counters: Arc::default(),
        })
    }

    pub(crate) fn counters(&self) -> &BackendCounters {
        &self.counters
    }

    async fn ask(&self, message: UserMessage, replies: &Replies) -> Result<(), AgentError> {
        let question = json!({
            "sender": message.sender,
            "message": message.text,
            "metadata": message.metadata,
            "input_channel": message.input_channel,
        });
        let response = self.response(Bytes::from(question.to_string())).await?;
        // From here on the backend has processed the message, so there is no further attempt.
        let answered = self.forward(response, replies).await;
        if answered.is_err() {
            self.counters.failed.add(1);
        }
        answered
    }

    /// The response of a backend, after as many attempts as the limits allow.
    async fn response(&self, question: Bytes) -> Result<Response<Incoming>, BackendError> {
        let started = Instant::now();
        let mut attempts =
            Attempts::new(self.limits, self.uris.len(), self.preferred.load(Ordering::Relaxed));
        loop {
            let backend = attempts.backend();
            let uri = &self.uris[backend];
            self.counters.requests.add(1);
            let error = match self.attempt(uri, question.clone()).await {
                Ok(response) => {
                    self.preferred.store(backend, Ordering::Relaxed);
                    return Ok(response);
                }
                Err(error) => error,
            };
            self.counters.failed.add(1);
            if !error.is_temporary() {
                return Err(error);
            }
            let Some(pause) = attempts.next(error.retry_after(), started.elapsed()) else {
                return Err(error);
            };
            let host = uri.authority().map_or("", |authority| authority.as_str());
            warn!(host, error = &error as &dyn std::error::Error, ?pause, "the backend is asked again");
            self.counters.retries.add(1);
            sleep(pause).await;
        }
    }

    async fn attempt(&self, uri: &Uri, question: Bytes) -> Result<Response<Incoming>, BackendError> {
        let mut request = Request::new(Full::from(question));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri.clone();
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
        let response = asked.map_err(|_| BackendError::Silent)?.map_err(BackendError::of_request)?;
        if !response.status().is_success() {
            return Err(BackendError::of_status(response.status(), response.headers()));
        }
        Ok(response)
    }

    /// Sends the replies of a response.
    async fn forward(&self, response: Response<Incoming>, replies: &Replies) -> Result<(), AgentError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_settings_are_refused() {
        for url in ["ftp://x", "x", "http://", "/path", "not a url"] {
            let config = BackendConfig::new(["http://x", url]);
            assert!(matches!(BackendAgent::new(&config), Err(BackendConfigError::Url(_))), "{url}");
        }
        let none = BackendConfig::new(Vec::<String>::new());
        assert!(matches!(BackendAgent::new(&none), Err(BackendConfigError::NoUrl)));
        let strange =
            BackendConfig { authorization: Some("a\nb".to_owned()), ..BackendConfig::new(["http://x"]) };
        assert!(matches!(BackendAgent::new(&strange), Err(BackendConfigError::Authorization)));
    }
}
