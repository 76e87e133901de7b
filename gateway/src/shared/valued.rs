//! State of the gateways of a cluster in a key-value store, for systems without scripts. What a script does in one step is a
//! change of one value here, which is repeated if another gateway has changed it meanwhile.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use socketio_broker::values::{Change, Values};
use socketio_redis::PublishError;
use tokio::task::JoinHandle;

use super::{BoxFuture, KeyState, Reservation, RevokeError, SavedClient, SharedState, Unavailable};
use crate::config::Config;
use crate::medium::Connections;

/// Time for which a response is stored.
const LIFETIME: Duration = Duration::from_secs(600);
/// Time for which the key of a running call is reserved. It is renewed while the call runs.
const RESERVED: Duration = Duration::from_secs(30);
/// Limit of a stored response, in bytes.
const MAX_RESPONSE: usize = 1 << 20;
/// Limit of the state of a client, in bytes.
const MAX_CLIENT: usize = 256 << 10;
/// Limit of keys of calls in the last ten minutes.
const MAX_CALLS: usize = 1_000_000;

/// State in a key-value store.
pub(super) struct Valued {
    calls: Values,
    clients: Values,
    revoked: Values,
    keep: Duration,
    revoked_for: Duration,
    max_revoked: usize,
}

impl Valued {
    /// The state, if the system of the cluster has a key-value store.
    pub(super) fn new(config: &Config, connections: &Connections) -> Option<Self> {
        let auth = &config.auth;
        let keep = Duration::from_millis(auth.keep_ms);
        let revoked_for = Duration::from_millis(auth.revoked_ms.max(1));
        Some(Self {
            calls: connections.values("calls", LIFETIME, MAX_CALLS)?,
            clients: connections.values("clients", keep, auth.max_kept)?,
            revoked: connections.values("revoked", revoked_for, auth.max_revoked)?,
            keep,
            revoked_for,
            max_revoked: auth.max_revoked,
        })
    }
}

fn unavailable(error: &PublishError) -> Unavailable {
    Unavailable(error.to_string())
}

/// A call with an idempotency key: the digest of the call, who carries it out, and the response.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Call<'a> {
    request: &'a str,
    owner: &'a str,
    state: CallState<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CallState<'a> {
    Running,
    /// The response was too large.
    TooLarge,
    Done(&'a str),
}

impl<'a> Call<'a> {
    fn decode(value: &'a Bytes) -> Option<Self> {
        let mut parts = std::str::from_utf8(value).ok()?.splitn(4, '\n');
        let (request, owner, state) = (parts.next()?, parts.next()?, parts.next()?);
        let state = match (state, parts.next()?) {
            ("running", "") => CallState::Running,
            ("large", "") => CallState::TooLarge,
            ("done", response) => CallState::Done(response),
            _ => return None,
        };
        Some(Self { request, owner, state })
    }

    fn encode(&self) -> Bytes {
        let Self { request, owner, state } = self;
        let (state, response) = match state {
            CallState::Running => ("running", ""),
            CallState::TooLarge => ("large", ""),
            CallState::Done(response) => ("done", *response),
        };
        format!("{request}\n{owner}\n{state}\n{response}").into()
    }
}

/// Result of looking up a key.
enum Found {
    New,
    Done(Bytes),
    TooLarge,
    Running,
    Other,
}

fn reserve(value: Option<&Bytes>, request: &str, owner: &str) -> Change<Found> {
    match value.and_then(Call::decode) {
        None => Change::Put {
            value: Call { request, owner, state: CallState::Running }.encode(),
            keep_for: RESERVED,
            result: Found::New,
        },
        Some(call) if call.request != request => Change::Keep(Found::Other),
        Some(Call { state: CallState::Running, .. }) => Change::Keep(Found::Running),
        Some(Call { state: CallState::TooLarge, .. }) => Change::Keep(Found::TooLarge),
        Some(Call { state: CallState::Done(response), .. }) => {
            Change::Keep(Found::Done(Bytes::copy_from_slice(response.as_bytes())))
        }
    }
}

