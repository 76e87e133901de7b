//! Responses to requests that fail, with a body that says why.

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::{Method, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};

/// A response with `{"success": false, "error": …}`.
pub fn failure(status: StatusCode, error: &str) -> Response {
    let body = serde_json::json!({ "success": false, "error": error }).to_string();
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// Gives responses of the router with an error and no body one that names the error, as those of axum itself for paths
/// and methods without a route.
pub fn with_error_bodies(router: Router) -> Router {
    router.layer(from_fn(add_body))
}

async fn add_body(request: Request, next: Next) -> Response {
    let is_head = request.method() == Method::HEAD;
    let mut response = next.run(request).await;
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    if is_head || !is_error || response.body().size_hint().exact() != Some(0) {
        return response;
    }
    let error = match status {
        StatusCode::NOT_FOUND => "there is nothing at this path".to_owned(),
        // The routes of axum add `Allow` afterwards.
        StatusCode::METHOD_NOT_ALLOWED => "this path has no such method".to_owned(),
        other => other.canonical_reason().unwrap_or("an error").to_lowercase(),
    };
    let (mut parts, body) = failure(status, &error).into_parts();
    for length in [header::CONTENT_LENGTH, header::CONTENT_TYPE] {
        response.headers_mut().remove(length);
    }
    parts.headers.extend(std::mem::take(response.headers_mut()));
    Response::from_parts(parts, Body::new(body))
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use axum::routing::get;
    use tower_service::Service;

    use super::*;

    #[tokio::test]
    async fn empty_errors_get_a_body() {
        let router = Router::new()
            .route("/", get(async || "here"))
            .route("/busy", get(async || StatusCode::SERVICE_UNAVAILABLE))
            .route("/own", get(async || (StatusCode::NOT_FOUND, "gone")))
            .route("/empty", get(async || StatusCode::NO_CONTENT));
        let mut router = with_error_bodies(router);
        for (method, path, status, body) in [
            ("GET", "/", 200, "here"),
            ("GET", "/x", 404, r#"{"error":"there is nothing at this path","success":false}"#),
            ("POST", "/", 405, r#"{"error":"this path has no such method","success":false}"#),
            ("HEAD", "/x", 404, ""),
            ("GET", "/busy", 503, r#"{"error":"service unavailable","success":false}"#),
            ("GET", "/own", 404, "gone"),
            ("GET", "/empty", 204, ""),
        ] {
            let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
            let response = router.call(request).await.unwrap();
            assert_eq!(response.status(), status, "{method} {path}");
            let read = to_bytes(response.into_body(), 1000).await.unwrap();
            assert_eq!(read, body.as_bytes(), "{method} {path}");
        }
    }
}
