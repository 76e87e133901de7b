//! HTTP/1.1 as bytes: heads and bodies of requests in, answers out. Nothing here does I/O.

mod answer;
mod body;
mod date;
mod head;

pub(crate) use self::answer::{After, continue_100, encode};
pub(crate) use self::body::BodyDecoder;
pub(crate) use self::head::{Framing, Head, HeadError, Scanner};
