//! Connections: byte streams, read buffers, and upgraded connections.

mod scratch;
mod stream;
mod upgrade;

pub(crate) use self::scratch::Scratch;
pub(crate) use self::stream::Io;
pub(crate) use self::upgrade::{Handover, NotUpgraded, Upgrading};
