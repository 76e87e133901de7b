//! Socket.IO on the wire and through the API.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

mod acks;
mod admin;
mod api;
mod broadcast_acks;
mod broadcasts;
mod bundle;
mod clients;
mod cluster;
mod dynamic;
mod event_middlewares;
mod events;
mod extractors;
mod freed;
mod hooks;
mod invalid_packets;
mod leaving;
mod limits;
mod middlewares;
mod mistakes;
mod outbox;
mod parsers;
mod protocol;
mod recovery;
mod returned;
mod rooms;
mod support;