impl SharedState for Valued {
    fn reserve<'a>(&'a self, key: &'a str, request: &'a str) -> BoxFuture<'a, Result<KeyState, Unavailable>> {
        Box::pin(async move {
            let owner = random().map_err(|error| Unavailable(error.to_string()))?;
            // Made before the wait: if the caller goes away, or the reply is lost, the key is free again.
            let reservation = Reserved::new(&self.calls, key.to_owned(), owner.clone());
            let found = self.calls.update(key, |value| reserve(value, request, &owner)).await;
            let state = match found.map_err(|error| unavailable(&error))? {
                Found::New => return Ok(KeyState::New(Box::new(reservation))),
                Found::Done(response) => KeyState::Done(response),
                Found::TooLarge => KeyState::TooLarge,
                Found::Running => KeyState::Running,
                Found::Other => KeyState::Other,
            };
            reservation.forget();
            Ok(state)
        })
    }

    fn save_client(&self, namespace: &str, session: &str, client: SavedClient) {
        // A lifetime of zero would be one without an end in NATS.
        if self.keep.is_zero() {
            return;
        }
        let (Ok(number), Ok(state)) = (random(), serde_json::to_string(&client)) else { return };
        let value = Bytes::from(format!("{number}{state}"));
        if value.len() > MAX_CLIENT {
            tracing::warn!(bytes = value.len(), "the state of a client is too large to be kept");
            return;
        }
        let keep_for = self.keep;
        queue(&self.clients, client_key(namespace, session), value.len(), move |_| Change::Put {
            value: value.clone(),
            keep_for,
            result: (),
        });
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
            match self.clients.get(&client_key(namespace, session)).await {
                Ok(Some(value)) if value.len() <= MAX_CLIENT => {
                    let (number, state) = std::str::from_utf8(&value).ok()?.split_at_checked(16)?;
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
        let number = format!("{number:016x}");
        queue(&self.clients, client_key(namespace, session), number.len(), move |value| match value {
            Some(value) if value.starts_with(number.as_bytes()) => Change::Remove(()),
            _ => Change::Keep(()),
        });
    }

    fn revoke<'a>(&'a self, user: &'a str, at: u64) -> BoxFuture<'a, Result<(), RevokeError>> {
        Box::pin(async move {
            let revoked = self.revoked.update(user, |known| match known.and_then(time) {
                Some(known) if known >= at => Change::Keep(()),
                _ => Change::Put { value: at.to_string().into(), keep_for: self.revoked_for, result: () },
            });
            match revoked.await {
                Ok(()) => Ok(()),
                // The bucket has as many values as users may be revoked.
                Err(PublishError::Refused(_)) => Err(RevokeError::TooMany),
                Err(error) => Err(unavailable(&error).into()),
            }
        })
    }

    fn revocations(&self, since: u64) -> BoxFuture<'_, Result<Vec<(String, u64)>, Unavailable>> {
        Box::pin(async move {
            // The limit may differ between nodes.
            let listed = self.revoked.list(self.max_revoked.saturating_mul(2)).await;
            let listed = listed.map_err(|error| unavailable(&error))?.into_iter();
            let mut revocations: Vec<(String, u64)> =
                listed.filter_map(|listed| Some((listed.key, time(&listed.value)?))).collect();
            revocations.retain(|(_, at)| *at >= since);
            revocations.sort_by_key(|(_, at)| *at);
            Ok(revocations)
        })
    }
}

fn client_key(namespace: &str, session: &str) -> String {
    format!("{session}:{namespace}")
}

fn time(value: &Bytes) -> Option<u64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// Sixteen random hexadecimal digits.
fn random() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)?;
    Ok(format!("{:016x}", u64::from_le_bytes(bytes)))
}

/// Makes a change whose result has no effect here, also when the system is reached again.
fn queue(
    values: &Values,
    key: String,
    bytes: usize,
    change: impl FnMut(Option<&Bytes>) -> Change<()> + Send + 'static,
) {
    if let Err(error) = values.queue(key, bytes, change) {
        tracing::debug!(%error, "shared state not changed");
    }
}

/// Key of a call that runs on this node. It is renewed until it is dropped.
struct Reserved {
    calls: Values,
    key: String,
    owner: String,
    renewal: JoinHandle<()>,
    /// Whether the key is freed on drop.
    releases: bool,
}

impl Reserved {
    fn new(calls: &Values, key: String, owner: String) -> Self {
        let renewal = tokio::spawn(renew(calls.clone(), key.clone(), owner.clone()));
        Self { calls: calls.clone(), key, owner, renewal, releases: true }
    }

    /// The key belongs to another call.
    fn forget(mut self) {
        self.releases = false;
    }
}

/// The call, if it is still that of this owner, and still runs.
fn running<'a>(value: Option<&'a Bytes>, owner: &str) -> Option<Call<'a>> {
    let call = value.and_then(Call::decode)?;
    (call.owner == owner && call.state == CallState::Running).then_some(call)
}

async fn renew(calls: Values, key: String, owner: String) {
    loop {
        tokio::time::sleep(RESERVED / 3).await;
        // Without a connection the next attempt renews it, if it is still there.
        let _ = calls
            .update(&key, |value| match running(value, &owner) {
                Some(call) => Change::Put { value: call.encode(), keep_for: RESERVED, result: () },
                None => Change::Keep(()),
            })
            .await;
    }
}

fn complete(value: Option<&Bytes>, owner: &str, response: &str) -> Change<()> {
    let Some(call) = running(value, owner) else { return Change::Keep(()) };
    let state = if response.len() > MAX_RESPONSE { CallState::TooLarge } else { CallState::Done(response) };
    Change::Put { value: Call { state, ..call }.encode(), keep_for: LIFETIME, result: () }
}

impl Reservation for Reserved {
    fn done(mut self: Box<Self>, response: Bytes) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            self.releases = false;
            let response = String::from_utf8_lossy(&response).into_owned();
            let done = self.calls.update(&self.key, |value| complete(value, &self.owner, &response)).await;
            if let Err(error) = done {
                // The call was carried out, so the response must be there for a repetition later.
                tracing::debug!(%error, "the response of an idempotency key is stored later");
                let (key, owner, bytes) = (self.key.clone(), self.owner.clone(), response.len());
                queue(&self.calls, key, bytes, move |value| complete(value, &owner, &response));
            }
        })
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.renewal.abort();
        if self.releases {
            let (key, owner) = (std::mem::take(&mut self.key), std::mem::take(&mut self.owner));
            queue(&self.calls, key, owner.len(), move |value| match running(value, &owner) {
                Some(_) => Change::Remove(()),
                None => Change::Keep(()),
            });
        }
    }
}

impl fmt::Debug for Reserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reserved").finish_non_exhaustive()
    }
}

impl fmt::Debug for Valued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Valued").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_calls() {
        for state in [CallState::Running, CallState::TooLarge, CallState::Done("{\"a\":\n1}")] {
            let call = Call { request: "digest", owner: "owner", state };
            assert_eq!(Call::decode(&call.encode()), Some(call));
        }
        for other in ["", "a", "a\nb", "a\nb\nrunning", "a\nb\nrunning\nc", "a\nb\nother\n"] {
            assert_eq!(Call::decode(&Bytes::from_static(other.as_bytes())), None, "{other}");
        }
    }
}
