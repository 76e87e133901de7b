//! The peer's address, as an extension of each request.

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
