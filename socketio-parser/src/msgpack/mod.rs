//! The parser that is byte-compatible with npm's `socket.io-msgpack-parser`.
//!
//! A packet is one map `{type, nsp, data, id}` in one binary message, with binary data in place. That package uses
//! notepack.io 2.2, which has forms of its own for what JavaScript has and msgpack has not: `undefined` is an
//! extension of type 0 with one byte, a `Date` one of type 0 with eight, an `ArrayBuffer` one of type 0 of any
//! other length. All of them are read here.

mod date;
pub(crate) mod de;
pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod error;
pub(crate) mod json;
mod key;
mod scan;
pub(crate) mod ser;
mod token;
