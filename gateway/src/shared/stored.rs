//! State of the gateways of a cluster, in Redis or PostgreSQL. Every value that is read is bounded and checked.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use socketio_redis::PublishError;
use tokio::task::JoinHandle;

use super::scripts::{Operation, script};
use super::statements::{COUNT, TABLES, statement, with_tables};
use super::{BoxFuture, KeyState, Reservation, RevokeError, SavedClient, SharedState, Unavailable};
use crate::config::Config;
use crate::medium::{Connections, Script, Value};

/// Time for which a response is stored.
const LIFETIME: Duration = Duration::from_secs(600);
/// Time for which the key of a running call is reserved. While the call runs, the reservation is renewed; the key of a
/// gateway that was killed is free after this time.
const RESERVED: Duration = Duration::from_secs(30);
/// Limit of a stored response, in bytes.
const MAX_RESPONSE: usize = 1 << 20;
/// Limit of the state of a client, in bytes.
const MAX_CLIENT: usize = 256 << 10;
/// Limit of the name of a user, in bytes. Tokens have no longer ones.
const MAX_NAME: usize = 256;
/// Number of revocations that are read together.
const PAGE: usize = 1_000;

/// Interval at which expired rows are deleted. Each gateway deletes.
const CLEANING: Duration = Duration::from_secs(60);
/// Pause before missing tables are looked for again.
const MISSING: Duration = Duration::from_secs(1);

/// State in Redis or PostgreSQL.
pub(super) struct Stored {
    backend: Arc<Backend>,
    prefix: String,
    keep: Duration,
    revoked_seconds: u64,
    max_revoked: usize,
}

/// The connection and the names of the state.
struct Backend {
    connections: Connections,
    /// Prefix of the tables of PostgreSQL.
    tables: String,
}

impl Stored {
    pub(super) fn new(config: &Config, connections: &Connections) -> Self {
        let cluster = &config.cluster;
        let backend = Backend { connections: connections.clone(), tables: cluster.postgres_tables.clone() };
        let backend = Arc::new(backend);
        let prefix = format!("{}:gateway:", cluster.prefix);
        let revoked_seconds = config.auth.revoked_ms.div_ceil(1000);
        if matches!(connections, Connections::Postgres(_)) {
            if cluster.postgres_create_tables {
                // Before everything else that is sent.
                backend.create_tables();
            }
            let key = format!("{prefix}revoked");
            let creates = cluster.postgres_create_tables;
            tokio::spawn(maintain(Arc::downgrade(&backend), key, revoked_seconds, creates));
        }
        Self {
            backend,
            prefix,
            keep: Duration::from_millis(config.auth.keep_ms),
            revoked_seconds,
            max_revoked: config.auth.max_revoked,
        }
    }

    fn client_key(&self, namespace: &str, session: &str) -> String {
        format!("{}client:{session}:{namespace}", self.prefix)
    }

    fn revoked_key(&self) -> String {
        format!("{}revoked", self.prefix)
    }

    async fn run(&self, operation: Operation, key: String, args: Vec<Vec<u8>>) -> Result<Value, Unavailable> {
        self.backend.run(operation, key, args).await.map_err(|error| unavailable(&error))
    }

    /// Carries out an operation whose result has no effect here, also when the system is reached again.
    fn queue(&self, operation: Operation, key: String, args: Vec<Vec<u8>>) {
        self.backend.queue(operation, key, args);
    }
}

impl Backend {
    fn script(&self, operation: Operation) -> Script {
        match self.connections {
            Connections::Redis(_) => Script::Redis(script(operation)),
            _ => self.sql(statement(operation)),
        }
    }

    fn sql(&self, sql: &str) -> Script {
        Script::Sql(with_tables(sql, &self.tables).into())
    }

    async fn run(
        &self,
        operation: Operation,
        key: String,
        args: Vec<Vec<u8>>,
    ) -> Result<Value, PublishError> {
        self.connections.run(self.script(operation), Some(key), args).await
    }

    fn queue(&self, operation: Operation, key: String, args: Vec<Vec<u8>>) {
        if let Err(error) = self.connections.queue(self.script(operation), Some(key), args) {
            tracing::debug!(%error, "shared state not changed");
        }
    }

