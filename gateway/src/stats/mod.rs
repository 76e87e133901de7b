//! Statistics: counters since the start, the disconnected clients, and a snapshot of all.

pub(crate) mod counters;
pub(crate) mod disconnects;
pub(crate) mod snapshot;
pub(crate) mod sockets;
