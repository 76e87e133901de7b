//! Clusters on each broker, as one program: linking one takes as long as building the tests of a broker.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]
#![allow(clippy::duplicate_mod, reason = "the same tests run on several brokers")]

#[path = "../ipc/mod.rs"]
mod ipc;
#[path = "../jetstream/mod.rs"]
mod jetstream;
#[path = "../nats/mod.rs"]
mod nats;
#[path = "../postgres/mod.rs"]
mod postgres;
