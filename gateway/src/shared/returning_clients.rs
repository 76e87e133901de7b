//! State of disconnected clients that may return with the same session token: rooms, metadata and user.

use std::sync::MutexGuard;
use std::time::{Duration, Instant};

use engineio::sync::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::expiring::Expiring;

/// Namespace and session id of a client.
type Key = (String, String);

/// Saved state of disconnected clients.
#[derive(Debug)]
pub(crate) struct ReturningClients {
    saved: Mutex<Expiring<Key, SavedClient, Instant>>,
    lifetime: Duration,
    max: usize,
}

/// Saved state of one client.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct SavedClient {
    pub(crate) user: Option<String>,
    pub(crate) rooms: Vec<String>,
    pub(crate) metadata: Map<String, Value>,
}

impl ReturningClients {
    /// Creates a store for up to `max` clients. Clients are not saved with a `lifetime` of zero.
    pub(crate) fn new(lifetime: Duration, max: usize) -> Self {
        Self { saved: Mutex::default(), lifetime, max }
    }

    /// Saves the state of a disconnected client. Beyond the limit the oldest state is removed.
    pub(crate) fn save(&self, namespace: &str, session: &str, client: SavedClient, now: Instant) {
        let mut saved = self.lock();
        while let Some(oldest) = saved.oldest() {
            let is_alive = now.saturating_duration_since(oldest.since) <= self.lifetime;
            if is_alive && saved.len() < self.max {
                break;
            }
            saved.remove_oldest();
        }
        saved.insert(key(namespace, session), client, now);
    }

    /// State of a client that connects, with its number. The client may still be refused, so the state stays
    /// until [`remove`](Self::remove) is called with the number.
    pub(crate) fn find(&self, namespace: &str, session: &str, now: Instant) -> Option<(u64, SavedClient)> {
        let saved = self.lock();
        let entry = saved.get(&key(namespace, session))?;
        let is_alive = now.saturating_duration_since(entry.since) <= self.lifetime;
        is_alive.then(|| (entry.number, entry.value.clone()))
    }

    /// Removes the state of a client that has joined. State that another client of the session has saved
    /// since stays.
    pub(crate) fn remove(&self, namespace: &str, session: &str, number: u64) {
        self.lock().remove(&key(namespace, session), number);
    }

    /// Locks the state. No change can be interrupted, so a poisoned lock is still consistent.
    fn lock(&self) -> MutexGuard<'_, Expiring<Key, SavedClient, Instant>> {
        self.saved.lock()
    }
}

fn key(namespace: &str, session: &str) -> Key {
    (namespace.to_owned(), session.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_room(room: &str) -> SavedClient {
        SavedClient { rooms: vec![room.to_owned()], ..SavedClient::default() }
    }

    #[test]
    fn a_client_that_returns_in_time_finds_its_state() {
        let clients = ReturningClients::new(Duration::from_secs(60), 100);
        let now = Instant::now();
        clients.save("/", "a", in_room("1"), now);
        clients.save("/", "a", in_room("2"), now);
        clients.save("/chat", "a", in_room("3"), now);
        let (number, found) = clients.find("/", "a", now).unwrap();
        assert_eq!(found, in_room("2"));
        assert!(clients.find("/", "a", now).is_some(), "the client was not admitted");
        clients.remove("/", "a", number);
        assert_eq!(clients.find("/", "a", now), None, "the state is restored once");
        clients.save("/", "a", in_room("4"), now);
        clients.remove("/", "a", number);
        assert_eq!(clients.find("/", "a", now).unwrap().1, in_room("4"), "a later state stays");
        assert_eq!(clients.find("/chat", "a", now + Duration::from_secs(61)), None);
    }

    #[test]
    fn saved_clients_are_bounded_by_number_and_time() {
        let clients = ReturningClients::new(Duration::from_secs(60), 3);
        let now = Instant::now();
        for number in 0..10 {
            clients.save("/", &number.to_string(), in_room("r"), now);
        }
        assert_eq!(clients.lock().len(), 3);
        assert_eq!(clients.find("/", "6", now), None);
        assert!(clients.find("/", "7", now).is_some());
        clients.save("/", "late", in_room("r"), now + Duration::from_secs(61));
        assert_eq!(clients.lock().len(), 1);
    }
}
