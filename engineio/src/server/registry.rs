//! Which session has which id.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::session::Session;
use crate::sid::Sid;

/// Sessions are spread over this many locks, so that requests on different sessions seldom meet.
const SHARDS: usize = 16;

/// The open sessions of a server.
///
/// Ids come from clients in every request, so the hasher is keyed.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    hasher: RandomState,
    shards: [Mutex<HashMap<Sid, Session>>; SHARDS],
    /// Told of each removal.
    removals: Notify,
}

impl Registry {
    /// Adds a session, unless its id is taken.
    pub(crate) fn insert(&self, session: &Session) -> bool {
        match self.shard(session.id().as_str()).entry(session.id().clone()) {
            Entry::Occupied(_) => false,
            Entry::Vacant(place) => {
                place.insert(session.clone());
                true
            }
        }
    }

    pub(crate) fn find(&self, sid: &str) -> Option<Session> {
        self.shard(sid).get(sid).cloned()
    }

    pub(crate) fn remove(&self, session: &Session) {
        let mut shard = self.shard(session.id().as_str());
        shard.remove(session.id());
        // Room for a crowd is given back when the crowd is gone. Half of what is kept must leave before the next time, so
        // a removal costs the same on average.
        if shard.len() < shard.capacity() / 4 {
            let kept = shard.len() * 2;
            shard.shrink_to(kept);
        }
        drop(shard);
        self.removals.notify_waiters();
    }

    /// Ready after the next removal. Ask before looking, so that none is missed.
    pub(crate) fn removed(&self) -> Notified<'_> {
        self.removals.notified()
    }

    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    pub(crate) fn all(&self) -> Vec<Session> {
        self.shards.iter().flat_map(|shard| lock(shard).values().cloned().collect::<Vec<_>>()).collect()
    }

    fn shard(&self, sid: &str) -> MutexGuard<'_, HashMap<Sid, Session>> {
        let hash = self.hasher.hash_one(sid);
        // The remainder is below the number of shards, so the cast keeps it.
        lock(&self.shards[(hash % SHARDS as u64) as usize])
    }
}

/// A map operation that panics leaves the map whole.
fn lock(shard: &Mutex<HashMap<Sid, Session>>) -> MutexGuard<'_, HashMap<Sid, Session>> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
