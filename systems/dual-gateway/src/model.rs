//! A model behind a URL, with the interface of OpenAI's `/v1/chat/completions`.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};
use socketio_server::Object;
use system_support::{HttpClient, http_client, http_url};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::warn;

use crate::chat::{Model, ModelError, Pieces, Question, Thinking};
use crate::stream::{Delta, Lines, StreamError};

/// Maximum length of the part of an error response that is logged, in bytes.
const MAX_LOGGED: usize = 500;

/// Settings of a model behind a URL.
#[derive(Clone)]
pub struct HttpModelOptions {
    /// URL of the server. Without a path, `/v1/chat/completions` is added, and to a path that ends with `/v1` the rest.
    pub url: String,
    /// Name of the model, as the server knows it.
    pub model: String,
    /// Bearer token for the server. Default: none.
    pub key: Option<String>,
    /// Deadline of an answer, from the request to its end. Default: 120 seconds. Cost: a client waits for this long for
    /// a server that does not answer.
    pub timeout: Duration,
    /// Maximum size of a response of the server, in bytes. Default: 1,000,000. Cost: as much memory per answer.
    pub max_response_bytes: usize,
    /// Maximum size of a question with its conversation, in bytes. Default: 262,144. Cost: the server reads as much
    /// for each question.
    pub max_conversation_bytes: usize,
    /// Maximum number of concurrent requests, of all clients together. Further questions get an error at once. Default:
    /// 32. Cost: a connection to the server, and the memory of an answer, per request.
    pub max_requests: usize,
}

/// A model behind a URL.
#[derive(Clone)]
pub struct HttpModel(Arc<Server>);

struct Server {
    client: HttpClient,
    uri: Uri,
    authorization: Option<HeaderValue>,
    places: Semaphore,
    options: HttpModelOptions,
}

/// Invalid settings of a model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpModelError {
    /// The URL is not an HTTP URL.
    #[error("{0:?} is not the URL of an HTTP server")]
    Url(String),
    /// The key is not a valid header value.
    #[error("the key of the model cannot stand in a header")]
    Key,
    /// The certificates of the system cannot be read.
    #[error("the certificates of the system cannot be read: {0}")]
    Certificates(#[from] io::Error),
}

impl HttpModelOptions {
    /// A model at a URL, with the default limits.
    pub fn new(url: impl Into<String>, model: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            model: model.into(),
            key: None,
            timeout: Duration::from_secs(120),
            max_response_bytes: 1_000_000,
            max_conversation_bytes: 256 * 1024,
            max_requests: 32,
        }
    }
}

impl fmt::Debug for HttpModelOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The key is a secret.
        f.debug_struct("HttpModelOptions")
            .field("url", &self.url)
            .field("model", &self.model)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for HttpModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HttpModel").field(&self.0.options).finish()
    }
}

/// Body of a request.
#[derive(Serialize)]
struct Ask<'a> {
    model: &'a str,
    stream: bool,
    messages: Vec<Said>,
}

#[derive(Serialize, Deserialize)]
struct Said {
    role: Role,
    content: String,
}

/// Roles of messages that a client may send. Instructions of the operator are not among them.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    User,
    Assistant,
}

impl HttpModel {
    /// A model behind a URL, over HTTP or HTTPS. The server is not contacted yet.
    pub fn new(options: HttpModelOptions) -> Result<Self, HttpModelError> {
        let uri = completions(&options.url).ok_or_else(|| HttpModelError::Url(options.url.clone()))?;
        let authorization = options.key.as_ref().map(|key| {
            let value = HeaderValue::from_str(&format!("Bearer {key}"));
            value.map_err(|_| HttpModelError::Key).map(|mut value| {
                value.set_sensitive(true);
                value
            })
        });
        let places = Semaphore::new(options.max_requests.min(Semaphore::MAX_PERMITS));
        let client = http_client()?;
        let authorization = authorization.transpose()?;
        Ok(Self(Arc::new(Server { client, uri, authorization, places, options })))
    }
}

/// The URL of the completions.
fn completions(url: &str) -> Option<Uri> {
    let path = http_url(url)?.path().to_owned();
    let url = url.trim_end_matches('/');
    match path.trim_end_matches('/') {
        "" => http_url(&format!("{url}/v1/chat/completions")),
        path if path.ends_with("/v1") => http_url(&format!("{url}/chat/completions")),
        _ => http_url(url),
    }
}

impl Model for HttpModel {
    fn answer(&self, question: Question, pieces: Pieces) -> Thinking {
        let server = Arc::clone(&self.0);
        Box::pin(async move {
            let Ok(_place) = server.places.try_acquire() else {
                return Err(error("the model is busy, try again later"));
            };
            let request = server.request(question)?;
            let answered = timeout(server.options.timeout, server.ask(request, &pieces)).await;
            answered.unwrap_or_else(|_| Err(error("the model took too long")))
        })
    }
}

