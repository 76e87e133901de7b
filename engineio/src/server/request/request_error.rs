//! The errors of refused requests, with the official server's codes, messages and context.

use http::{HeaderValue, Response, StatusCode, header};
use thiserror::Error;

use crate::server::response::body::Body;

/// The reason why a request was refused before it reached a session.
///
/// The client receives [`code`](Self::code) and `Display`. The fields are the official server's `context`,
/// for the [`on_connection_error`](crate::ServerBuilder::on_connection_error) hook. They can contain anything
/// that a client sent, so escape them before logging.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestError {
    /// Code 0: the transport does not exist or is not enabled.
    #[error("Transport unknown")]
    UnknownTransport {
        /// The transport in the query.
        transport: Option<String>,
    },
    /// Code 1: no session has this id.
    #[error("Session ID unknown")]
    UnknownSid {
        /// The id in the query.
        sid: String,
    },
    /// Code 2: a handshake must be a GET.
    #[error("Bad handshake method")]
    BadHandshakeMethod {
        /// The method of the request.
        method: String,
    },
    /// Code 3: the request is invalid.
    #[error("Bad request")]
    BadRequest(BadRequest),
    /// Code 4: the origin is not allowed, or `allow_request` refused. The client receives the message unless
    /// it is empty.
    #[error("Forbidden")]
    Forbidden {
        /// The error of `allow_request`, or that the origin is not allowed.
        message: String,
    },
    /// Code 5: the client speaks revision 3 and `allow_eio3` is off.
    #[error("Unsupported protocol version")]
    UnsupportedProtocolVersion {
        /// The revision.
        protocol: u8,
    },
}

/// The reason for a refusal with code 3.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadRequest {
    /// `generate_id` failed, or made an id that is in use.
    IdGeneration {
        /// The text of its error.
        error: String,
    },
    /// The `Origin` header contains a control character. Only the crate's own HTTP server passes such a
    /// request on; others refuse it themselves.
    InvalidOrigin {
        /// The header, with the invalid characters in percent-encoding.
        origin: String,
    },
    /// A poll requests JSONP, and [`jsonp`](crate::ServerBuilder::jsonp) is off.
    JsonpDisabled,
    /// A middleware refused the request.
    MiddlewareFailure,
    /// The request has another protocol revision than its session.
    ProtocolMismatch {
        /// The revision of the request: 3 if it names none.
        protocol: u8,
        /// The session's revision.
        previous_protocol: u8,
    },
    /// An invalid WebSocket request, or one that the session cannot accept.
    TransportHandshake,
    /// The request's transport is not the session's.
    TransportMismatch {
        /// The transport in the query.
        transport: &'static str,
        /// The session's transport.
        previous_transport: &'static str,
    },
}

impl BadRequest {
    /// The official server's name of this case. JSONP, which that server always allows, has a name of its
    /// own.
    pub fn name(&self) -> &'static str {
        match self {
            Self::IdGeneration { .. } => "ID_GENERATION_ERROR",
            Self::InvalidOrigin { .. } => "INVALID_ORIGIN",
            Self::JsonpDisabled => "JSONP_DISABLED",
            Self::MiddlewareFailure => "MIDDLEWARE_FAILURE",
            Self::ProtocolMismatch { .. } => "PROTOCOL_MISMATCH",
            Self::TransportHandshake => "TRANSPORT_HANDSHAKE_ERROR",
            Self::TransportMismatch { .. } => "TRANSPORT_MISMATCH",
        }
    }
}

impl RequestError {
    /// The official error code, 0 to 5.
    pub fn code(&self) -> u8 {
        match self {
            Self::UnknownTransport { .. } => 0,
            Self::UnknownSid { .. } => 1,
            Self::BadHandshakeMethod { .. } => 2,
            Self::BadRequest(_) => 3,
            Self::Forbidden { .. } => 4,
            Self::UnsupportedProtocolVersion { .. } => 5,
        }
    }

    /// The message for the client. It contains nothing of the request.
    fn message(&self) -> String {
        match self {
            Self::Forbidden { message } if !message.is_empty() => message.clone(),
            other => other.to_string(),
        }
    }

    /// The response to a plain HTTP request: the code and the message as JSON.
    pub(crate) fn to_response(&self) -> Response<Body> {
        #[derive(serde::Serialize)]
        struct Refusal {
            code: u8,
            message: String,
        }
        // Serialization of numbers and strings cannot fail.
        let body =
            serde_json::to_vec(&Refusal { code: self.code(), message: self.message() }).unwrap_or_default();
        let forbidden = matches!(self, Self::Forbidden { .. });
        let mut response = Response::new(Body::from(bytes::Bytes::from(body)));
        *response.status_mut() = if forbidden { StatusCode::FORBIDDEN } else { StatusCode::BAD_REQUEST };
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }

    /// The response to a WebSocket request: always 400, with the message as text.
    pub(crate) fn to_upgrade_response(&self) -> Response<Body> {
        let mut response = Response::new(Body::from(bytes::Bytes::from(self.message())));
        *response.status_mut() = StatusCode::BAD_REQUEST;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        response
    }
}

impl From<BadRequest> for RequestError {
    fn from(case: BadRequest) -> Self {
        Self::BadRequest(case)
    }
}
