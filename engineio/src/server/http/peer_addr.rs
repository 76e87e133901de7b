//! Facts about the connection, as extensions of each request: the peer's address, and whether it uses TLS.

use std::net::SocketAddr;

use http::Extensions;

/// The address of the peer. [`serve`](crate::Server::serve) adds it to the extensions of each request. Behind
/// another HTTP server the application has to add it, if
/// [`Session::remote_addr`](crate::Session::remote_addr) is needed. With the feature `axum` it is read from axum's
/// `ConnectInfo<SocketAddr>` too, which `into_make_service_with_connect_info` adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddr(pub SocketAddr);

impl PeerAddr {
    /// The address in the extensions of a request.
    pub(crate) fn of(extensions: &Extensions) -> Option<SocketAddr> {
        let address = extensions.get::<Self>().map(|peer| peer.0);
        #[cfg(feature = "axum")]
        let address =
            address.or_else(|| extensions.get::<axum::extract::ConnectInfo<SocketAddr>>().map(|peer| peer.0));
        address
    }
}

/// The client's connection uses TLS. The code that accepts TLS connections adds it to the extensions of each
/// request, and so does code that trusts a proxy that reports it; then
/// [`RequestHead::is_secure`](crate::RequestHead::is_secure) is true. [`serve`](crate::Server::serve) accepts no TLS
/// and never adds it: a header such as `x-forwarded-proto` alone proves nothing, because any client can send it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Secure;
