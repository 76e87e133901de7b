//! The drivers: a single server, the master that Sentinel names, and a Redis Cluster.

pub(crate) mod address;
pub(crate) mod cluster;
mod error;
pub(crate) mod redis;
pub(crate) mod sentinel;

use self::error::DriverError;
