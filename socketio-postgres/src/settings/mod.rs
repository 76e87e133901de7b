//! Settings of the connections to PostgreSQL.

#[cfg(feature = "tls")]
mod tls;

use std::fmt;
use std::time::Duration;

use socketio_broker::publisher::Tuning;
use thiserror::Error;
use tokio_postgres::Config;
use tokio_postgres::config::SslMode;

#[cfg(feature = "tls")]
pub(crate) use self::tls::Tls;

/// Settings of the connections to PostgreSQL, for an adapter or an emitter. Each of these opens connections of its own: one
/// that sends, and an adapter one that listens.
///
/// The connections must be sessions of the server itself: a pooler that shares them between transactions does not pass
/// notifications on.
///
/// ```
/// use std::time::Duration;
/// use socketio_postgres::Postgres;
///
/// let postgres = Postgres::open("postgres://user:password@127.0.0.1/database")?
///     .client_name("chat-1")
///     .timeout(Duration::from_secs(2));
/// # Ok::<(), socketio_postgres::SettingsError>(())
/// ```
#[derive(Clone)]
pub struct Postgres {
    config: Config,
    name: String,
    tuning: Tuning,
    #[cfg(feature = "tls")]
    tls: Option<Tls>,
}

/// The settings are wrong.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The URL cannot be read.
    #[error("the URL of PostgreSQL is wrong: {0}")]
    Url(String),
    /// The URL needs TLS, without the feature `tls`.
    #[error("sslmode=require needs the feature `tls`")]
    Tls,
    /// The root certificates cannot be used.
    #[error("the root certificates are wrong: {0}")]
    Certificates(String),
}

impl Postgres {
    /// The server of a URL, `postgres://[user][:password@]host[:port][/database][?…]`, or of a text
    /// `host=/var/run/postgresql user=… dbname=…`. Several hosts are tried in turn. No connection is opened yet.
    ///
    /// With `sslmode=require`, or `verify-full`, the connections use TLS, and the certificate of the server is verified, which
    /// needs the feature `tls`. Any other `sslmode` is without TLS.
    pub fn open(url: &str) -> Result<Self, SettingsError> {
        // The certificate is always verified.
        let url = url.replace("sslmode=verify-full", "sslmode=require");
        let config: Config = url.parse().map_err(|error| SettingsError::Url(describe(&error)))?;
        if config.get_hosts().is_empty() {
            return Err(SettingsError::Url("a host is missing".to_owned()));
        }
        #[cfg(not(feature = "tls"))]
        if config.get_ssl_mode() == SslMode::Require {
            return Err(SettingsError::Tls);
        }
        #[cfg(feature = "tls")]
        let tls = match config.get_ssl_mode() {
            SslMode::Require => Some(Tls::system()?),
            _ => None,
        };
        Ok(Self {
            config,
            name: "socketio".to_owned(),
            tuning: Tuning::default(),
            #[cfg(feature = "tls")]
            tls,
        })
    }

    /// Name of the connections (`application_name`), which `pg_stat_activity` shows, followed by `:publish` or `:subscribe`.
    ///
    /// Default `socketio`.
    #[must_use]
    pub fn client_name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Maximum size of the messages that wait for PostgreSQL. Beyond it a message is not sent, which is an error
    /// and is counted.
    ///
    /// Default 16 MiB; unit: bytes. Cost: that memory while PostgreSQL is slow or away.
    #[must_use]
    pub fn max_queued_bytes(mut self, bytes: usize) -> Self {
        self.tuning.max_queued_bytes = bytes;
        self
    }

    /// Maximum size of the received messages that wait for their namespaces. Beyond it a message is dropped,
    /// which is counted and reported as a gap. The row of a large message counts while it is handled; one that is larger than
    /// this, or than 64 MiB, is not read. Each namespace reads one row at a time.
    ///
    /// Default 64 MiB; unit: bytes. Cost: that memory while this server is slower than the others, and one row for each
    /// namespace.
    #[must_use]
    pub fn max_received_bytes(mut self, bytes: usize) -> Self {
        self.tuning.max_received_bytes = bytes;
        self
    }

    /// Maximum wait for a connection, and for the reply to a command. A connection without a reply is
    /// replaced.
    ///
    /// Default 5 s. Cost: none.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.tuning.timeout = timeout;
        self
    }

    /// Interval of the messages by which a node tests whether it hears. After somewhat more than two
    /// intervals of silence it knows that it is deaf.
    ///
    /// Default 3 s. Cost: one small notification in each interval.
    #[must_use]
    pub fn probe_interval(mut self, interval: Duration) -> Self {
        self.tuning.probe_interval = interval;
        self
    }

    /// Delay before a lost connection is opened again: the first, and the longest, to which it grows while
    /// PostgreSQL is away. Each is shortened at random by up to half.
    ///
    /// Default 100 ms and 2 s. Cost: one attempt to connect each.
    #[must_use]
    pub fn reconnect_delay(mut self, first: Duration, longest: Duration) -> Self {
        (self.tuning.min_delay, self.tuning.max_delay) = (first, longest);
        self
    }

    /// Certificates that are trusted, in PEM, instead of those of the system. Without `sslmode=require` it is an error.
    #[cfg(feature = "tls")]
    pub fn root_certificates(mut self, pem: &[u8]) -> Result<Self, SettingsError> {
        if self.tls.is_none() {
            return Err(SettingsError::Certificates("they need sslmode=require".to_owned()));
        }
        self.tls = Some(Tls::trusting(pem)?);
        Ok(self)
    }

    pub(crate) fn tuning(&self) -> &Tuning {
        &self.tuning
    }

    /// The configuration of a connection for this purpose.
    pub(crate) fn config(&self, purpose: &str) -> Config {
        let mut config = self.config.clone();
        config.application_name(format!("{}:{purpose}", self.name)).connect_timeout(self.tuning.timeout);
        if config.get_ssl_mode() != SslMode::Require {
            config.ssl_mode(SslMode::Disable);
        }
        config
    }

    #[cfg(feature = "tls")]
    pub(crate) fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }
}

impl fmt::Debug for Postgres {
    /// Without the address, which may have a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").field("name", &self.name).finish_non_exhaustive()
    }
}

/// An error of the crate tokio-postgres with its cause, which its text leaves out.
pub(crate) fn describe(error: &tokio_postgres::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_checked_and_hide_the_password() {
        for url in
            ["", "http://localhost", "postgres://localhost:port", "user=me", "postgres://h/?sslmode=no"]
        {
            assert!(matches!(Postgres::open(url), Err(SettingsError::Url(_))), "{url}");
        }
        let postgres = Postgres::open("postgres://user:secret@localhost").unwrap();
        assert!(!format!("{postgres:?}").contains("secret"));
        Postgres::open("host=/tmp user=me dbname=test").unwrap();
        for mode in ["require", "verify-full"] {
            let opened = Postgres::open(&format!("postgres://user@localhost/?sslmode={mode}"));
            assert_eq!(opened.is_ok(), cfg!(feature = "tls"), "{mode}");
        }
    }
}
