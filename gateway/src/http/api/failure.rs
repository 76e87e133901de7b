//! Errors of API calls, and the representation of results.

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use super::super::once::OnceError;
use crate::node::clients::ClientError;
use crate::response::{self, HttpResponse};

/// Result of a call: the value of `data` in the response, or an error.
pub(super) type Done = Result<Value, Failure>;

/// Error of a call.
#[derive(Debug)]
pub(in crate::http) struct Failure {
    status: StatusCode,
    /// Stable code for programs.
    code: &'static str,
    /// Message for humans.
    message: String,
}

impl Failure {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    pub(super) fn unknown_namespace() -> Self {
        Self::new(StatusCode::NOT_FOUND, "unknown_namespace", "unknown namespace")
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    fn to_json(&self) -> Value {
        json!({"success": false, "error": {"code": self.code, "message": self.message}})
    }

    pub(in crate::http) fn into_response(self) -> HttpResponse {
        response::json(self.status, &self.to_json())
    }
}

impl From<OnceError> for Failure {
    fn from(OnceError { status, code, message }: OnceError) -> Self {
        Self { status, code, message }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Invalid(message) => Self::bad_request(message),
            ClientError::NotSent(message) => Self::new(StatusCode::CONFLICT, "not_sent", message),
        }
    }
}

/// Result as JSON, as it appears alone or in the results of a batch.
pub(super) fn to_json(done: &Done) -> Value {
    match done {
        Ok(data) => json!({"success": true, "data": data}),
        Err(failure) => failure.to_json(),
    }
}

/// Serialized response to a successful call.
pub(super) fn to_bytes(data: &Value) -> Bytes {
    json!({"success": true, "data": data}).to_string().into()
}

/// Response with a serialized body.
pub(super) fn of_bytes(bytes: Bytes) -> HttpResponse {
    response::of(StatusCode::OK, "application/json", bytes)
}
