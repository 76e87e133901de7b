//! The Engine.IO client against our server, and against peers that violate the protocol.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

mod close;
mod connect;
mod deflate;
mod limits;
mod messages;
mod peers;
mod revision_3;
mod support;
mod tunnels;
mod upgrade;
