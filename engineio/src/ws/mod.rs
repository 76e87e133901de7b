//! WebSocket: the opening handshake, and frames in and out.
//!
//! The codec is our own: a server's frames are not masked, which lets a broadcast be laid out once for everybody, and
//! frames from a client are unmasked where they were read, which lets all idle connections share one read buffer.
//! tungstenite is its oracle in the tests. The client's side is the same codec in another [`Role`](crate::frame::Role).
//!
//! permessage-deflate would enter here: the reserved bit in [`inbound`], a second form in
//! [`Prepared`](crate::Prepared), and the extension header in the accept step.

#[cfg(feature = "server")]
pub(crate) mod accept;
pub mod inbound;
#[cfg(any(feature = "server", feature = "client"))]
pub(crate) mod key;
#[cfg(any(feature = "server", feature = "client"))]
pub(crate) mod outbound;
