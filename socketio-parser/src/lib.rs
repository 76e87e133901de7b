//! Socket.IO packets: text with binary attachments, and msgpack.
//!
//! This crate turns the messages of a connection into packets and back, and nothing else: no I/O, no async, no clock.
//! It speaks protocol revision 5 (Socket.IO v3 and later), which v1 and v2 differ from only in what
//! [`Revision`] says, and is as strict as the official server.
//!
//! Three things are different from other parsers:
//!
//! - **Arguments are not parsed until somebody asks for a type.** Decoding checks the text once and keeps slices of it.
//!   An event that is only handed on costs that check and a copy of its bytes, and arrives as it was sent: big integers,
//!   the order of keys and all.
//! - **Binary data is a type.** A [`Binary`] anywhere in a type that serde can serialise becomes an attachment, and is
//!   filled from one; placeholders are never seen. See also [`attachment`] for `Bytes` and `Vec<u8>`.
//! - **One value is one argument**, also when it is a `Vec` or a tuple. Several are said explicitly, with [`Args`].
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
//! let attachments = Parser::Json.encode_event(&mut text, "/files", Some(7), "upload", &Args((&upload, true)))?;
//! assert_eq!(
//!     std::str::from_utf8(&text)?,
//!     r#"51-/files,7["upload",{"name":"a.png","content":{"_placeholder":true,"num":0}},true]"#,
//! );
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
//! # How it hangs together
//!
//! In: `decoder` takes a message. `header` reads what stands before the payload; `json::scan` goes over the payload once
//! and says whether it is JSON and where its arguments lie; `event` looks at the name. When attachments have come,
//! `json::placeholders` checks that they are the ones the text refers to. The result is a [`Packet`] whose [`RawArgs`]
//! (`args`) are read by serde_json, or as a [`Value`], in the scope of its `attachments`.
//!
//! Out: `encoder` writes a header and lets [`ToArgs`] (`emit`) write the arguments behind it, with serde_json straight into the
//! buffer. A [`Binary`] that is met on the way leaves its bytes with `attachments`; only when there are any is the header
//! put right.
//!
//! `msgpack` (the feature of that name) has the same two ways for the other encoding, with binary data in place. A server
//! is set to one [`Parser`] at run time; arguments that came by one can be sent by the other.
//!
//! # Limits
//!
//! Every count and size that a peer chooses has a limit in [`Limits`], and [`DecodeError::Limit`] names it. Nothing that a peer
//! sends makes the crate recurse without bound or panic. What the crate does not know is time: how long to wait for
//! attachments ([`Decoder::is_pending`]) is for the owner of the connection.
//!
//! # Numbers and strings
//!
//! Numbers may have any size; the type that is asked for says whether it can hold one (`1e999` is no `f64`). Of several equal
//! keys the last counts in a [`Value`], and a struct refuses them. Unpaired surrogates (`"\ud800"`) are handed on as they
//! are, and are no `String`. Types are followed 128 levels deep, even where [`Limits::max_depth`] lets more pass.

mod arg_list;
mod args;
pub mod attachment;
mod attachments;
mod binary;
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
pub mod value;

pub use args::{RawArg, RawArgs, RawValue};
pub use attachments::Attachments;
pub use binary::Binary;
pub use decoder::Decoder;
pub use emit::{ArgWriter, Args, Then, ToArgs};
pub use error::{ArgError, DecodeError, EncodeError};
pub use event::{Event, RESERVED_EVENTS, reserved_event};
pub use limits::{Limit, Limits};
#[cfg(feature = "msgpack")]
pub use msgpack::error::ValueError;
pub use namespace::Namespace;
pub use packet::{Packet, Payload};
pub use packet_type::PacketType;
pub use parser::{Parser, Revision};
pub use value::{Value, ValueRef};
