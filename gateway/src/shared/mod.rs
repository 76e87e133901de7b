//! State that all gateways of a cluster share: idempotency keys, clients that may return, and revocations. A gateway
//! alone keeps it in memory.

mod memory;
mod returning_clients;
mod scripts;
mod statements;
mod stored;
mod valued;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;

use self::memory::Memory;
pub(crate) use self::returning_clients::SavedClient;
use self::stored::Stored;
use self::valued::Valued;
use crate::config::Config;
use crate::medium::Connections;

/// A boxed future, as the return type of trait object methods.
pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The state. Waits for Redis or PostgreSQL are bounded; without a connection they fail at once.
pub(crate) trait SharedState: Send + Sync + std::fmt::Debug {
    /// Looks up an idempotency key, and reserves it if it is new. `request` is the digest of the call.
    fn reserve<'a>(&'a self, key: &'a str, request: &'a str) -> BoxFuture<'a, Result<KeyState, Unavailable>>;

    /// Saves the state of a client that has disconnected, without waiting.
    fn save_client(&self, namespace: &str, session: &str, client: SavedClient);

    /// State of a client that connects, with its number. The client may still be refused, so the state stays until
    /// [`remove_client`](Self::remove_client) is called with the number. `None` also if the state cannot be read.
    fn find_client<'a>(
        &'a self,
        namespace: &'a str,
        session: &'a str,
    ) -> BoxFuture<'a, Option<(u64, SavedClient)>>;

    /// Removes the state of a client that has joined. State that another client of the session has saved since
    /// stays.
    fn remove_client(&self, namespace: &str, session: &str, number: u64);

    /// Records for all nodes that the tokens of a user are revoked that were issued up to `at`, in seconds since 1970.
    fn revoke<'a>(&'a self, user: &'a str, at: u64) -> BoxFuture<'a, Result<(), RevokeError>>;

    /// The users whose tokens were revoked at `since` or later, by any node, oldest first.
    fn revocations(&self, since: u64) -> BoxFuture<'_, Result<Vec<(String, u64)>, Unavailable>>;
}

/// State of an idempotency key.
#[derive(Debug)]
pub(crate) enum KeyState {
    /// The key is new, and the caller has to carry out the call.
    New(Box<dyn Reservation>),
    /// The call was carried out, with this response.
    Done(Bytes),
    /// The call was carried out, and its response was too large to be stored.
    TooLarge,
    /// The call is being carried out.
    Running,
    /// The key belongs to a different call.
    Other,
}

/// Reservation of a key for one call. If it is dropped without a response, the key is free again.
pub(crate) trait Reservation: Send + Sync + std::fmt::Debug {
    /// Stores the response of a successful call.
    fn done(self: Box<Self>, response: Bytes) -> BoxFuture<'static, ()>;
}

/// Redis or PostgreSQL cannot be asked, or the answer is invalid.
#[derive(Clone, Debug, Error)]
#[error("the shared state is not available: {0}")]
pub(crate) struct Unavailable(String);

/// Error of a revocation.
#[derive(Debug, Error)]
pub(crate) enum RevokeError {
    /// The limit of remembered revocations is reached.
    #[error("the limit of users with revoked tokens, auth.max_revoked, is reached")]
    TooMany,
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// The state of a gateway: in the system of its cluster, otherwise in memory.
pub(crate) fn of(config: &Config, connections: Option<&Connections>) -> Arc<dyn SharedState> {
    let Some(connections) = connections else { return Arc::new(Memory::new(&config.auth)) };
    match Valued::new(config, connections) {
        Some(valued) => Arc::new(valued),
        None => Arc::new(Stored::new(config, connections)),
    }
}
