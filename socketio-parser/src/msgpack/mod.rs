//! Values in msgpack, byte-compatible with npm's `socket.io-msgpack-parser`. A packet is
//! one map `{type, nsp, data, id}` in one binary message, with binary data in place; `decoder::msgpack` and
//! `encoder::msgpack` read and write it.
//!
//! That package uses notepack.io 2.2, which encodes JavaScript values without a msgpack type in its own way:
//! `undefined` is an extension of type 0 with one byte, a `Date` an extension of type 0 with eight bytes, an
//! `ArrayBuffer` an extension of type 0 with any other length. This module reads all of them.

mod date;
pub(crate) mod de;
pub(crate) mod json;
mod key;
pub(crate) mod scan;
pub(crate) mod ser;
pub(crate) mod token;
