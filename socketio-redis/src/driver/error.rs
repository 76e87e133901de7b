//! Errors of connections.

use std::fmt;

use thiserror::Error;

use super::address::Address;

/// A connection cannot be opened or is lost.
#[derive(Clone, Debug, Error)]
pub(crate) enum DriverError {
    /// Error of the server or the network.
    #[error("{0}")]
    Redis(String),
    /// The connection has ended, or its server is not the right one any more.
    #[error("the connection has ended")]
    Ended,
    /// No sentinel has named a master.
    #[error("no sentinel has named a master of {0}")]
    NoMaster(String),
    /// The server that the sentinels name is not the master, or not yet.
    #[error("the server {0} is not the master")]
    NotMaster(Address),
    /// No server of a cluster can be reached.
    #[error("no server of the cluster can be reached")]
    NoServer,
    /// No server of a cluster has a slot.
    #[error("no server of the cluster has the slot {0}")]
    NoOwner(u16),
    /// A server of a cluster could not be reached a moment ago.
    #[error("the server {0} could not be reached a moment ago")]
    Resting(Address),
    /// The answer of a server does not have the expected form.
    #[error("the answer to {0} cannot be read")]
    Answer(&'static str),
}

impl DriverError {
    pub(crate) fn new(reason: impl fmt::Display) -> Self {
        Self::Redis(reason.to_string())
    }
}
