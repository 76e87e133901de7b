//! How Redis is reached.

mod url;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::{Client, ConnectionAddr};

use crate::driver::address::Address;
use crate::driver::cluster::{Cluster, MAX_SEEDS, Nodes};
use crate::driver::redis::{OneServer, Profile, Single};
use crate::driver::sentinel::{MAX_SENTINELS, Sentinel, Watcher};
use crate::error::SettingsError;
use socketio_broker::backoff::Backoff;
use socketio_broker::driver::Driver;
#[cfg(feature = "adapter")]
use socketio_broker::driver::TopicKind;
#[cfg(feature = "adapter")]
use socketio_broker::medium::{Medium, probe_topic};
use socketio_broker::publisher::{Publisher, Tuning};
use socketio_broker::stats::Counters;

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
    topology: Topology,
    name: String,
    tuning: Tuning,
}

/// Which servers there are.
#[derive(Clone)]
enum Topology {
    Single,
    Sentinel { service: String, sentinels: Vec<Client> },
    Cluster { seeds: Vec<Address> },
}

impl Redis {
    /// The server of a URL: `redis://[user][:password@]host[:port][/db]`, `redis+unix:///path`, or
    /// `rediss://…` with TLS, which needs the feature `tls`. No connection is opened yet.
    ///
    /// `redis-sentinel://[user][:password@]host[:port],host[:port]…/service[/db]` is the master of a service, which these
    /// sentinels name; `rediss-sentinel://…` with TLS everywhere. User and password are those of the master: see
    /// [`sentinels`](Self::sentinels) for sentinels that need their own.
    ///
    /// `redis-cluster://[user][:password@]host[:port],host[:port]…` is a Redis Cluster, of which these servers are some, at
    /// most 16; `rediss-cluster://…` with TLS. Its only database is 0. User, password and TLS are those of all servers. The servers and their slots
    /// are read from one that can be reached (`CLUSTER SLOTS`), and again when a slot has moved or a server is lost. Cost: for
    /// each server that is needed, a connection for commands and one for subscriptions, and a `PING` in each
    /// [`probe_interval`](Self::probe_interval).
    pub fn open(url: &str) -> Result<Self, SettingsError> {
        if let Some(group) = url::sentinels(url) {
            let group = group?;
            return Self::single(&group.master)?.sentinels(&group.sentinels);
        }
        match url::cluster(url) {
            Some(seeds) => Self::cluster(&seeds?),
            None => Self::single(url),
        }
    }

    fn cluster(seeds: &[String]) -> Result<Self, SettingsError> {
        let (Some(first), true) = (seeds.first(), seeds.len() <= MAX_SEEDS) else {
            return Err(SettingsError::Servers);
        };
        let mut redis = Self::single(first)?;
        let seeds: Result<_, _> = seeds.iter().map(|seed| url::address(&url::client(seed, None)?)).collect();
        redis.topology = Topology::Cluster { seeds: seeds? };
        Ok(redis)
    }

    fn single(url: &str) -> Result<Self, SettingsError> {
        let client = url::client(url, None)?;
        let name = "socketio".to_owned();
        Ok(Self { client, topology: Topology::Single, name, tuning: Tuning::default() })
    }

    /// Reaches the server through Sentinel: the host of the URL is then the name of the service, and its user, password,
    /// number of the database and TLS are those of the master. Each sentinel has a URL of its own, with its user, password
    /// and TLS; its default port is 26379. `root_certificates` comes after this call.
    ///
    /// Each adapter or emitter keeps a connection to each sentinel, is told of a failover by the first one that knows of it,
    /// and asks all of them about every 4 s too. It then closes its connections to the former master and opens them to the
    /// new one, if `ROLE` says that it is one. A server needs the commands `SUBSCRIBE`, `SENTINEL MASTER` and
    /// `CLIENT SETNAME`, and the channel `+switch-master`, of a sentinel, and `ROLE` of the master.
    ///
    /// Default: none. At most 16. Cost: a connection and a small command in 4 s for each.
    ///
    /// ```
    /// use socketio_redis::Redis;
    ///
    /// let redis = Redis::open("redis://user:password@mymaster/")?
    ///     .sentinels(&["redis://:secret@10.0.0.1", "redis://:secret@10.0.0.2", "redis://:secret@10.0.0.3"])?;
    /// # Ok::<(), socketio_redis::SettingsError>(())
    /// ```
    pub fn sentinels<S: AsRef<str>>(mut self, urls: &[S]) -> Result<Self, SettingsError> {
        if urls.is_empty() || urls.len() > MAX_SENTINELS {
            return Err(SettingsError::Sentinels);
        }
        let service = match self.client.get_connection_info().addr() {
            ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => host.clone(),
            _ => return Err(SettingsError::Url("a service has no path".to_owned())),
        };
        let sentinels: Result<_, _> =
            urls.iter().map(|url| url::client(url.as_ref(), Some(url::SENTINEL_PORT))).collect();
        self.topology = Topology::Sentinel { service, sentinels: sentinels? };
        Ok(self)
    }

