//! Idempotency keys of API calls. A caller chooses a key for a call, and may repeat the call without carrying
//! it out twice.
//!
//! A caller that received no response repeats the call with the same key and receives the stored response.
//! Only successful calls are stored: a failed call changed nothing and may be repeated.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

/// Time for which a response is stored.
const LIFETIME: Duration = Duration::from_secs(600);
/// Limit of stored responses; beyond it the oldest are removed.
const MAX_ANSWERS: usize = 10_000;
/// Limit of the bytes of stored responses.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Calls with an idempotency key.
#[derive(Debug, Default)]
pub(crate) struct Once {
    inner: Mutex<Inner>,
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Inner {
    calls: HashMap<String, Call>,
    /// Keys in the order of their calls. A key that was removed and used again appears twice; the number
    /// tells which entry is current.
    order: VecDeque<(String, u64)>,
    bytes: usize,
    next: u64,
}

#[derive(Debug)]
struct Call {
    number: u64,
    since: Instant,
    /// Hash of the call and its body.
    asked: u64,
    /// Response, once the call has succeeded.
    answer: Option<Bytes>,
}

/// State of a key.
#[derive(Debug)]
pub(crate) enum Claim {
    /// The key is new, and the caller has to carry out the call.
    New(Ticket),
    /// The call was carried out, with this response.
    Done(Bytes),
    /// The call is being carried out.
    Running,
    /// The key belongs to a different call.
    Other,
}

/// Permission to carry out a call. If it is dropped without a response, the key is free again.
#[derive(Debug)]
pub(crate) struct Ticket {
    once: Arc<Once>,
    key: String,
    number: u64,
}

impl Once {
    /// Looks up a key, and reserves it if it is new.
    pub(crate) fn claim(self: &Arc<Self>, key: &str, asked: &impl Hash, now: Instant) -> Claim {
        let asked = self.hasher.hash_one(asked);
        let mut inner = self.lock();
        inner.forget(now);
        if let Some(call) = inner.calls.get(key) {
            return match &call.answer {
                _ if call.asked != asked => Claim::Other,
                Some(answer) => Claim::Done(answer.clone()),
                None => Claim::Running,
            };
        }
        let number = inner.next;
        inner.next += 1;
        inner.calls.insert(key.to_owned(), Call { number, since: now, asked, answer: None });
        inner.order.push_back((key.to_owned(), number));
        Claim::New(Ticket { once: Arc::clone(self), key: key.to_owned(), number })
    }

    /// Locks the calls. No change can be interrupted, so a poisoned lock is still consistent.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Removes expired responses, and the oldest ones beyond the limits.
    fn forget(&mut self, now: Instant) {
        while let Some((key, number)) = self.order.front() {
            let call = self.calls.get(key).filter(|call| call.number == *number);
            let is_kept = call.is_some_and(|call| {
                now.saturating_duration_since(call.since) < LIFETIME
                    && self.order.len() <= MAX_ANSWERS
                    && self.bytes <= MAX_BYTES
            });
            if is_kept {
                return;
            }
            let is_same = call.is_some();
            if let Some((key, _)) = self.order.pop_front() {
                if is_same {
                    self.remove(&key);
                }
            }
        }
    }

    fn remove(&mut self, key: &str) {
        let answer = self.calls.remove(key).and_then(|call| call.answer);
        self.bytes -= answer.map_or(0, |answer| answer.len());
    }
}

impl Ticket {
    /// Stores the response of a successful call.
    pub(crate) fn done(self, answer: Bytes) {
        let mut inner = self.once.lock();
        let len = answer.len();
        if let Some(call) = inner.calls.get_mut(&self.key).filter(|call| call.number == self.number) {
            call.answer = Some(answer);
            inner.bytes += len;
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut inner = self.once.lock();
        let call = inner.calls.get(&self.key);
        if call.is_some_and(|call| call.number == self.number && call.answer.is_none()) {
            inner.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket(once: &Arc<Once>, key: &str, now: Instant) -> Ticket {
        match once.claim(key, &"asked", now) {
            Claim::New(ticket) => ticket,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_was_done_is_not_done_again() {
        let once = Arc::<Once>::default();
        let now = Instant::now();
        let first = ticket(&once, "a", now);
        assert!(matches!(once.claim("a", &"asked", now), Claim::Running));
        assert!(matches!(once.claim("a", &"something else", now), Claim::Other));
        let _second = ticket(&once, "b", now);
        first.done("answer".into());
        assert!(matches!(once.claim("a", &"asked", now), Claim::Done(answer) if answer == "answer"));
        assert!(matches!(once.claim("a", &"something else", now), Claim::Other));
        drop(ticket(&once, "a", now + LIFETIME));
    }

    #[test]
    fn what_failed_may_be_tried_again() {
        let once = Arc::<Once>::default();
        let now = Instant::now();
        drop(ticket(&once, "a", now));
        ticket(&once, "a", now).done("answer".into());
        assert!(matches!(once.claim("a", &"asked", now), Claim::Done(_)));
    }

    #[test]
    fn memory_has_an_end() {
        let once = Arc::<Once>::default();
        let now = Instant::now();
        for number in 0..MAX_ANSWERS + 10 {
            ticket(&once, &number.to_string(), now).done("x".into());
        }
        assert!(once.lock().calls.len() <= MAX_ANSWERS + 1);
        assert!(matches!(once.claim("0", &"asked", now), Claim::New(_)), "the oldest went");
        for number in 0..10 {
            ticket(&once, &format!("large {number}"), now).done(vec![0; MAX_BYTES / 4].into());
        }
        assert!(once.lock().bytes <= MAX_BYTES + MAX_BYTES / 4);
        drop(ticket(&once, "late", now + LIFETIME));
        let left = once.lock();
        assert_eq!((left.bytes, left.calls.len()), (0, 0));
        drop(left);
        // Failed calls leave no entries behind.
        for _ in 0..3 * MAX_ANSWERS {
            drop(ticket(&once, "failed", now));
        }
        assert!(once.lock().order.len() <= MAX_ANSWERS + 1);
    }
}
