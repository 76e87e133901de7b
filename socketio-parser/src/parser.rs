//! What a server and its clients have to agree on.

/// How packets are encoded. Client and server must be set to the same.
///
/// Every `encode_` function appends to a buffer, which may already hold what the transport puts in front, and
/// gives back the attachments that must follow as binary messages. Encoding a text allocates nothing but what
/// that buffer needs, and after an error the buffer is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Parser {
    /// The default: text messages, each followed by its attachments.
    #[default]
    Json,
    /// One binary message per packet, as `socket.io-msgpack-parser` has it. There are never attachments.
    #[cfg(feature = "msgpack")]
    Msgpack,
}

/// The revision of the Socket.IO protocol that the other side speaks.
///
/// Both have the same packets. What differs is what a server puts into the two that open a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Revision {
    /// Socket.IO v3 and later.
    #[default]
    V5,
    /// Socket.IO v1 and v2: CONNECT is empty, ERROR carries data or a bare message, and a client's credentials
    /// are in the namespace's [`query`](crate::Namespace::query).
    V4,
}

impl Parser {
    /// Whether a packet travels as a binary message rather than as a text.
    pub fn is_binary(self) -> bool {
        match self {
            Self::Json => false,
            #[cfg(feature = "msgpack")]
            Self::Msgpack => true,
        }
    }
}
