//! The systems that a cluster of gateways may be on, for tests that run on each of them.

use serde_json::{Value, json};
use socketio_ipc::IpcBroker;
use tempfile::TempDir;
use tests::nats::NatsServer;
use tests::postgres::PostgresServer;
use tests::redis::{RedisCluster, RedisServer, Sentinels};
use tokio::net::UnixListener;
use tokio::task::JoinHandle;

/// The medium of a cluster.
pub(crate) trait Medium {
    /// The settings of `cluster` for it.
    fn cluster(&self) -> Value;
}

impl Medium for RedisServer {
    fn cluster(&self) -> Value {
        json!({"redis": self.url()})
    }
}

impl Medium for Sentinels {
    fn cluster(&self) -> Value {
        json!({"redis": self.url()})
    }
}

impl Medium for RedisCluster {
    fn cluster(&self) -> Value {
        json!({"redis": self.url()})
    }
}

impl Medium for PostgresServer {
    fn cluster(&self) -> Value {
        json!({"postgres": self.url(), "postgres_create_tables": true})
    }
}

/// A NATS server with JetStream.
pub(crate) struct NatsWithStreams {
    nats: NatsServer,
    _folder: TempDir,
}

impl NatsWithStreams {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // An answer of a gateway about 100,000 members of rooms is one message.
        let settings = format!("max_payload: 8000000, jetstream {{ store_dir: {:?} }}", folder.path());
        let nats = NatsServer::start_with(&settings).await;
        Self { nats, _folder: folder }
    }
}

impl Medium for NatsWithStreams {
    fn cluster(&self) -> Value {
        json!({"nats": self.nats.url()})
    }
}

/// A broker in this process.
pub(crate) struct Broker {
    folder: TempDir,
    serving: JoinHandle<()>,
}

impl Broker {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("broker.sock")).unwrap();
        Self { folder, serving: tokio::spawn(IpcBroker::new().serve(listener)) }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Medium for Broker {
    fn cluster(&self) -> Value {
        json!({"ipc": self.folder.path().join("broker.sock")})
    }
}

/// A server of any system.
pub(crate) enum AnyServer {
    Redis(RedisServer),
    Postgres(PostgresServer),
    Nats(NatsWithStreams),
    Ipc(Broker),
}

impl AnyServer {
    /// A server of each system. That of PostgreSQL has no tables.
    pub(crate) async fn each() -> Vec<Self> {
        let mut servers = Vec::from(Self::each_process().await);
        servers.push(Self::Nats(NatsWithStreams::start().await));
        servers.push(Self::Ipc(Broker::start()));
        servers
    }

    /// A server of each system that can be killed, and has the state of gateways when it is back.
    pub(crate) async fn each_process() -> [Self; 2] {
        let (redis, postgres) = tokio::join!(RedisServer::start(), PostgresServer::start_empty());
        [Self::Redis(redis), Self::Postgres(postgres)]
    }

    /// Ends the server at once.
    pub(crate) async fn kill(&mut self) {
        match self {
            Self::Redis(redis) => redis.kill().await,
            Self::Postgres(postgres) => postgres.crash().await,
            _ => unreachable!("it is not among them"),
        }
    }

    pub(crate) async fn restart(&mut self) {
        match self {
            Self::Redis(redis) => redis.restart().await,
            Self::Postgres(postgres) => postgres.restart().await,
            _ => unreachable!("it is not among them"),
        }
    }

    /// Closes the connection on which a node hears the others.
    pub(crate) async fn close_subscriptions(&self, node: &str) {
        let name = format!("{node}:subscribe");
        match self {
            Self::Redis(redis) => {
                for connection in redis.connections(&name).await {
                    redis.command(&format!("CLIENT KILL ID {connection}")).await;
                }
            }
            Self::Postgres(postgres) => assert_eq!(postgres.terminate(&name).await, 1),
            _ => unreachable!("it is not among them"),
        }
    }

    /// The settings of `cluster` for it, as arguments of the program.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let settings = self.cluster();
        let settings = settings.as_object().unwrap().iter();
        let argument = |(key, value): (&String, &Value)| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            ["--set".to_owned(), format!("cluster.{key}={value}")]
        };
        settings.flat_map(argument).collect()
    }
}

impl Medium for AnyServer {
    fn cluster(&self) -> Value {
        match self {
            Self::Redis(redis) => redis.cluster(),
            Self::Postgres(postgres) => postgres.cluster(),
            Self::Nats(nats) => nats.cluster(),
            Self::Ipc(broker) => broker.cluster(),
        }
    }
}
