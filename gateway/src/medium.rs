//! The connections of a node to the medium of its cluster, and the scripts and statements that it runs there.

use std::borrow::Cow;
use std::time::Duration;

use socketio_broker::values::Values;
#[cfg(unix)]
use socketio_ipc::IpcAdapter;
use socketio_nats::JetStreamAdapter;
use socketio_postgres::{PostgresAdapter, QueryReply};
use socketio_redis::{Health, PublishError, ScriptReply, Stats};

/// The connections to Redis, PostgreSQL, NATS, or a broker on this host.
#[derive(Clone, Debug)]
pub(crate) enum Connections {
    Redis(socketio_redis::Connections),
    Postgres(PostgresAdapter),
    Nats(JetStreamAdapter),
    #[cfg(unix)]
    Ipc(IpcAdapter),
}

/// Reply of a script or a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Nothing,
    Number(u64),
    Text(String),
}

/// A script for Redis, or a statement of SQL.
#[derive(Clone, Debug)]
pub(crate) enum Script {
    Redis(&'static str),
    Sql(Cow<'static, str>),
}

impl Connections {
    /// Name of the system, for operators.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Redis(_) => "Redis",
            Self::Postgres(_) => "PostgreSQL",
            Self::Nats(_) => "NATS",
            #[cfg(unix)]
            Self::Ipc(_) => "the broker of this host",
        }
    }

    /// Waits until this node hears the others.
    pub(crate) async fn ready(&self) {
        match self {
            Self::Redis(connections) => connections.ready().await,
            Self::Postgres(adapter) => adapter.connections().ready().await,
            Self::Nats(adapter) => adapter.connections().ready().await,
            #[cfg(unix)]
            Self::Ipc(adapter) => adapter.connections().ready().await,
        }
    }

    pub(crate) fn health(&self) -> Health {
        match self {
            Self::Redis(connections) => *connections.health().borrow(),
            Self::Postgres(adapter) => *adapter.connections().health().borrow(),
            Self::Nats(adapter) => *adapter.connections().health().borrow(),
            #[cfg(unix)]
            Self::Ipc(adapter) => *adapter.connections().health().borrow(),
        }
    }

    pub(crate) fn stats(&self) -> Stats {
        match self {
            Self::Redis(connections) => connections.stats(),
            Self::Postgres(adapter) => adapter.connections().stats(),
            Self::Nats(adapter) => adapter.connections().stats(),
            #[cfg(unix)]
            Self::Ipc(adapter) => adapter.connections().stats(),
        }
    }

    /// A bucket of the key-value store, if the system has one and no scripts.
    /// Its values live for `max_age` at most.
    pub(crate) fn values(&self, bucket: &str, max_age: Duration, max_values: usize) -> Option<Values> {
        let max_values = max_values as u64;
        match self {
            Self::Nats(adapter) => Some(adapter.values(bucket, max_age, max_values)),
            #[cfg(unix)]
            Self::Ipc(adapter) => Some(adapter.values(bucket, max_values)),
            Self::Redis(_) | Self::Postgres(_) => None,
        }
    }

    /// Runs a script with a key, which is the first parameter of a statement. Waits for its reply.
    pub(crate) async fn run(
        &self,
        script: Script,
        key: Option<String>,
        args: Vec<Vec<u8>>,
    ) -> Result<Value, PublishError> {
        match (self, script) {
            (Self::Redis(connections), Script::Redis(script)) => {
                Ok(match connections.run_script(script, key.into_iter().collect(), args).await? {
                    ScriptReply::Number(number) => Value::Number(number),
                    ScriptReply::Text(text) => Value::Text(text),
                    _ => Value::Nothing,
                })
            }
            (Self::Postgres(adapter), Script::Sql(sql)) => {
                Ok(match adapter.query(sql, parameters(key, args)).await? {
                    QueryReply::Number(number) => Value::Number(number),
                    QueryReply::Text(text) => Value::Text(text),
                    _ => Value::Nothing,
                })
            }
            // Scripts and connections are chosen together.
            _ => Err(PublishError::Refused("a script of another system".to_owned())),
        }
    }

    /// Runs a script whose reply is not needed, also when the system is reached again.
    pub(crate) fn queue(
        &self,
        script: Script,
        key: Option<String>,
        args: Vec<Vec<u8>>,
    ) -> Result<(), PublishError> {
        match (self, script) {
            (Self::Redis(connections), Script::Redis(script)) => {
                connections.queue_script(script, key.into_iter().collect(), args)
            }
            (Self::Postgres(adapter), Script::Sql(sql)) => adapter.queue_query(sql, parameters(key, args)),
            _ => Err(PublishError::Refused("a script of another system".to_owned())),
        }
    }
}

fn parameters(key: Option<String>, args: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    key.map(String::into_bytes).into_iter().chain(args).collect()
}
