//! Engine.IO on the wire and through the API: the behaviours that the official suites check, each with its
//! id.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

mod addresses;
mod backpressure;
mod broken;
mod close;
mod cors;
mod eio3;
mod errors;
mod foreign;
mod handshake;
mod headers;
mod heartbeat;
mod hooks;
mod http;
mod layers;
mod limits;
mod messages;
mod observer;
mod origins;
mod peers;
mod received;
mod routes;
mod shutdown;
mod translated;
mod upgrade;