    /// Deletes what has expired.
    fn clean(&self, revoked: &str, revoked_seconds: u64) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let oldest = now.saturating_sub(revoked_seconds);
        self.queue(Operation::Clean, revoked.to_owned(), vec![number(oldest)]);
    }

    fn create_tables(&self) {
        for table in TABLES {
            if let Err(error) = self.connections.queue(self.sql(table), None, Vec::new()) {
                tracing::debug!(%error, "table not created");
            }
        }
    }

    /// Whether all tables are there.
    async fn has_tables(&self) -> Result<bool, PublishError> {
        Ok(self.connections.run(self.sql(COUNT), None, Vec::new()).await?
            == Value::Number(TABLES.len() as u64))
    }
}

/// Looks for the tables, and deletes expired rows, until the state is dropped.
async fn maintain(backend: Weak<Backend>, revoked: String, revoked_seconds: u64, creates: bool) {
    let mut is_logged = false;
    let mut are_there = false;
    loop {
        tokio::time::sleep(if are_there { CLEANING } else { MISSING }).await;
        let Some(backend) = backend.upgrade() else { return };
        if are_there {
            backend.clean(&revoked, revoked_seconds);
            continue;
        }
        match backend.has_tables().await {
            Ok(true) => {
                are_there = true;
                backend.clean(&revoked, revoked_seconds);
            }
            Ok(false) => {
                if creates {
                    backend.create_tables();
                }
                if !std::mem::replace(&mut is_logged, true) {
                    let tables = format!("{}gateway_…", backend.tables);
                    tracing::error!(tables, "cluster.postgres: tables are missing, or may not be used");
                }
            }
            // Without a connection.
            Err(error) => tracing::debug!(%error, "tables not looked for"),
        }
    }
}

fn unavailable(error: &PublishError) -> Unavailable {
    Unavailable(error.to_string())
}

fn invalid() -> Unavailable {
    Unavailable("a value is invalid".to_owned())
}

fn number(number: impl fmt::Display) -> Vec<u8> {
    number.to_string().into()
}

fn milliseconds(time: Duration) -> Vec<u8> {
    number(time.as_millis().max(1))
}

