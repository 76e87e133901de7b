//! What hyper and tokio need to meet: the stream behind an upgraded request.

mod io;
mod upgrade;

pub(crate) use self::io::Io;
pub(crate) use self::upgrade::Upgrading;
