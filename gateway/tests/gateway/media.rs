//! The systems that a cluster of gateways may be on, for tests that run on each of them.

use serde_json::{Value, json};
use tests::postgres::PostgresServer;
use tests::redis::{RedisCluster, RedisServer, Sentinels};

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

/// A server of either system.
pub(crate) enum AnyServer {
    Redis(RedisServer),
    Postgres(PostgresServer),
}

impl AnyServer {
    /// A server of each system. That of PostgreSQL has no tables.
    pub(crate) async fn each() -> [Self; 2] {
        let (redis, postgres) = tokio::join!(RedisServer::start(), PostgresServer::start_empty());
        [Self::Redis(redis), Self::Postgres(postgres)]
    }

    /// Ends the server at once.
    pub(crate) async fn kill(&mut self) {
        match self {
            Self::Redis(redis) => redis.kill().await,
            Self::Postgres(postgres) => postgres.crash().await,
        }
    }

    pub(crate) async fn restart(&mut self) {
        match self {
            Self::Redis(redis) => redis.restart().await,
            Self::Postgres(postgres) => postgres.restart().await,
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
        }
    }
}
