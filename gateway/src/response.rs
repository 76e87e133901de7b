//! Responses to HTTP requests.

use bytes::Bytes;
use engineio::Body;
use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;
use serde_json::json;

/// HTTP response.
pub type HttpResponse = Response<Body>;

/// Response with a value as JSON.
pub fn json(status: StatusCode, value: &impl Serialize) -> HttpResponse {
    match serde_json::to_vec(value) {
        Ok(text) => of(status, "application/json", text),
        Err(_) => of(StatusCode::INTERNAL_SERVER_ERROR, "application/json", Bytes::new()),
    }
}

/// Response to a successful request: `{"success": true, "data": …}`.
pub fn success(data: impl Serialize) -> HttpResponse {
    #[derive(Serialize)]
    struct Success<T> {
        success: bool,
        data: T,
    }
    json(StatusCode::OK, &Success { success: true, data })
}

/// Response to a failed request: `{"success": false, "error": {"code": …, "message": …}}`. The code is for
/// programs and stable.
pub fn failure(status: StatusCode, code: &str, message: &str) -> HttpResponse {
    json(status, &json!({"success": false, "error": {"code": code, "message": message}}))
}

/// Default content security policy of a response: it loads and runs nothing, and may not be framed.
const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// Response with a text of the given type.
pub fn of(status: StatusCode, content_type: &'static str, text: impl Into<Bytes>) -> HttpResponse {
    let mut response = Response::new(Body::from(text.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    response
}
