//! WebSocket: the opening handshake, and frames in and out.
//!
//! The codec is our own and only ever a server: frames to the client are not masked, which lets a broadcast be
//! laid out once for everybody, and frames from the client are unmasked where they were read, which lets all idle
//! connections share one read buffer. tungstenite is its oracle in the tests.
//!
//! permessage-deflate would enter here: the reserved bit in [`inbound`], a second form in
//! [`Prepared`](crate::Prepared), and the extension header in the accept step.

#[cfg(feature = "server")]
pub(crate) mod accept;
pub mod inbound;
#[cfg(feature = "server")]
pub(crate) mod outbound;
