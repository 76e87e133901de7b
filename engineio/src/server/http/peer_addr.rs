//! The peer's address, as an extension of each request.

use std::net::SocketAddr;

/// The address of the peer. [`serve`](crate::Server::serve) adds it to the extensions of each request. Behind
/// another HTTP server the application has to add it, if
/// [`Session::remote_addr`](crate::Session::remote_addr) is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddr(pub SocketAddr);
