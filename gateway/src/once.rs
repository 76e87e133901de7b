//! Calls that are carried out once, however often they are asked for: each has a key that its caller chose.
//!
//! Who asked and heard no answer asks again with the same key, and gets the answer of the first time. Only what was
//! done is remembered; a call that failed changed nothing, and may be tried again.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

/// How long an answer is remembered.
const LIFETIME: Duration = Duration::from_secs(600);
/// So many are remembered at most; then the oldest are forgotten.
const MAX_ANSWERS: usize = 10_000;
/// And so many bytes of them.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// The calls that have a key.
#[derive(Debug, Default)]
pub(crate) struct Once {
    inner: Mutex<Inner>,
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Inner {
    calls: HashMap<String, Call>,
    /// The keys in the order in which they came. One that is forgotten and comes again is there twice, which its
    /// number tells.
    order: VecDeque<(String, u64)>,
    bytes: usize,
    next: u64,
}

#[derive(Debug)]
struct Call {
    number: u64,
    since: Instant,
    /// What was asked for.
    asked: u64,
    /// What was answered, once that is known.
    answer: Option<Bytes>,
}

/// What is known of a key.
#[derive(Debug)]
pub(crate) enum Claim {
    /// Nothing: go ahead.
    New(Ticket),
    /// It was done, and this was the answer.
    Done(Bytes),
    /// It is being done.
    Running,
    /// Something else was asked for with this key.
    Other,
}

/// The right to carry a call out. Dropped without an answer, the key is free again.
#[derive(Debug)]
pub(crate) struct Ticket {
    once: Arc<Once>,
    key: String,
    number: u64,
}

impl Once {
    /// Somebody asks for something with a key.
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

    /// Every change is whole, so a panic elsewhere is no reason to stop.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Forgets what is too old or too much.
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
    /// It is done, and this is the answer.
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
        // Those that failed leave nothing behind either.
        for _ in 0..3 * MAX_ANSWERS {
            drop(ticket(&once, "failed", now));
        }
        assert!(once.lock().order.len() <= MAX_ANSWERS + 1);
    }
}