fn text(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

impl SharedState for Stored {
    fn reserve<'a>(&'a self, key: &'a str, request: &'a str) -> BoxFuture<'a, Result<KeyState, Unavailable>> {
        Box::pin(async move {
            let mut bytes = [0; 8];
            getrandom::fill(&mut bytes).map_err(|error| Unavailable(error.to_string()))?;
            let owner = format!("{:016x}", u64::from_le_bytes(bytes)).into_bytes();
            let key = format!("{}call:{key}", self.prefix);
            // Made before the wait: if the caller goes away, or the reply is lost, the key is free again.
            let reservation = Reserved::new(&self.backend, key.clone(), owner.clone());
            let args = vec![text(request), owner, milliseconds(RESERVED), number(MAX_RESPONSE)];
            let Value::Text(state) = self.run(Operation::Reserve, key, args).await? else {
                return Err(invalid());
            };
            if state != "new" {
                reservation.forget();
                return match state.as_str() {
                    "other" => Ok(KeyState::Other),
                    "running" => Ok(KeyState::Running),
                    "large" => Ok(KeyState::TooLarge),
                    state => {
                        let response = state.strip_prefix("done").ok_or_else(invalid)?;
                        serde_json::from_str::<serde::de::IgnoredAny>(response).map_err(|_| invalid())?;
                        Ok(KeyState::Done(response.to_owned().into()))
                    }
                };
            }
            Ok(KeyState::New(Box::new(reservation)))
        })
    }

    fn save_client(&self, namespace: &str, session: &str, client: SavedClient) {
        let mut bytes = [0; 8];
        let (Ok(()), Ok(state)) = (getrandom::fill(&mut bytes), serde_json::to_string(&client)) else {
            return;
        };
        let value = format!("{:016x}{state}", u64::from_le_bytes(bytes));
        if value.len() > MAX_CLIENT {
            tracing::warn!(bytes = value.len(), "the state of a client is too large to be kept");
            return;
        }
        let args = vec![value.into(), milliseconds(self.keep)];
        self.queue(Operation::SaveClient, self.client_key(namespace, session), args);
    }

    fn find_client<'a>(
        &'a self,
        namespace: &'a str,
        session: &'a str,
    ) -> BoxFuture<'a, Option<(u64, SavedClient)>> {
        Box::pin(async move {
            if self.keep.is_zero() {
                return None;
            }
            let found = self.run(
                Operation::FindClient,
                self.client_key(namespace, session),
                vec![number(MAX_CLIENT)],
            );
            match found.await {
                Ok(Value::Text(value)) => {
                    let (number, state) = value.split_at_checked(16)?;
                    Some((u64::from_str_radix(number, 16).ok()?, serde_json::from_str(state).ok()?))
                }
                Ok(_) => None,
                Err(error) => {
                    tracing::debug!(%error, "the state of a client is not restored");
                    None
                }
            }
        })
    }

    fn remove_client(&self, namespace: &str, session: &str, number: u64) {
        let args = vec![format!("{number:016x}").into()];
        self.queue(Operation::RemoveClient, self.client_key(namespace, session), args);
    }

    fn revoke<'a>(&'a self, user: &'a str, at: u64) -> BoxFuture<'a, Result<(), RevokeError>> {
        Box::pin(async move {
            let args = vec![text(user), number(at), number(self.revoked_seconds), number(self.max_revoked)];
            match self.run(Operation::Revoke, self.revoked_key(), args).await? {
                Value::Number(0) => Err(RevokeError::TooMany),
                _ => Ok(()),
            }
        })
    }

    fn revocations(&self, since: u64) -> BoxFuture<'_, Result<Vec<(String, u64)>, Unavailable>> {
        Box::pin(async move {
            let mut revocations = Vec::new();
            // The limit may differ between nodes; a list that is much longer is not ours.
            for page in 0..=self.max_revoked.saturating_mul(2) / PAGE {
                let args = vec![number(since), number(page * PAGE), number(PAGE), number(MAX_NAME)];
                let Value::Text(reply) = self.run(Operation::Revocations, self.revoked_key(), args).await?
                else {
                    return Err(invalid());
                };
                let (found, list) = reply.split_once(' ').ok_or_else(invalid)?;
                let list: Vec<String> = serde_json::from_str(list).map_err(|_| invalid())?;
                for pair in list.chunks_exact(2) {
                    // Redis has times as floating-point numbers.
                    if let [user, at] = pair {
                        let at = f64::from_str(at).map_err(|_| invalid())?;
                        revocations.push((user.clone(), at as u64));
                    }
                }
                if found.parse::<usize>().map_err(|_| invalid())? < PAGE {
                    break;
                }
            }
            revocations.reverse();
            Ok(revocations)
        })
    }
}

/// Key of a call that runs on this node. It is renewed until it is dropped.
struct Reserved {
    backend: Arc<Backend>,
    key: String,
    owner: Vec<u8>,
    renewal: JoinHandle<()>,
    /// Whether the key is freed on drop.
    releases: bool,
}

impl Reserved {
    fn new(backend: &Arc<Backend>, key: String, owner: Vec<u8>) -> Self {
        let renewal = tokio::spawn(renew(Arc::clone(backend), key.clone(), owner.clone()));
        Self { backend: Arc::clone(backend), key, owner, renewal, releases: true }
    }

    /// The key belongs to another call.
    fn forget(mut self) {
        self.releases = false;
    }
}

async fn renew(backend: Arc<Backend>, key: String, owner: Vec<u8>) {
    loop {
        tokio::time::sleep(RESERVED / 3).await;
        let args = vec![owner.clone(), milliseconds(RESERVED)];
        // Without a connection the next attempt renews it, if it is still there.
        let _ = backend.run(Operation::Renew, key.clone(), args).await;
    }
}

impl Reservation for Reserved {
    fn done(mut self: Box<Self>, response: Bytes) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            self.releases = false;
            let stored = if response.len() > MAX_RESPONSE { Vec::new() } else { response.to_vec() };
            let args = vec![self.owner.clone(), stored, milliseconds(LIFETIME)];
            let done = self.backend.run(Operation::Complete, self.key.clone(), args.clone()).await;
            if let Err(error) = done {
                // The call was carried out, so the response must be there for a repetition later.
                tracing::debug!(%error, "the response of an idempotency key is stored later");
                self.backend.queue(Operation::Complete, self.key.clone(), args);
            }
        })
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.renewal.abort();
        if self.releases {
            let key = std::mem::take(&mut self.key);
            self.backend.queue(Operation::Release, key, vec![self.owner.clone()]);
        }
    }
}

impl fmt::Debug for Reserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reserved").finish_non_exhaustive()
    }
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stored").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
