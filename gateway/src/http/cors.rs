//! CORS of the HTTP API: preflight requests, and the headers that let pages of other origins read responses.
//!
//! CORS is not access control. It only lets a browser show a response to a page; the origin check and the key
//! decide whether a call is carried out.

use engineio::Origins;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};

use crate::response::{self, HttpResponse};

/// Prefix of the paths that pages may call.
const API: &str = "/api/";
/// Request headers that pages may send.
const HEADERS: HeaderValue =
    HeaderValue::from_static("authorization, content-type, idempotency-key, x-api-key");
/// Response headers that pages may read.
const EXPOSED: HeaderValue = HeaderValue::from_static("idempotency-replayed");
/// Time for which browsers cache the result of a preflight request, in seconds: ten minutes.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// Permission of a page to read a response.
pub(super) struct Allowed {
    origin: HeaderValue,
    credentials: bool,
}

/// Permission for the page that sent a request to the API, if its origin is allowed.
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
    /// Adds the CORS headers to a response.
    pub(super) fn add_to(self, headers: &mut HeaderMap) {
        if self.origin != "*" {
            // The response depends on the origin, so caches must keep one per origin.
            headers.append(header::VARY, HeaderValue::from_static("origin"));
        }
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, self.origin);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        if self.credentials {
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }
}

/// Whether the request is a CORS preflight for the API.
pub(super) fn is_preflight<B>(request: &Request<B>) -> bool {
    request.method() == Method::OPTIONS
        && request.uri().path().starts_with(API)
        && request.headers().contains_key(header::ORIGIN)
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// Response to a preflight request. `methods` are the methods of the routes at its path.
pub(super) fn preflight(origins: &Origins, headers: &HeaderMap, methods: &str) -> HttpResponse {
    if !origins.allow(headers) {
        let message = "this origin may not use the API";
        return response::failure(StatusCode::FORBIDDEN, "forbidden_origin", message);
    }
    let mut response = HttpResponse::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    if let Ok(methods) = HeaderValue::from_str(methods) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    }
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    response
}
