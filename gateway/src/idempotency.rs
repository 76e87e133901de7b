//! Idempotency keys of API calls. A caller chooses a key for a call, and may repeat the call without carrying
//! it out twice.
//!
//! A caller that received no response repeats the call with the same key and receives the stored response.
//! Only successful calls are stored: a failed call changed nothing and may be repeated.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use bytes::Bytes;
use engineio::sync::Mutex;

use crate::expiring::Expiring;

/// Time for which a response is stored.
const LIFETIME: Duration = Duration::from_secs(600);
/// Limit of stored responses; beyond it the oldest are removed.
const MAX_RESPONSES: usize = 10_000;
/// Limit of the bytes of stored responses.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Calls with an idempotency key.
#[derive(Debug, Default)]
pub(crate) struct IdempotencyKeys {
    calls: Mutex<Calls>,
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Calls {
    by_key: Expiring<String, Call, Instant>,
    /// Bytes of the stored responses.
    bytes: usize,
}

#[derive(Debug)]
struct Call {
    /// Hash of the call and its body.
    request: u64,
    /// Response, once the call has succeeded.
    response: Option<Bytes>,
}

/// State of a key.
#[derive(Debug)]
pub(crate) enum KeyState {
    /// The key is new, and the caller has to carry out the call.
    New(Reservation),
    /// The call was carried out, with this response.
    Done(Bytes),
    /// The call is being carried out.
    Running,
    /// The key belongs to a different call.
    Other,
}

/// Reservation of a key for one call. If it is dropped without a response, the key is free again.
#[derive(Debug)]
pub(crate) struct Reservation {
    keys: Arc<IdempotencyKeys>,
    key: String,
    number: u64,
}

impl IdempotencyKeys {
    /// Looks up a key, and reserves it if it is new.
    pub(crate) fn reserve(self: &Arc<Self>, key: &str, request: &impl Hash, now: Instant) -> KeyState {
        let request = self.hasher.hash_one(request);
        let mut calls = self.lock();
        calls.remove_expired(now);
        if let Some(entry) = calls.by_key.get(key) {
            return match &entry.value.response {
                _ if entry.value.request != request => KeyState::Other,
                Some(response) => KeyState::Done(response.clone()),
                None => KeyState::Running,
            };
        }
        let number = calls.by_key.insert(key.to_owned(), Call { request, response: None }, now);
        KeyState::New(Reservation { keys: Arc::clone(self), key: key.to_owned(), number })
    }

    /// Locks the calls. No change can be interrupted, so a poisoned lock is still consistent.
    fn lock(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock()
    }
}

impl Calls {
    /// Removes expired responses, and the oldest ones beyond the limits.
    fn remove_expired(&mut self, now: Instant) {
        while let Some(oldest) = self.by_key.oldest() {
            let is_alive = now.saturating_duration_since(oldest.since) < LIFETIME;
            if is_alive && self.by_key.len() <= MAX_RESPONSES && self.bytes <= MAX_BYTES {
                return;
            }
            let removed = self.by_key.remove_oldest();
            self.release(removed);
        }
    }

    /// Subtracts the bytes of a removed call.
    fn release(&mut self, removed: Option<Call>) {
        self.bytes -= removed.and_then(|call| call.response).map_or(0, |response| response.len());
    }
}

impl Reservation {
    /// Stores the response of a successful call.
    pub(crate) fn done(self, response: Bytes) {
        let mut calls = self.keys.lock();
        let len = response.len();
        if let Some(call) = calls.by_key.get_mut(&self.key, self.number) {
            call.response = Some(response);
            calls.bytes += len;
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut calls = self.keys.lock();
        if calls.by_key.get_mut(&self.key, self.number).is_some_and(|call| call.response.is_none()) {
            calls.by_key.remove(&self.key, self.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reservation(keys: &Arc<IdempotencyKeys>, key: &str, now: Instant) -> Reservation {
        match keys.reserve(key, &"request", now) {
            KeyState::New(reservation) => reservation,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_completed_call_is_not_carried_out_again() {
        let keys = Arc::<IdempotencyKeys>::default();
        let now = Instant::now();
        let first = reservation(&keys, "a", now);
        assert!(matches!(keys.reserve("a", &"request", now), KeyState::Running));
        assert!(matches!(keys.reserve("a", &"another request", now), KeyState::Other));
        let _second = reservation(&keys, "b", now);
        first.done("response".into());
        assert!(
            matches!(keys.reserve("a", &"request", now), KeyState::Done(response) if response == "response")
        );
        assert!(matches!(keys.reserve("a", &"another request", now), KeyState::Other));
        drop(reservation(&keys, "a", now + LIFETIME));
    }

    #[test]
    fn a_failed_call_may_be_repeated() {
        let keys = Arc::<IdempotencyKeys>::default();
        let now = Instant::now();
        drop(reservation(&keys, "a", now));
        reservation(&keys, "a", now).done("response".into());
        assert!(matches!(keys.reserve("a", &"request", now), KeyState::Done(_)));
    }

    #[test]
    fn stored_responses_are_bounded_by_number_bytes_and_time() {
        let keys = Arc::<IdempotencyKeys>::default();
        let now = Instant::now();
        for number in 0..MAX_RESPONSES + 10 {
            reservation(&keys, &number.to_string(), now).done("x".into());
        }
        assert!(keys.lock().by_key.len() <= MAX_RESPONSES + 1);
        assert!(matches!(keys.reserve("0", &"request", now), KeyState::New(_)), "the oldest was removed");
        for number in 0..10 {
            reservation(&keys, &format!("large {number}"), now).done(vec![0; MAX_BYTES / 4].into());
        }
        assert!(keys.lock().bytes <= MAX_BYTES + MAX_BYTES / 4);
        drop(reservation(&keys, "late", now + LIFETIME));
        let calls = keys.lock();
        assert_eq!((calls.bytes, calls.by_key.len()), (0, 0));
    }
}
