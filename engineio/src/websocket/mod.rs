//! WebSocket: the opening handshake, and frames in and out.
//!
//! The codec is the crate's own. A server's frames are not masked, so a broadcast is encoded once for all
//! sessions. Frames of a client are unmasked in place, so all idle connections share one read buffer. The
//! tests compare it with tungstenite. The client uses the same codec in another
//! [`Role`](crate::protocol::frame::Role).
//!
//! permessage-deflate is in four places: the header in `negotiation`, the reserved bit in [`inbound`], a second form
//! in [`Prepared`](crate::Prepared), and `outbound` for messages that have none yet.

#[cfg(feature = "server")]
pub(crate) mod accept;
#[cfg(any(feature = "server", feature = "client"))]
mod extensions;
pub mod inbound;
#[cfg(any(feature = "server", feature = "client"))]
pub(crate) mod key;
#[cfg(any(feature = "server", feature = "client"))]
pub(crate) mod negotiation;
#[cfg(any(feature = "server", feature = "client"))]
pub(crate) mod outbound;
