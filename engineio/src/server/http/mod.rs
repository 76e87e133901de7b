//! The HTTP/1.1 server: listeners, connections, request bodies and routes.

pub(crate) mod address_limit;
pub(crate) mod answering;
pub(crate) mod clock;
pub(crate) mod connection;
pub(crate) mod http_server;
pub(crate) mod incoming;
pub(crate) mod peer_addr;
pub(crate) mod reserve;
pub(crate) mod routes;
pub(crate) mod upgrade;
