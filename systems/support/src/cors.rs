//! CORS of an API: preflight requests, and the headers that let pages of other origins read responses.
//!
//! CORS is not access control: it only lets a browser show a response to a page.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use engineio::{OriginPolicy, Origins};

use crate::failure::failure;

/// Request headers that pages may send.
const HEADERS: HeaderValue = HeaderValue::from_static("authorization, content-type");
/// Time for which browsers cache the result of a preflight request, in seconds: ten minutes.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// Lets pages of the allowed origins call the routes of the router and read the responses. Cookies are not sent with such
/// calls. Preflight requests are answered with the methods of the route; those of other origins get 403.
pub fn with_cors(router: Router, origins: OriginPolicy) -> Router {
    // Layers of a router run inside of its routes, which add `Allow` to what they return.
    Router::new().fallback_service(router).layer(from_fn_with_state(Arc::new(origins), cors))
}

async fn cors(State(origins): State<Arc<OriginPolicy>>, request: Request, next: Next) -> Response {
    let Some(origin) = request.headers().get(header::ORIGIN).cloned() else {
        return next.run(request).await;
    };
    let is_preflight = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let is_allowed = origins.allow(request.headers());
    if is_preflight && !is_allowed {
        return failure(StatusCode::FORBIDDEN, "pages of this origin may not do that");
    }
    let mut response = next.run(request).await;
    if is_preflight {
        // A route without OPTIONS names its methods.
        if let Some(methods) = response.headers_mut().remove(header::ALLOW) {
            let headers = [
                (header::ACCESS_CONTROL_ALLOW_METHODS, methods),
                (header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS),
                (header::ACCESS_CONTROL_MAX_AGE, MAX_AGE),
            ];
            response = (StatusCode::NO_CONTENT, headers).into_response();
        }
    }
    if is_allowed {
        let is_any = *origins.origins() == Origins::Any;
        allow(response.headers_mut(), if is_any { HeaderValue::from_static("*") } else { origin });
    }
    response
}

fn allow(headers: &mut HeaderMap, origin: HeaderValue) {
    if origin != "*" {
        // The response depends on the origin, so caches must keep one per origin.
        headers.append(header::VARY, HeaderValue::from_static("origin"));
    }
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::routing::{get, post};
    use tower_service::Service;

    use super::*;

    async fn ask(origins: &str, method: &str, path: &str, origin: &str) -> (u16, [Option<String>; 3]) {
        let router = Router::new()
            .route("/", get(async || "here"))
            .route("/own", post(async || "done").fallback(async || StatusCode::METHOD_NOT_ALLOWED));
        let origins: Origins = origins.parse().unwrap();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "here.test")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .body(Body::empty());
        let response = with_cors(router, origins.into()).call(request.unwrap()).await.unwrap();
        let header =
            |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let names = ["access-control-allow-origin", "access-control-allow-methods", "vary"];
        (response.status().as_u16(), names.map(header))
    }

    #[tokio::test]
    async fn pages_of_allowed_origins_may_call_the_routes() {
        let (good, evil) = ("https://good.test", "https://evil.test");
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(ask(good, "GET", "/", good).await, (200, [some(good), None, some("origin")]));
        assert_eq!(ask(good, "GET", "/", evil).await, (200, [None, None, None]));
        assert_eq!(ask("*", "GET", "/", evil).await, (200, [some("*"), None, None]));
        for (path, methods) in [("/", "GET,HEAD"), ("/own", "POST")] {
            let expected = (204, [some(good), some(methods), some("origin")]);
            assert_eq!(ask(good, "OPTIONS", path, good).await, expected);
        }
        assert_eq!(ask(good, "OPTIONS", "/", evil).await, (403, [None, None, None]));
        assert_eq!(ask(good, "OPTIONS", "/x", good).await, (404, [some(good), None, some("origin")]));
        assert_eq!(ask("", "OPTIONS", "/", "http://here.test").await.0, 204);
    }
}
