//! State of a gateway that is alone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::returning_clients::ReturningClients;
use super::{BoxFuture, KeyState, Reservation, RevokeError, SavedClient, SharedState, Unavailable};
use crate::config::Auth;
use crate::idempotency::{self, IdempotencyKeys};

/// State in memory.
#[derive(Debug)]
pub(super) struct Memory {
    keys: Arc<IdempotencyKeys>,
    clients: ReturningClients,
}

impl Memory {
    pub(super) fn new(auth: &Auth) -> Self {
        let clients = ReturningClients::new(Duration::from_millis(auth.keep_ms), auth.max_kept);
        Self { keys: Arc::default(), clients }
    }
}

impl SharedState for Memory {
    fn reserve<'a>(&'a self, key: &'a str, request: &'a str) -> BoxFuture<'a, Result<KeyState, Unavailable>> {
        let state = match self.keys.reserve(key, &request, Instant::now()) {
            idempotency::KeyState::New(reservation) => KeyState::New(Box::new(reservation)),
            idempotency::KeyState::Done(response) => KeyState::Done(response),
            idempotency::KeyState::Running => KeyState::Running,
            idempotency::KeyState::Other => KeyState::Other,
        };
        Box::pin(std::future::ready(Ok(state)))
    }

    fn save_client(&self, namespace: &str, session: &str, client: SavedClient) {
        self.clients.save(namespace, session, client, Instant::now());
    }

    fn find_client<'a>(
        &'a self,
        namespace: &'a str,
        session: &'a str,
    ) -> BoxFuture<'a, Option<(u64, SavedClient)>> {
        Box::pin(std::future::ready(self.clients.find(namespace, session, Instant::now())))
    }

    fn remove_client(&self, namespace: &str, session: &str, number: u64) {
        self.clients.remove(namespace, session, number);
    }

    // The revocations of this node are all there are.
    fn revoke<'a>(&'a self, _: &'a str, _: u64) -> BoxFuture<'a, Result<(), RevokeError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn revocations(&self, _: u64) -> BoxFuture<'_, Result<Vec<(String, u64)>, Unavailable>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }
}

impl Reservation for idempotency::Reservation {
    fn done(self: Box<Self>, response: Bytes) -> BoxFuture<'static, ()> {
        (*self).done(response);
        Box::pin(std::future::ready(()))
    }
}
