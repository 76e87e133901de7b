//! Socket.IO packets.
mod arg_list;
mod args;
pub mod attachment;
mod attachments;
mod binary;
mod decoder;
mod emit;
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
pub use msgpack::ValueError;
pub use namespace::Namespace;
pub use packet::{Packet, PacketType, Payload};
pub use parser::{Parser, Revision};
pub use value::{Value, ValueRef};
