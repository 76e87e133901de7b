//! Statistics: counters since the start, the disconnected clients, a snapshot of all, and the namespace that
//! publishes it.

pub(crate) mod counters;
pub(crate) mod disconnects;
pub(crate) mod live;
pub(crate) mod snapshot;
