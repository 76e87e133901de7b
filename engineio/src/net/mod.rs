//! Connections: byte streams, read buffers, and upgraded connections.

mod io;
mod scratch;
mod upgrade;

pub(crate) use self::io::Io;
pub(crate) use self::scratch::Scratch;
pub(crate) use self::upgrade::{Handover, NotUpgraded, Upgrading};