    /// Name of the connections, which `CLIENT LIST` shows, followed by `:publish`, `:subscribe`, `:stream` or
    /// `:sentinel`.
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
    /// a URL it is an error.
    #[cfg(feature = "tls")]
    pub fn root_certificates(mut self, pem: &[u8]) -> Result<Self, SettingsError> {
        let mut clients = vec![&mut self.client];
        if let Topology::Sentinel { sentinels, .. } = &mut self.topology {
            clients.extend(sentinels);
            // The master and the sentinels may differ.
            clients.retain(|client| {
                matches!(client.get_connection_info().addr(), ConnectionAddr::TcpTls { .. })
            });
            if clients.is_empty() {
                return Err(SettingsError::Url("root certificates need rediss://".to_owned()));
            }
        }
        for client in clients {
            let certificates = redis::TlsCertificates { client_tls: None, root_cert: Some(pem.to_vec()) };
            *client = Client::build_with_tls(client.get_connection_info().clone(), certificates)
                .map_err(|error| SettingsError::Url(error.to_string()))?;
        }
        Ok(self)
    }

    /// Opens the connection for commands.
    pub(crate) fn publisher(&self) -> Publisher {
        let counters = Arc::default();
        Publisher::start(self.driver(&counters), counters, self.tuning.clone(), false)
    }

    /// Opens the connections of an adapter with subscriptions of this kind.
    #[cfg(feature = "adapter")]
    pub(crate) fn medium(&self, prefix: &str, kind: TopicKind) -> Medium {
        let counters = Arc::default();
        Medium::start(self.driver(&counters), counters, self.tuning.clone(), probe_topic(prefix, kind))
    }

    fn driver(&self, counters: &Arc<Counters>) -> Box<dyn Driver> {
        let profile = Profile { name: self.name.clone(), timeout: self.tuning.timeout };
        let backoff = Backoff::new(self.tuning.min_delay, self.tuning.max_delay);
        match &self.topology {
            Topology::Single => Box::new(OneServer(Single { client: self.client.clone(), profile })),
            Topology::Cluster { seeds } => {
                let settings = self.client.get_connection_info().clone();
                Box::new(Cluster {
                    nodes: Arc::new(Nodes::new(settings, seeds.clone(), profile, backoff, counters)),
                    #[cfg(feature = "adapter")]
                    interval: self.tuning.probe_interval.max(Duration::from_millis(1)),
                })
            }
            Topology::Sentinel { service, sentinels } => {
                let watcher = Watcher::start(service, sentinels.clone(), &profile, &backoff, counters);
                let master = self.client.get_connection_info().clone();
                Box::new(OneServer(Sentinel { watcher, master, profile }))
            }
        }
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

    #[test]
    fn the_number_of_sentinels_is_limited() {
        let redis = Redis::open("redis://service").unwrap();
        let sentinels = |number: usize| redis.clone().sentinels(&vec!["redis://localhost"; number]);
        assert!(sentinels(1).is_ok() && sentinels(16).is_ok());
        for number in [0, 17] {
            assert!(matches!(sentinels(number), Err(SettingsError::Sentinels)), "{number}");
        }
    }

    #[test]
    fn the_number_of_servers_of_a_cluster_is_limited() {
        let cluster = |number: usize| {
            Redis::open(&format!("redis-cluster://user:password@{}", vec!["localhost"; number].join(",")))
        };
        assert!(cluster(1).is_ok() && cluster(16).is_ok());
        assert!(matches!(cluster(17), Err(SettingsError::Servers)));
    }

    #[test]
    fn a_cluster_has_no_databases() {
        for url in ["redis-cluster://localhost", "redis-cluster://localhost/", "redis-cluster://a,b:7/0"] {
            assert!(Redis::open(url).is_ok(), "{url}");
        }
        for url in ["redis-cluster://localhost/1", "redis-cluster://localhost/0/1"] {
            assert!(matches!(Redis::open(url), Err(SettingsError::Url(_))), "{url}");
        }
    }
}
