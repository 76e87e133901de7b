//! Reading and writing of the structures around an event, in both encodings: what servers of a cluster send
//! each other.
//!
//! A message of a cluster is a small structure (sender, namespace, rooms) with an event or a value inside.
//! The [`Reader`] walks over the structure without building a tree, and hands the event out as a slice of the
//! message; the [`Writer`] writes the structure around the bytes of an event. Their calls are the same for
//! JSON and for msgpack, so a format that exists in both encodings is described once.
//!
//! # Binary data
//!
//! Msgpack holds it in place. In JSON text it has the form that `JSON.stringify` gives a `Buffer` of Node.js:
//! `{"type":"Buffer","data":[1,2]}`. Reading does not turn such an object back into binary data, as Node.js
//! does not either.
//!
//! # Msgpack between servers
//!
//! Node.js servers use `notepack.io` 3 and `@msgpack/msgpack` between them, which write the standard
//! timestamp (extension −1) for a `Date`. Clients with a msgpack parser use `notepack.io` 2, with an
//! extension of its own, and so does this crate. [`Writer`] writes the form for servers, and [`from_servers`]
//! restores the form for clients.

mod dialect;
mod reader;
mod writer;

pub use dialect::from_servers;
pub use reader::Reader;
pub use writer::Writer;

/// JavaScript's string form of a number: `1.5`, `1e+21`. A room of a Node.js server may be a number.
pub fn number_name(number: f64) -> String {
    crate::json::text::js_number(number)
}
