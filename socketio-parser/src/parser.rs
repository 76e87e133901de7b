//! Settings that a server and its clients must agree on.

/// Encoding of packets. Client and server must use the same.
///
/// Every `encode_` function appends to a buffer, which may already contain the header of the transport, and
/// returns the attachments that must follow as binary messages. Encoding text allocates only in that buffer.
/// On an error the buffer is unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Parser {
    /// The default: text messages, each followed by its attachments.
    #[default]
    Json,
    /// One binary message per packet, as in `socket.io-msgpack-parser`. Packets have no attachments.
    #[cfg(feature = "msgpack")]
    Msgpack,
}

/// The revision of the Socket.IO protocol that the peer speaks.
///
/// Both revisions have the same packets. They differ in the payloads of CONNECT and CONNECT_ERROR that a
/// server sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Revision {
    /// Socket.IO v3 and later.
    #[default]
    V5,
    /// Socket.IO v1 and v2: CONNECT is empty, ERROR carries data or a bare message, and a client's
    /// credentials are in the namespace's [`query`](crate::Namespace::query).
    V4,
}

impl Parser {
    /// Whether a packet is a binary message rather than text.
    pub fn is_binary(self) -> bool {
        match self {
            Self::Json => false,
            #[cfg(feature = "msgpack")]
            Self::Msgpack => true,
        }
    }
}
