//! State of the gateways of a cluster, in Redis. Every value that is read is bounded and checked.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use socketio_redis::{Connections, PublishError, ScriptReply};
use tokio::task::JoinHandle;

use super::scripts::{
    COMPLETE, FIND_CLIENT, RELEASE, REMOVE_CLIENT, RENEW, RESERVE, REVOCATIONS, REVOKE, SAVE_CLIENT,
};
use super::{BoxFuture, KeyState, Reservation, RevokeError, SavedClient, SharedState, Unavailable};
use crate::config::Config;

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

/// State in Redis.
pub(super) struct InRedis {
    connections: Connections,
    prefix: String,
    keep: Duration,
    revoked_seconds: u64,
    max_revoked: usize,
}

impl InRedis {
    pub(super) fn new(config: &Config, connections: &Connections) -> Self {
        Self {
            connections: connections.clone(),
            prefix: format!("{}:gateway:", config.cluster.prefix),
            keep: Duration::from_millis(config.auth.keep_ms),
            revoked_seconds: config.auth.revoked_ms.div_ceil(1000),
            max_revoked: config.auth.max_revoked,
        }
    }

    fn client_key(&self, namespace: &str, session: &str) -> String {
        format!("{}client:{session}:{namespace}", self.prefix)
    }

    fn revoked_key(&self) -> String {
        format!("{}revoked", self.prefix)
    }

    async fn run(
        &self,
        script: &'static str,
        key: String,
        args: Vec<Vec<u8>>,
    ) -> Result<ScriptReply, Unavailable> {
        self.connections.run_script(script, vec![key], args).await.map_err(|error| unavailable(&error))
    }

    /// Runs a script whose result has no effect here, also when Redis is back.
    fn queue(&self, script: &'static str, key: String, args: Vec<Vec<u8>>) {
        queue(&self.connections, script, key, args);
    }
}

fn queue(connections: &Connections, script: &'static str, key: String, args: Vec<Vec<u8>>) {
    if let Err(error) = connections.queue_script(script, vec![key], args) {
        tracing::debug!(%error, "shared state not changed");
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

impl SharedState for InRedis {
    fn reserve<'a>(&'a self, key: &'a str, request: &'a str) -> BoxFuture<'a, Result<KeyState, Unavailable>> {
        Box::pin(async move {
            let mut bytes = [0; 8];
            getrandom::fill(&mut bytes).map_err(|error| Unavailable(error.to_string()))?;
            let owner = format!("{:016x}", u64::from_le_bytes(bytes)).into_bytes();
            let key = format!("{}call:{key}", self.prefix);
            // Made before the wait: if the caller goes away, or the reply is lost, the key is free again.
            let reservation = Reserved::new(&self.connections, key.clone(), owner.clone());
            let args = vec![text(request), owner, milliseconds(RESERVED), number(MAX_RESPONSE)];
            let ScriptReply::Text(state) = self.run(RESERVE, key, args).await? else {
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
        self.queue(SAVE_CLIENT, self.client_key(namespace, session), args);
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
            let found = self.run(FIND_CLIENT, self.client_key(namespace, session), vec![number(MAX_CLIENT)]);
            match found.await {
                Ok(ScriptReply::Text(value)) => {
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
        self.queue(REMOVE_CLIENT, self.client_key(namespace, session), args);
    }

    fn revoke<'a>(&'a self, user: &'a str, at: u64) -> BoxFuture<'a, Result<(), RevokeError>> {
        Box::pin(async move {
            let args = vec![text(user), number(at), number(self.revoked_seconds), number(self.max_revoked)];
            match self.run(REVOKE, self.revoked_key(), args).await? {
                ScriptReply::Number(0) => Err(RevokeError::TooMany),
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
                let ScriptReply::Text(reply) = self.run(REVOCATIONS, self.revoked_key(), args).await? else {
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
    connections: Connections,
    key: String,
    owner: Vec<u8>,
    renewal: JoinHandle<()>,
    /// Whether the key is freed on drop.
    releases: bool,
}

impl Reserved {
    fn new(connections: &Connections, key: String, owner: Vec<u8>) -> Self {
        let renewal = tokio::spawn(renew(connections.clone(), key.clone(), owner.clone()));
        Self { connections: connections.clone(), key, owner, renewal, releases: true }
    }

    /// The key belongs to another call.
    fn forget(mut self) {
        self.releases = false;
    }
}

async fn renew(connections: Connections, key: String, owner: Vec<u8>) {
    loop {
        tokio::time::sleep(RESERVED / 3).await;
        let args = vec![owner.clone(), milliseconds(RESERVED)];
        // Without Redis the next attempt renews it, if it is still there.
        let _ = connections.run_script(RENEW, vec![key.clone()], args).await;
    }
}

impl Reservation for Reserved {
    fn done(mut self: Box<Self>, response: Bytes) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            self.releases = false;
            let stored = if response.len() > MAX_RESPONSE { Vec::new() } else { response.to_vec() };
            let args = vec![self.owner.clone(), stored, milliseconds(LIFETIME)];
            let done = self.connections.run_script(COMPLETE, vec![self.key.clone()], args.clone()).await;
            if let Err(error) = done {
                // The call was carried out, so the response must be there for a repetition when Redis is back.
                tracing::debug!(%error, "the response of an idempotency key is stored later");
                queue(&self.connections, COMPLETE, self.key.clone(), args);
            }
        })
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.renewal.abort();
        if self.releases {
            queue(&self.connections, RELEASE, std::mem::take(&mut self.key), vec![self.owner.clone()]);
        }
    }
}

impl fmt::Debug for Reserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reserved").finish_non_exhaustive()
    }
}

impl fmt::Debug for InRedis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InRedis").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
