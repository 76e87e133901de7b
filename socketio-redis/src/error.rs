//! Errors of the settings.

use thiserror::Error;

/// The settings are wrong.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The URL cannot be read.
    #[error("the URL of Redis is wrong: {0}")]
    Url(String),
    /// The URL needs TLS, without the feature `tls`.
    #[error("rediss:// needs the feature `tls`")]
    Tls,
    /// There are no sentinels, or more than 16.
    #[error("there must be 1 to 16 sentinels")]
    Sentinels,
    /// More than 16 servers of a Redis Cluster are named.
    #[error("at most 16 servers of a cluster can be named")]
    Servers,
}
