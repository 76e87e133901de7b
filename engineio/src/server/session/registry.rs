//! The open sessions by id.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};
use std::sync::MutexGuard;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::handle::Session;
use crate::protocol::sid::Sid;
use crate::sync::Mutex;

/// The number of locks. Sessions are spread over them, so that requests of different sessions seldom contend.
const SHARDS: usize = 16;

/// The open sessions of a server.
///
/// Ids come from clients in every request, so the hasher is keyed.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    hasher: RandomState,
    shards: [Mutex<HashMap<Sid, Session>>; SHARDS],
    /// The number of sessions in all shards, with those that are about to be added.
    len: AtomicUsize,
    /// Notified of each removal.
    removals: Notify,
}

/// The reason why a session was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotAdded {
    /// The limit on sessions is reached.
    Full,
    /// Another session has this id.
    Duplicate,
}

impl Registry {
    /// Adds a session, unless `max` sessions are open or its id is in use.
    pub(crate) fn insert(&self, session: &Session, max: usize) -> Result<(), NotAdded> {
        if self.len.fetch_add(1, Ordering::AcqRel) >= max {
            self.len.fetch_sub(1, Ordering::AcqRel);
            return Err(NotAdded::Full);
        }
        match self.shard(session.id().as_str()).entry(session.id().clone()) {
            Entry::Occupied(_) => {
                self.len.fetch_sub(1, Ordering::AcqRel);
                Err(NotAdded::Duplicate)
            }
            Entry::Vacant(place) => {
                place.insert(session.clone());
                Ok(())
            }
        }
    }

    pub(crate) fn find(&self, sid: &str) -> Option<Session> {
        self.shard(sid).get(sid).cloned()
    }

    pub(crate) fn remove(&self, session: &Session) {
        let mut shard = self.shard(session.id().as_str());
        if shard.remove(session.id()).is_some() {
            self.len.fetch_sub(1, Ordering::AcqRel);
        }
        // A shard shrinks after a peak. Half of its sessions must end before it shrinks again, so the average
        // cost of a removal stays constant.
        if shard.len() < shard.capacity() / 4 {
            let kept = shard.len() * 2;
            shard.shrink_to(kept);
        }
        drop(shard);
        self.removals.notify_waiters();
    }

    /// Ready after the next removal. Call it before the check of the registry, so that no removal is missed.
    pub(crate) fn removed(&self) -> Notified<'_> {
        self.removals.notified()
    }

    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    pub(crate) fn all(&self) -> Vec<Session> {
        self.shards.iter().flat_map(|shard| lock(shard).values().cloned().collect::<Vec<_>>()).collect()
    }

    fn shard(&self, sid: &str) -> MutexGuard<'_, HashMap<Sid, Session>> {
        let hash = self.hasher.hash_one(sid);
        // The remainder is less than the number of shards, so the cast is lossless.
        lock(&self.shards[(hash % SHARDS as u64) as usize])
    }
}

/// A panic in a map operation leaves the map consistent.
fn lock(shard: &Mutex<HashMap<Sid, Session>>) -> MutexGuard<'_, HashMap<Sid, Session>> {
    shard.lock()
}
