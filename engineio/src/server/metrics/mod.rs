//! Counters of sessions, connections, messages and bytes.

pub(crate) mod stats;
pub(crate) mod traffic;
