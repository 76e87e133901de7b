//! HTTP requests of a session: their route, the connections and the responses.
//!
//! `route` builds the requests and stores the cookies of the responses. `dial` opens a connection, through a
//! proxy and with TLS if the settings say so. `exchange` is one polling request on a `connection`, which
//! drives hyper from the future that waits for the response. `upgrade` requests another protocol, without
//! hyper: a WebSocket of the server or a tunnel of a proxy. `body` encodes and decodes the payloads of
//! polling requests.

pub(crate) mod body;
pub(crate) mod connection;
mod cookies;
pub(crate) mod dial;
pub(crate) mod exchange;
pub(crate) mod route;
pub(crate) mod stream;
pub(crate) mod upgrade;
