//! The handlers of a socket, their arguments out of sight.
//!
//! Everything here is generic over the context that a handler is called with, so that it need not know what a
//! socket is.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a handler has begun.
pub(crate) type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A handler. `None` says that it could not be called, which has been reported.
pub(crate) type Call<C> = Arc<dyn Fn(C) -> Option<Work> + Send + Sync>;

/// Names a registered handler, to take it out again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HandlerId(u64);

impl HandlerId {
    fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// Handlers of one kind, in the order in which they are called.
pub(crate) struct List<T: ?Sized>(Vec<(HandlerId, Arc<T>)>);

/// Handlers of events. There are few, so they are looked for one by one.
pub(crate) struct Table<C> {
    named: Vec<Named<C>>,
    pub(crate) any: List<dyn Fn(C) -> Option<Work> + Send + Sync>,
}

struct Named<C> {
    id: HandlerId,
    event: Box<str>,
    once: bool,
    call: Call<C>,
}

impl<T: ?Sized> List<T> {
    pub(crate) fn push(&mut self, call: Arc<T>) -> HandlerId {
        let id = HandlerId::next();
        self.0.push((id, call));
        id
    }

    pub(crate) fn push_front(&mut self, call: Arc<T>) -> HandlerId {
        let id = HandlerId::next();
        self.0.insert(0, (id, call));
        id
    }

    pub(crate) fn remove(&mut self, id: HandlerId) -> bool {
        let before = self.0.len();
        self.0.retain(|(known, _)| *known != id);
        self.0.len() < before
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn calls(&self) -> Vec<Arc<T>> {
        self.0.iter().map(|(_, call)| Arc::clone(call)).collect()
    }
}

impl<C> Table<C> {
    pub(crate) fn on(&mut self, event: &str, once: bool, call: Call<C>) -> HandlerId {
        let id = HandlerId::next();
        self.named.push(Named { id, event: event.into(), once, call });
        id
    }

    /// The handlers to call for an event: those of any event, then its own. Those that wanted to be called once are
    /// called now for the last time.
    pub(crate) fn calls(&mut self, event: &str) -> Vec<Call<C>> {
        let mut calls = self.any.calls();
        calls.extend(
            self.named.iter().filter(|named| *named.event == *event).map(|named| Arc::clone(&named.call)),
        );
        if self.named.iter().any(|named| named.once) {
            self.named.retain(|named| !(named.once && *named.event == *event));
        }
        calls
    }

    pub(crate) fn remove(&mut self, id: HandlerId) -> bool {
        let before = self.named.len();
        self.named.retain(|named| named.id != id);
        self.named.len() < before || self.any.remove(id)
    }

    pub(crate) fn remove_event(&mut self, event: &str) {
        self.named.retain(|named| *named.event != *event);
    }
}

impl<T: ?Sized> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<C> Default for Table<C> {
    fn default() -> Self {
        Self { named: Vec::new(), any: List::default() }
    }
}

impl<C> fmt::Debug for Table<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.named.iter().map(|named| &named.event)).finish()
    }
}
