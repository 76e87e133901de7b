//! The tests of the crate's public interface, as one program.

mod arguments;
mod binary;
mod common;
mod packets;
mod values;