impl Server {
    fn request(&self, question: Question) -> Result<Request<Full<Bytes>>, ModelError> {
        let mut messages = Vec::with_capacity(question.conversation_history.len() + 1);
        for said in question.conversation_history {
            let Object(said): Object<Said> = serde_json::from_value(said).map_err(|_| {
                error("conversationHistory: expected { role: \"user\" | \"assistant\", content: string }")
            })?;
            messages.push(said);
        }
        messages.push(Said { role: Role::User, content: question.message });
        let ask = Ask { model: &self.options.model, stream: true, messages };
        let body = serde_json::to_vec(&ask).map_err(|_| error("the conversation has no form in JSON"))?;
        if body.len() > self.options.max_conversation_bytes {
            let most = self.options.max_conversation_bytes;
            return Err(ModelError(format!("the conversation is longer than {most} bytes")));
        }
        let mut request = Request::new(Full::from(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream, application/json"));
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        Ok(request)
    }

    async fn ask(&self, request: Request<Full<Bytes>>, pieces: &Pieces) -> Result<(), ModelError> {
        let response = self.client.request(request).await.map_err(|cause| {
            warn!(%cause, "the model cannot be reached");
            error("the model cannot be reached")
        })?;
        let (head, mut body) = response.into_parts();
        if !head.status.is_success() {
            let said = excerpt(&mut body).await;
            warn!(status = head.status.as_u16(), said, "the model refused a request");
            return Err(refused(head.status));
        }
        let forwarded = if is_stream(&head.headers) {
            self.forward(body, pieces).await
        } else {
            self.whole(body, pieces).await
        };
        forwarded.map_err(|cause| {
            warn!(%cause, "the answer of the model failed");
            ModelError(cause.to_string())
        })
    }

    /// Forwards the pieces of a stream of server-sent events.
    async fn forward(&self, mut body: Incoming, pieces: &Pieces) -> Result<(), StreamError> {
        let mut lines = Lines::new(self.options.max_response_bytes);
        let mut is_finished = false;
        while let Some(data) = next(&mut body).await? {
            for delta in lines.push(&data)? {
                match delta {
                    Delta::Piece(text) => {
                        if pieces.send(text).await.is_err() {
                            return Ok(());
                        }
                    }
                    Delta::Finished => is_finished = true,
                    Delta::End => return Ok(()),
                }
            }
        }
        if is_finished { Ok(()) } else { Err(StreamError::BrokenOff) }
    }

    /// Reads an answer that is one JSON object, as of servers without streams.
    async fn whole(&self, mut body: Incoming, pieces: &Pieces) -> Result<(), StreamError> {
        let mut read = Vec::new();
        while let Some(data) = next(&mut body).await? {
            if read.len() + data.len() > self.options.max_response_bytes {
                return Err(StreamError::TooLong(self.options.max_response_bytes));
            }
            read.extend_from_slice(&data);
        }
        let text = crate::stream::message(&read)?;
        // A disconnected client needs no answer.
        let _ = pieces.send(text).await;
        Ok(())
    }
}

fn is_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map_or(&[][..], HeaderValue::as_bytes);
    kind.to_ascii_lowercase().starts_with(b"text/event-stream")
}

/// The next data of a body; `None` at its end.
async fn next(body: &mut Incoming) -> Result<Option<Bytes>, StreamError> {
    loop {
        match body.frame().await {
            None => return Ok(None),
            Some(Err(_)) => return Err(StreamError::BrokenOff),
            // Trailers are ignored.
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

/// The beginning of an error response, for the log.
async fn excerpt(body: &mut Incoming) -> String {
    let mut read = Vec::new();
    while let Ok(Some(data)) = next(body).await {
        read.extend_from_slice(&data[..data.len().min(MAX_LOGGED - read.len())]);
        if read.len() == MAX_LOGGED {
            break;
        }
    }
    String::from_utf8_lossy(&read).into_owned()
}

/// Error for the client. Details of the server are for its operator, in the log.
fn refused(status: StatusCode) -> ModelError {
    match status {
        StatusCode::TOO_MANY_REQUESTS => error("the model is busy, try again later"),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => error("the model refused the key of this server"),
        status => ModelError(format!("the model answered with status {}", status.as_u16())),
    }
}

fn error(text: &str) -> ModelError {
    ModelError(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_the_completions_is_added() {
        for (url, expected) in [
            ("http://models.test", "http://models.test/v1/chat/completions"),
            ("http://models.test:8080/", "http://models.test:8080/v1/chat/completions"),
            ("https://models.test/v1", "https://models.test/v1/chat/completions"),
            ("https://models.test/api/v1/", "https://models.test/api/v1/chat/completions"),
            ("http://models.test/v1/chat/completions", "http://models.test/v1/chat/completions"),
            ("http://models.test/own?a=b", "http://models.test/own?a=b"),
        ] {
            assert_eq!(completions(url).unwrap().to_string(), expected);
        }
        assert_eq!(completions("models.test"), None);
    }

    #[test]
    fn wrong_settings_are_reported_and_keys_are_not_shown() {
        let mut options = HttpModelOptions::new("ftp://models.test", "tiny");
        assert!(matches!(HttpModel::new(options.clone()), Err(HttpModelError::Url(_))));
        "http://models.test".clone_into(&mut options.url);
        options.key = Some("a\nb".to_owned());
        assert!(matches!(HttpModel::new(options.clone()), Err(HttpModelError::Key)));
        options.key = Some("sk-secret".to_owned());
        let model = HttpModel::new(options).unwrap();
        assert!(!format!("{model:?}").contains("sk-secret"));
    }
}
