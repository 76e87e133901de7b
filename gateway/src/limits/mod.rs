//! Limits of clients: the rate of their events, and their number per address.

pub(crate) mod address_limits;
pub(crate) mod rate_limit;
