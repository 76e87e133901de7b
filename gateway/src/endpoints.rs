//! HTTP endpoints of a program that embeds the gateway, on the gateway's port for clients.

use engineio::RequestBody;
use http::{HeaderMap, Method, Request};

use crate::response::HttpResponse;
use crate::shared::BoxFuture;

/// Endpoints of a program, for [`Gateway::serve_with`](crate::Gateway::serve_with). The gateway answers preflight
/// requests and wrong methods for them, and adds the CORS headers of paths below `/api/` and the security headers.
/// An endpoint with the path of a route of the gateway replaces that route.
pub trait Endpoints: Send + Sync + 'static {
    /// Whether a request with these headers is handled at all, including those of Socket.IO and of plain WebSockets. It
    /// is asked in addition to `origins.allowed`. Default: always.
    fn admits(&self, headers: &HeaderMap) -> bool {
        let _ = headers;
        true
    }

    /// The methods of a path; `None` if the program has no such path. `HEAD` is handled as `GET`.
    fn methods(&self, path: &str) -> Option<&'static [Method]>;

    /// Handles a request with one of the paths and methods. The origin of the request is allowed.
    fn respond(&self, request: Request<RequestBody>) -> BoxFuture<'static, HttpResponse>;
}
