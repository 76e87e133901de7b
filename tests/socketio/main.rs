//! Socket.IO on the wire and through the API.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

mod answers;
mod api;
mod broadcasts;
mod bundle;
mod bus;
mod clients;
mod cluster;
mod dynamic;
mod events;
mod freed;
mod leaving;
mod limits;
mod middlewares;
mod mistakes;
mod protocol;
mod recovery;
mod rooms;
mod support;
