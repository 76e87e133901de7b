//! Pages of other origins that use the API: what their browsers ask before, and what they have to be told.
//!
//! This keeps nobody out. It only lets a browser show an answer to a page; whether the call is carried out is decided
//! by the origin and the key.

use engineio::Origins;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};

use crate::answer::{self, Answer};

/// The paths that pages may use.
const API: &str = "/api/";
/// What pages may send with a call.
const HEADERS: HeaderValue =
    HeaderValue::from_static("authorization, content-type, idempotency-key, x-api-key");
/// What they may read of an answer, besides its body.
const EXPOSED: HeaderValue = HeaderValue::from_static("idempotency-replayed");
/// For how long a browser need not ask again: ten minutes.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// A page that may read the answer.
pub(super) struct Allowed {
    origin: HeaderValue,
    credentials: bool,
}

/// The page that a call of the API comes from, if it is of an origin that may use it.
pub(super) fn allowed<B>(origins: &Origins, credentials: bool, request: &Request<B>) -> Option<Allowed> {
    let origin = request.headers().get(header::ORIGIN)?;
    if !request.uri().path().starts_with(API) || !origins.allow(request.headers()) {
        return None;
    }
    if *origins == Origins::Any {
        return Some(Allowed { origin: HeaderValue::from_static("*"), credentials: false });
    }
    Some(Allowed { origin: origin.clone(), credentials })
}

impl Allowed {
    /// Says so in an answer.
    pub(super) fn tell(self, headers: &mut HeaderMap) {
        if self.origin != "*" {
            // Another page would get another answer.
            headers.append(header::VARY, HeaderValue::from_static("origin"));
        }
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, self.origin);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        if self.credentials {
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }
}

/// Whether a browser asks what a page may do.
pub(super) fn is_preflight<B>(request: &Request<B>) -> bool {
    request.method() == Method::OPTIONS
        && request.uri().path().starts_with(API)
        && request.headers().contains_key(header::ORIGIN)
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to that. `methods` are those that there are at the path.
pub(super) fn preflight(origins: &Origins, headers: &HeaderMap, methods: &str) -> Answer {
    if !origins.allow(headers) {
        let message = "pages of this origin may not do that";
        return answer::failure(StatusCode::FORBIDDEN, "forbidden_origin", message);
    }
    let mut answer = Answer::default();
    *answer.status_mut() = StatusCode::NO_CONTENT;
    let told = answer.headers_mut();
    if let Ok(methods) = HeaderValue::from_str(methods) {
        told.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    }
    told.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
    told.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    answer
}
