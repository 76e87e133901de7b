//! HTTP client, for key sets and webhooks.

use std::io;

use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use std::time::Duration;

use http::Uri;

/// Client for HTTP and HTTPS.
pub(crate) type HttpClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Lifetime of an idle connection in the pool. Many servers close idle connections after five seconds, and a
/// request that fails on a closing connection cannot always be retried.
const KEEP: Duration = Duration::from_secs(4);

/// Creates a client with up to `max_idle` idle connections. An error means that the system's certificates
/// cannot be read.
pub(crate) fn client(max_idle: usize) -> io::Result<HttpClient> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    let connector = HttpsConnectorBuilder::new()
        // The provider is explicit, because a process may have no default.
        .with_provider_and_native_roots(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider())?
        .https_or_http()
        .enable_http1()
        .wrap_connector(http);
    let mut builder = Client::builder(TokioExecutor::new());
    builder.pool_idle_timeout(KEEP).pool_timer(TokioTimer::new()).pool_max_idle_per_host(max_idle);
    Ok(builder.build(connector))
}

/// URI of an `http` or `https` URL with a host; `None` for all others.
pub(crate) fn address(url: &str) -> Option<Uri> {
    let uri: Uri = url.parse().ok()?;
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    (is_http && uri.host().is_some_and(|host| !host.is_empty())).then_some(uri)
}
