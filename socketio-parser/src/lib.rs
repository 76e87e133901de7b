//! Socket.IO packets: text with binary attachments, and msgpack.
//!
//! This crate converts the messages of a connection into packets and back: no I/O, no async, no clock. It
//! implements protocol revision 5 (Socket.IO v3 and later). v1 and v2 differ only in what [`Revision`]
//! describes. It is as strict as the official server.
//!
//! It differs from other parsers in three ways:
//!
//! - **Arguments stay undecoded until the application requests a type.** Decoding validates the text once and
//!   keeps slices of it. Forwarding an event costs this validation and a copy of its bytes; big integers, the
//!   order of keys and all other details are preserved.
//! - **Binary data is a type.** A [`Binary`] anywhere in a serializable type becomes an attachment, and is
//!   filled from an attachment; the application sees no placeholders. For `Bytes` and `Vec<u8>` see
//!   [`attachment`].
//! - **One value is one argument**, also a `Vec` or a tuple. Several arguments are explicit, with [`Args`].
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use socketio_parser::{Args, Binary, Decoder, Parser, Payload};
//!
//! #[derive(Debug, PartialEq, Serialize, Deserialize)]
//! struct Upload {
//!     name: String,
//!     content: Binary,
//! }
//! let upload = Upload { name: "a.png".to_owned(), content: Binary::from_static(b"\x89PNG") };
//!
//! // One side: an event with two arguments, in the namespace /files, that asks for an answer.
//! let mut text = Vec::new();
//! let attachments = Parser::Json.encode_event(&mut text, "/files", Some(7), "upload", &Args((&upload,
//! true)))?; assert_eq!(     std::str::from_utf8(&text)?,
//! r#"51-/files,7["upload",{"name":"a.png","content":{"_placeholder":true,"num":0}},true]"#, );
//!
//! // The other side: a text message, then as many binary ones as it announces.
//! let mut decoder = Decoder::default();
//! let mut packet = decoder.text(text.into())?;
//! for attachment in attachments {
//!     assert!(packet.is_none());
//!     packet = decoder.binary(attachment)?;
//! }
//! let packet = packet.expect("complete");
//! assert_eq!((packet.namespace.as_str(), packet.ack_id), ("/files", Some(7)));
//!
//! let Payload::Event(event) = packet.payload else { panic!("an event") };
//! assert_eq!(event.name(), "upload");
//! let (received, public): (Upload, bool) = event.args().parse_all()?;
//! assert_eq!((received, public), (upload, true));
//!
//! // Or argument by argument; one that is not there can be an `Option`.
//! let first: Upload = event.args().parse(0)?;
//! let third: Option<u32> = event.args().parse(2)?;
//! assert_eq!((first.name.as_str(), third), ("a.png", None));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Structure
//!
//! Decoding: `decoder` receives a message. `header` reads the part before the payload; `json::scan` passes
//! over the payload once, validates the JSON and records the positions of the arguments; `event` checks the
//! name. When the attachments are complete, `json::placeholders` checks that they are those that the text
//! refers to. The result is a [`Packet`], whose [`RawArgs`] (`args`) are deserialized by serde_json, or read
//! as a [`Value`], in the scope of its `attachments`.
//!
//! Encoding: `encoder` writes a header, then [`ToArgs`] (`emit`) writes the arguments, with serde_json
//! directly into the buffer. A [`Binary`] in the arguments moves its bytes to `attachments`; only then is the
//! header corrected.
//!
//! `msgpack` (the feature of that name) reads and writes values in the other encoding, with binary data in
//! place; `decoder::msgpack` and `encoder::msgpack` do so with its packets. A server selects a [`Parser`]
//! at run time, for all connections or, as a [`ConnectionParser`] (`custom`), for each; arguments received
//! in one encoding can be sent in the other.
//!
//! `raw` takes packets apart and makes them from parts, for translations into other text formats.
//!
//! # Limits
//!
//! Every count and size that a peer chooses has a limit in [`Limits`], and [`DecodeError::Limit`] names it.
//! No input causes unbounded recursion or a panic. The crate has no clock: the owner of the connection must
//! limit the wait for attachments ([`Decoder::is_pending`]).
//!
//! # Numbers and strings
//!
//! Numbers may have any size; the requested type decides whether it can hold one (`1e999` is no `f64`). Of
//! several equal keys the last one counts in a [`Value`]; a struct rejects them. Unpaired surrogates
//! (`"\ud800"`) are forwarded unchanged, but are no `String`. Deserialization is limited to 128 levels, even
//! if [`Limits::max_depth`] allows more.

// docs.rs shows which items need a feature.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod arg_list;
mod args;
pub mod attachment;
mod attachments;
mod binary;
#[cfg(feature = "msgpack")]
pub mod codec;
mod custom;
mod decoder;
mod emit;
mod encoder;
mod error;
mod event;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod header;
mod json;
mod limits;
#[cfg(feature = "msgpack")]
mod msgpack;
mod namespace;
mod packet;
mod packet_type;
mod parser;
pub mod raw;
pub mod value;

pub use args::{RawArg, RawArgs, RawValue};
pub use attachments::Attachments;
pub use binary::Binary;
pub use custom::{ConnectionDecoder, ConnectionParser, CustomDecoder, CustomParser, Encoded};
pub use decoder::Decoder;
pub use emit::{ArgWriter, Args, Then, ToArgs};
#[cfg(feature = "msgpack")]
pub use error::ValueError;
pub use error::{ArgError, DecodeError, EncodeError};
pub use event::{Event, RESERVED_EVENTS, reserved_event};
pub use limits::{Limit, Limits};
pub use namespace::Namespace;
pub use packet::{Packet, Payload};
pub use packet_type::PacketType;
pub use parser::{Parser, Revision};
pub use value::{Value, ValueRef};

/// The example of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
