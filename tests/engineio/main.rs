//! Engine.IO on the wire and through the API: the behaviours that the official suites check, each with its id.

mod close;
mod cors;
mod eio3;
mod errors;
mod foreign;
mod handshake;
mod headers;
mod heartbeat;
mod hooks;
mod limits;
mod messages;
mod upgrade;
