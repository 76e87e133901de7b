//! Who gets a broadcast: the sockets of this server, by their rooms.

pub(crate) mod local;

pub(crate) use self::local::{Local, Member};
