//! Limits of clients: the rate of their events, their number per address, and their namespaces.

pub(crate) mod address_limits;
mod handshake_rate;
pub(crate) mod namespace_limit;
pub(crate) mod rate_limit;
