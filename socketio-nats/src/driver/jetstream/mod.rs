//! Stored messages of JetStream, its requests and its answers, without I/O.
//!
//! Everything is read and written by the leader of a stream (`STREAM.MSG.GET`, and not `DIRECT.GET`, which any replica answers): a
//! value that was written is read by the next request, and a range does not end before an entry that was confirmed.

pub(crate) mod answer;
#[cfg(feature = "adapter")]
pub(crate) mod consumer;
pub(crate) mod entry;
#[cfg(feature = "adapter")]
pub(crate) mod keys;
pub(crate) mod store;
#[cfg(feature = "adapter")]
pub(crate) mod stored;

/// The subjects of the API of JetStream.
pub(crate) const API: &str = "$JS.API";
