//! Why a call was not carried out, and how that is said.

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};
use socketio_server::EmitError;

use crate::answer::{self, Answer};

/// What comes of a call: what is told under `data`, or why not.
pub(super) type Done = Result<Value, Failure>;

/// Why not.
#[derive(Debug)]
pub(in crate::http) struct Failure {
    status: StatusCode,
    /// For programs; it does not change.
    code: &'static str,
    /// For people.
    message: String,
}

impl Failure {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    fn to_json(&self) -> Value {
        json!({"success": false, "error": {"code": self.code, "message": self.message}})
    }

    pub(in crate::http) fn into_answer(self) -> Answer {
        answer::json(self.status, &self.to_json())
    }
}

impl From<EmitError> for Failure {
    fn from(error: EmitError) -> Self {
        match error {
            EmitError::Encode(error) => Self::bad_request(error.to_string()),
            error => Self::new(StatusCode::CONFLICT, "not_sent", error.to_string()),
        }
    }
}

/// What came of a call, as it is said for itself and among others.
pub(super) fn to_json(done: &Done) -> Value {
    match done {
        Ok(data) => json!({"success": true, "data": data}),
        Err(failure) => failure.to_json(),
    }
}

/// The bytes of what was done.
pub(super) fn to_bytes(data: &Value) -> Bytes {
    json!({"success": true, "data": data}).to_string().into()
}

/// An answer of such bytes.
pub(super) fn of_bytes(bytes: Bytes) -> Answer {
    answer::of(StatusCode::OK, "application/json", bytes)
}
