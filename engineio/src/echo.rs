//! Echoes on bare WebSockets, without Engine.IO: what conformance tests of the WebSocket protocol talk to. They are the
//! connections of sessions, the server's and the client's, without the sessions.

pub use crate::client::echo::visit;
pub use crate::server::echo::serve;
