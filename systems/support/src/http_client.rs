//! A client for HTTP and HTTPS.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;

/// A client for HTTP and HTTPS that trusts the certificates of the system.
pub type HttpClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Lifetime of an idle connection. Many servers close idle connections after five seconds.
const IDLE: Duration = Duration::from_secs(4);

/// A client whose connections are reused. An error means that the certificates of the system cannot be read.
pub fn http_client() -> io::Result<HttpClient> {
    http_client_within(None)
}

/// As [`http_client`], with a timeout for each connect.
pub fn http_client_within(connect_timeout: Option<Duration>) -> io::Result<HttpClient> {
    let mut connector = HttpConnector::new();
    // The scheme is that of the connector around it.
    connector.enforce_http(false);
    connector.set_connect_timeout(connect_timeout);
    let connector = HttpsConnectorBuilder::new()
        // The provider is explicit, because a process may have no default.
        .with_provider_and_native_roots(default_provider())?
        .https_or_http()
        .enable_http1()
        .wrap_connector(connector);
    let mut builder = Client::builder(TokioExecutor::new());
    builder.pool_idle_timeout(IDLE).pool_timer(TokioTimer::new());
    Ok(builder.build(connector))
}

/// The URI of an `http` or `https` URL with a host; `None` for all others.
pub fn http_url(url: &str) -> Option<Uri> {
    let uri: Uri = url.parse().ok()?;
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    (is_http && uri.host().is_some_and(|host| !host.is_empty())).then_some(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_urls_of_http_servers_are_accepted() {
        for url in ["http://127.0.0.1:8080/v1", "https://models.test"] {
            assert!(http_url(url).is_some(), "{url}");
        }
        for url in ["ftp://models.test", "models.test", "http://", "/v1", "not a url"] {
            assert!(http_url(url).is_none(), "{url}");
        }
    }
}
