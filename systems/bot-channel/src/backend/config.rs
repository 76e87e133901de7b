//! Settings of the backend.

use std::fmt;

use http::Uri;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use system_support::http_url;

/// Settings of the HTTP backend.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackendConfig {
    /// URL of the backend, which receives POST requests, or a list of the URLs of equal backends. A request goes to the one
    /// that has answered last, and after an error to the next one.
    #[serde(rename = "url", alias = "urls", deserialize_with = "one_or_more")]
    pub urls: Vec<String>,
    /// The value of the `Authorization` header. Default none.
    pub authorization: Option<String>,
    /// Idle timeout of the response, in milliseconds. Default 30,000. A conversation waits for this long.
    #[serde(default = "default_timeout")]
    pub timeout_ms: u64,
    /// Timeout of the connect to a backend, in milliseconds. Default 5,000.
    #[serde(default = "default_connect")]
    pub connect_ms: u64,
    /// Maximum reply size in bytes. Default 1,000,000. The channel may have to hold this much per request.
    #[serde(default = "default_max_reply")]
    pub max_reply_bytes: usize,
    /// Number of further attempts when a backend cannot be reached, or responds with 502, 503 or 504. Default 3; 0 is
    /// none. Cost: the user waits longer for the apology.
    #[serde(default = "default_retries")]
    pub retries: u32,
    /// Pause before the first backend is asked again, in milliseconds. Default 200. It doubles with each round, and is
    /// shortened at random by up to half. A `Retry-After` of the backend prolongs it.
    #[serde(default = "default_backoff")]
    pub backoff_ms: u64,
    /// Time after which no further attempt starts, in milliseconds. Default 10,000.
    #[serde(default = "default_retry")]
    pub retry_ms: u64,
}

/// Invalid settings of a backend.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackendConfigError {
    /// The URL is not an HTTP URL.
    #[error("agent.url: {0:?} is not the URL of an HTTP server")]
    Url(String),
    /// There is no URL.
    #[error("agent.url: the list is empty")]
    NoUrl,
    /// The value is not a valid header value.
    #[error("agent.authorization: it cannot stand in a header")]
    Authorization,
    /// The certificates of the system cannot be read.
    #[error("the certificates of the system cannot be read")]
    Certificates(#[source] std::io::Error),
}

impl BackendConfig {
    /// Settings of these backends, with the defaults.
    pub fn new(urls: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            urls: urls.into_iter().map(Into::into).collect(),
            authorization: None,
            timeout_ms: default_timeout(),
            connect_ms: default_connect(),
            max_reply_bytes: default_max_reply(),
            retries: default_retries(),
            backoff_ms: default_backoff(),
            retry_ms: default_retry(),
        }
    }

    pub(super) fn uris(&self) -> Result<Vec<Uri>, BackendConfigError> {
        let uri = |url: &String| http_url(url).ok_or_else(|| BackendConfigError::Url(url.clone()));
        let uris: Result<Vec<_>, _> = self.urls.iter().map(uri).collect();
        uris.and_then(|uris| if uris.is_empty() { Err(BackendConfigError::NoUrl) } else { Ok(uris) })
    }
}

fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct OneOrMore;

    impl<'de> Visitor<'de> for OneOrMore {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a URL or a list of URLs")
        }

        fn visit_str<E>(self, url: &str) -> Result<Vec<String>, E> {
            Ok(vec![url.to_owned()])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<String>, A::Error> {
            let mut urls = Vec::new();
            while let Some(url) = seq.next_element()? {
                urls.push(url);
            }
            Ok(urls)
        }
    }

    deserializer.deserialize_any(OneOrMore)
}

fn default_timeout() -> u64 {
    30_000
}

fn default_connect() -> u64 {
    5_000
}

fn default_max_reply() -> usize {
    1_000_000
}

fn default_retries() -> u32 {
    3
}

fn default_backoff() -> u64 {
    200
}

fn default_retry() -> u64 {
    10_000
}
