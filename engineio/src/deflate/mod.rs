//! Compression of WebSocket messages by permessage-deflate (RFC 7692): the settings, and the codec. The negotiation
//! is in `websocket::negotiation`.
//!
//! Without context takeover, which is the default, a message is compressed on its own. The compressor and the
//! decompressor then belong to the worker thread, and a compressed message serves all connections with the same
//! parameters. With it, each connection has its own.

#![cfg_attr(
    not(all(feature = "compression", feature = "server", feature = "client")),
    allow(
        dead_code,
        unused_imports,
        reason = "each side and each build uses a part; the rest is the same code"
    )
)]

#[cfg_attr(not(feature = "compression"), path = "no_codec.rs")]
mod codec;
mod plan;
mod settings;
#[cfg(all(test, feature = "compression"))]
mod tests;

#[cfg(all(feature = "compression", feature = "server"))]
pub(crate) use self::codec::wrapped;
pub(crate) use self::codec::{Compressor, Decompressor, deflate, inflate};
pub(crate) use self::plan::{Agreed, Plan};
pub use self::settings::{PerMessageDeflate, WindowBits};

/// The contexts of a connection with context takeover. Each is made at the first message that needs it.
#[derive(Debug, Default)]
pub(crate) struct Contexts {
    pub(crate) reading: Option<Decompressor>,
    pub(crate) writing: Option<Compressor>,
}

/// The reason why a compressed message is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InflateError {
    /// The data is not a deflate stream, or it ends too early.
    Invalid,
    /// The message is longer than the limit.
    TooBig,
}
