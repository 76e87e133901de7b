//! This node: what the API reads of its own rooms and clients, and does to them. In a cluster the other nodes ask for
//! the same.

pub(crate) mod clients;
pub(crate) mod distinct;
pub(crate) mod listing;
