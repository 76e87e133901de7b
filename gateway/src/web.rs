//! The client side of HTTP: what the gateway asks others for.

use std::io;

use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use std::time::Duration;

use http::Uri;

/// Asks over HTTP and HTTPS.
pub(crate) type WebClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// How long a connection that nobody needs is kept. Many servers close theirs after five seconds, and a request that
/// meets the end of a connection cannot always be repeated.
const KEEP: Duration = Duration::from_secs(4);

/// A client that keeps up to so many connections that nobody needs. An error says that the certificates of the system
/// cannot be read.
pub(crate) fn client(max_idle: usize) -> io::Result<WebClient> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    let connector = HttpsConnectorBuilder::new()
        // Named, because another crate in the same program may bring another one along.
        .with_provider_and_native_roots(tokio_rustls::rustls::crypto::ring::default_provider())?
        .https_or_http()
        .enable_http1()
        .wrap_connector(http);
    let mut builder = Client::builder(TokioExecutor::new());
    builder.pool_idle_timeout(KEEP).pool_timer(TokioTimer::new()).pool_max_idle_per_host(max_idle);
    Ok(builder.build(connector))
}

/// The address of something on an HTTP server, if it is one.
pub(crate) fn address(url: &str) -> Option<Uri> {
    let uri: Uri = url.parse().ok()?;
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    (is_http && uri.host().is_some_and(|host| !host.is_empty())).then_some(uri)
}
