//! The protocol as data, without I/O and without a clock: packets, their forms on each transport, WebSocket
//! frame headers, and session ids.

pub mod frame;
pub mod open;
pub mod packet;
pub mod payload;
pub(crate) mod percent;
pub mod prepared;
pub mod sid;
pub mod text;
