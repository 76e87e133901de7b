//! HTTP/1.1 as bytes: request heads and bodies are parsed, response heads are written. Nothing here does I/O.

#[cfg(feature = "server")]
mod answer;
mod body;
#[cfg(feature = "server")]
mod date;
#[cfg(feature = "server")]
mod head;
#[cfg(feature = "server")]
mod invalid_origin;
pub(crate) mod list;

#[cfg(feature = "server")]
pub(crate) use self::answer::{After, BodyEnd, continue_100, encode};
pub(crate) use self::body::{BodyDecoder, Framing};
#[cfg(feature = "server")]
pub(crate) use self::head::{Head, HeadError, Scanner};
#[cfg(feature = "server")]
pub(crate) use self::invalid_origin::InvalidOrigin;
