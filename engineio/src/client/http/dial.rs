//! Connections to the server, through a proxy if one is set.

use std::sync::Arc;

use http::{Method, Request};
use tokio::net::TcpStream;

use super::route::Route;
use super::stream::Stream;
use super::upgrade::upgrade;
use crate::client::config::url::Url;
use crate::client::error::HttpError;

/// Opens a connection. With a proxy, WebSockets and encrypted connections use a tunnel; the proxy forwards
/// plain requests.
pub(crate) async fn open(route: &Route, tunnel: bool) -> Result<Stream, HttpError> {
    let tcp = match &route.proxy {
        None => dial(&route.url).await?,
        Some(proxy) if tunnel || route.url.is_secure() => tunnel_through(proxy, &route.url).await?,
        Some(proxy) => dial(proxy).await?,
    };
    if !route.url.is_secure() {
        return Ok(Stream::Tcp(tcp));
    }
    #[cfg(feature = "tls")]
    {
        let stream = route.config.tls.connect(route.url.host(), tcp).await;
        stream.map(|stream| Stream::Tls(Box::new(stream))).map_err(|error| HttpError::Tls(Arc::new(error)))
    }
    #[cfg(not(feature = "tls"))]
    Err(HttpError::NoTls)
}

async fn dial(url: &Url) -> Result<TcpStream, HttpError> {
    let stream = TcpStream::connect((url.host(), url.port())).await;
    let stream = stream.map_err(|error| HttpError::Connect(Arc::new(error)))?;
    // Messages are written whole, so Nagle's algorithm would only delay them. A socket that refuses the
    // option still works, only slower.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

async fn tunnel_through(proxy: &Url, server: &Url) -> Result<TcpStream, HttpError> {
    let host = server.host();
    let brackets = if host.contains(':') { ("[", "]") } else { ("", "") };
    let target = format!("{}{host}{}:{}", brackets.0, brackets.1, server.port());
    let mut request =
        Request::builder().method(Method::CONNECT).uri(&target).header(http::header::HOST, &target);
    if let Some(authorization) = proxy.authorization() {
        request = request.header(http::header::PROXY_AUTHORIZATION, authorization);
    }
    let stream = Stream::Tcp(dial(proxy).await?);
    let upgraded = upgrade(stream, request.body(())?).await?;
    // The headers of the response are the proxy's, so its cookies are not stored.
    // A server sends nothing before the first request, so there are no bytes behind the proxy's response.
    match upgraded.stream {
        Some((Stream::Tcp(stream), _)) => Ok(stream),
        _ => Err(HttpError::Proxy(upgraded.status)),
    }
}
