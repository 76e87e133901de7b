//! The tests of the crate's public interface, as one program.

// Helpers outside of test functions unwrap too; a panic fails the test.
#![allow(clippy::unwrap_used)]

mod allocations;
mod arguments;
mod binary;
mod common;
mod limits;
#[cfg(feature = "msgpack")]
mod msgpack;
#[cfg(feature = "msgpack")]
mod msgpack_fuzzed;
mod packets;
mod values;
