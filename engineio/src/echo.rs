//! Echo servers and clients on bare WebSockets, without Engine.IO, for conformance tests of the WebSocket
//! protocol. They use the connections of the server's and the client's sessions.

pub use crate::client::echo::visit;
pub use crate::server::echo::serve;
