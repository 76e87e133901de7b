//! How Redis is reached.

use std::fmt;
use std::time::Duration;

use redis::{Client, IntoConnectionInfo, ProtocolVersion};

#[cfg(feature = "adapter")]
use crate::driver::listening::TopicKind;
use crate::driver::redis::{Profile, Single};
use crate::error::SettingsError;
#[cfg(feature = "adapter")]
use crate::medium::{Medium, probe_topic};
use crate::publisher::{Publisher, Tuning};

/// Settings of the connections to Redis, for an adapter or an emitter. Each of these opens connections of its
/// own: one for commands, and an adapter one for its subscriptions.
///
/// Redis 6.2 or newer, or Valkey, is needed; sharded pub/sub needs Redis 7.
///
/// ```
/// use std::time::Duration;
/// use socketio_redis::Redis;
///
/// let redis = Redis::open("redis://user:password@127.0.0.1:6379/")?
///     .client_name("chat-1")
///     .timeout(Duration::from_secs(2));
/// # Ok::<(), socketio_redis::SettingsError>(())
/// ```
#[derive(Clone)]
pub struct Redis {
    client: Client,
    name: String,
    tuning: Tuning,
}

impl Redis {
    /// The server of a URL: `redis://[user][:password@]host[:port][/db]`, `redis+unix:///path`, or
    /// `rediss://…` with TLS, which needs the feature `tls`. No connection is opened yet.
    pub fn open(url: &str) -> Result<Self, SettingsError> {
        if url.starts_with("rediss:") && !cfg!(feature = "tls") {
            return Err(SettingsError::Tls);
        }
        #[cfg(feature = "tls")]
        if url.starts_with("rediss:") {
            // The crate redis takes the provider of the process. If there is one, it stays.
            let _ = tokio_rustls::rustls::crypto::aws_lc_rs::default_provider().install_default();
        }
        let wrong = |error: redis::RedisError| SettingsError::Url(error.to_string());
        let info = url.into_connection_info().map_err(wrong)?;
        // With RESP3 messages and replies are told apart.
        let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let client = Client::open(info.set_redis_settings(settings)).map_err(wrong)?;
        Ok(Self { client, name: "socketio".to_owned(), tuning: Tuning::default() })
    }

    /// Name of the connections, which `CLIENT LIST` shows, followed by `:publish` or `:subscribe`.
    ///
    /// Default `socketio`. Characters that Redis does not accept become `_`.
    #[must_use]
    pub fn client_name(mut self, name: &str) -> Self {
        let accepted = |character: char| if character.is_ascii_graphic() { character } else { '_' };
        self.name = name.chars().map(accepted).collect();
        self
    }

    /// Maximum size of the messages that wait for Redis. Beyond it a message is not sent, which is an error
    /// and is counted.
    ///
    /// Default 16 MiB; unit: bytes. Cost: that memory while Redis is slow or away.
    #[must_use]
    pub fn max_queued_bytes(mut self, bytes: usize) -> Self {
        self.tuning.max_queued_bytes = bytes;
        self
    }

    /// Maximum size of the received messages that wait for their namespaces. Beyond it a message is dropped,
    /// which is counted and reported as a gap.
    ///
    /// Default 64 MiB; unit: bytes. Cost: that memory while this server is slower than the others.
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
    /// Default 3 s. Cost: one small message in each interval.
    #[must_use]
    pub fn probe_interval(mut self, interval: Duration) -> Self {
        self.tuning.probe_interval = interval;
        self
    }

    /// Delay before a lost connection is opened again: the first, and the longest, to which it grows while
    /// Redis is away. Each is shortened at random by up to half.
    ///
    /// Default 100 ms and 2 s. Cost: one attempt to connect each.
    #[must_use]
    pub fn reconnect_delay(mut self, first: Duration, longest: Duration) -> Self {
        (self.tuning.min_delay, self.tuning.max_delay) = (first, longest);
        self
    }

    /// Certificates that are trusted for `rediss://`, in PEM, instead of those of the system. Without TLS in
    /// the URL it is an error.
    #[cfg(feature = "tls")]
    pub fn root_certificates(mut self, pem: &[u8]) -> Result<Self, SettingsError> {
        let certificates = redis::TlsCertificates { client_tls: None, root_cert: Some(pem.to_vec()) };
        self.client = Client::build_with_tls(self.client.get_connection_info().clone(), certificates)
            .map_err(|error| SettingsError::Url(error.to_string()))?;
        Ok(self)
    }

    /// Opens the connection for commands.
    pub(crate) fn publisher(&self) -> Publisher {
        Publisher::start(self.driver(), self.tuning.clone(), false)
    }

    /// Opens the connections of an adapter with subscriptions of this kind.
    #[cfg(feature = "adapter")]
    pub(crate) fn medium(&self, prefix: &str, kind: TopicKind) -> Medium {
        Medium::start(self.driver(), self.tuning.clone(), probe_topic(prefix, kind))
    }

    fn driver(&self) -> Single {
        let profile = Profile { name: self.name.clone(), timeout: self.tuning.timeout };
        Single { client: self.client.clone(), profile }
    }
}

impl fmt::Debug for Redis {
    /// Without the address, which may have a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_checked_and_hide_the_password() {
        for url in ["", "http://localhost", "redis://localhost:port"] {
            assert!(matches!(Redis::open(url), Err(SettingsError::Url(_))), "{url}");
        }
        let redis = Redis::open("redis://:secret@localhost").unwrap().client_name("a b\nc");
        assert_eq!(redis.name, "a_b_c");
        assert!(!format!("{redis:?}").contains("secret"));
        Redis::open("redis+unix:///tmp/redis.sock").unwrap();
        assert_eq!(Redis::open("rediss://localhost").is_ok(), cfg!(feature = "tls"));
    }
}
