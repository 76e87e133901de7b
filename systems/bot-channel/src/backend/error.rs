//! Errors of a request to the backend, and whether another attempt makes sense.

use std::time::{Duration, SystemTime};

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};

/// Errors of a request to the backend.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackendError {
    /// The backend is unreachable.
    #[error("the backend cannot be reached")]
    Connect(#[source] hyper_util::client::legacy::Error),
    /// The connection ended before there was a response.
    #[error("the connection to the backend broke")]
    Broken(#[source] hyper_util::client::legacy::Error),
    /// The backend responded with an error status.
    #[error("the backend answered {status}")]
    Status {
        /// The status.
        status: StatusCode,
        /// The header `Retry-After`.
        retry_after: Option<Duration>,
    },
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

impl BackendError {
    pub(super) fn of_request(error: hyper_util::client::legacy::Error) -> Self {
        if error.is_connect() { Self::Connect(error) } else { Self::Broken(error) }
    }

    pub(super) fn of_status(status: StatusCode, headers: &HeaderMap) -> Self {
        let retry_after = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        Self::Status { status, retry_after: retry_after.and_then(|value| to_wait(value, SystemTime::now())) }
    }

    /// Whether the backend has not processed the message, so that another attempt cannot be a second answer. After all
    /// other errors it may have.
    pub(super) fn is_temporary(&self) -> bool {
        match self {
            Self::Connect(_) => true,
            Self::Status { status, .. } => matches!(status.as_u16(), 502..=504),
            _ => false,
        }
    }

    pub(super) fn retry_after(&self) -> Option<Duration> {
        if let Self::Status { retry_after, .. } = self { *retry_after } else { None }
    }
}

/// The time that a `Retry-After` means: seconds, or a date.
fn to_wait(value: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_a_number_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_770);
        for (value, expected) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(7)),
            ("Sat, 06 Nov 1993 08:49:37 GMT", Some(0)),
            ("-1", None),
            ("soon", None),
        ] {
            assert_eq!(to_wait(value, now), expected.map(Duration::from_secs), "{value}");
        }
    }

    #[test]
    fn only_errors_before_the_message_is_processed_are_temporary() {
        for (status, expected) in
            [(500, false), (502, true), (503, true), (504, true), (429, false), (400, false)]
        {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(
                BackendError::Status { status, retry_after: None }.is_temporary(),
                expected,
                "{status}"
            );
        }
        assert!(!BackendError::Silent.is_temporary());
    }
}
