//! The Socket.IO client against our server, against peers that send exactly what a test says, and against
//! servers that are not ours.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

mod acks;
mod blocking;
mod connect;
mod events;
mod faults;
mod foreign;
mod listeners;
mod manager;
mod namespaces;
mod node;
mod node_v2;
mod offline;
mod options;
mod python;
mod reconnect;
mod retries;
mod socketioxide;
mod streams;
mod support;
mod traces;
mod wire;
