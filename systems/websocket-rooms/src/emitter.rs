//! Event handlers: added, removed, and called in sequence.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::pin::Pin;
use std::sync::Arc;

use engineio::sync::RwLock;

/// An event for which handlers can be added.
pub trait Event: Clone + Send + 'static {
    /// The kind of the event, which selects its handlers.
    type Kind: Copy + Eq + Hash + fmt::Debug + Send + Sync + 'static;

    /// The kind of this event.
    fn kind(&self) -> Self::Kind;
}

/// Calls the handlers of events in the order in which they were added; each call completes before the next
/// one starts.
pub struct Emitter<E: Event>(RwLock<Table<E>>);

/// The id of a handler, for its removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HandlerId(u64);

struct Table<E: Event> {
    next: u64,
    handlers: HashMap<E::Kind, Vec<Entry<E>>>,
}

type Handler<E> = Arc<dyn Fn(E) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

struct Entry<E> {
    id: HandlerId,
    once: bool,
    handler: Handler<E>,
}

impl<E: Event> Emitter<E> {
    /// An emitter without handlers.
    pub fn new() -> Self {
        Self(RwLock::new(Table { next: 0, handlers: HashMap::new() }))
    }

    /// Adds a handler.
    pub fn on<F, Fut>(&self, kind: E::Kind, handler: F) -> HandlerId
    where
        F: Fn(E) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.add(kind, false, Arc::new(move |event| Box::pin(handler(event))))
    }

    /// Adds a handler for the events for which `handler` returns a future.
    pub(crate) fn on_those<F, Fut>(&self, kind: E::Kind, handler: F) -> HandlerId
    where
        F: Fn(E) -> Option<Fut> + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.on(kind, move |event| {
            let called = handler(event);
            async move {
                if let Some(called) = called {
                    called.await;
                }
            }
        })
    }

    /// Adds a handler that is called for the next event only.
    pub fn once<F, Fut>(&self, kind: E::Kind, handler: F) -> HandlerId
    where
        F: Fn(E) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.add(kind, true, Arc::new(move |event| Box::pin(handler(event))))
    }

    /// Removes a handler. Returns false if it does not exist (any more).
    pub fn off(&self, id: HandlerId) -> bool {
        let mut table = self.0.write();
        let mut found = false;
        for entries in table.handlers.values_mut() {
            entries.retain(|entry| {
                found |= entry.id == id;
                entry.id != id
            });
        }
        found
    }

    /// Number of handlers of an event.
    pub fn len(&self, kind: E::Kind) -> usize {
        let table = self.0.read();
        table.handlers.get(&kind).map_or(0, Vec::len)
    }

    /// Whether an event has no handler.
    pub fn is_empty(&self, kind: E::Kind) -> bool {
        self.len(kind) == 0
    }

    /// Calls the handlers in sequence, and waits for each.
    pub async fn emit(&self, event: E) {
        for handler in self.called(event.kind()) {
            handler(event.clone()).await;
        }
    }

    fn add(&self, kind: E::Kind, once: bool, handler: Handler<E>) -> HandlerId {
        let mut table = self.0.write();
        let id = HandlerId(table.next);
        table.next += 1;
        table.handlers.entry(kind).or_default().push(Entry { id, once, handler });
        id
    }

    /// The handlers of one event. Handlers for a single call are removed here, so that two simultaneous
    /// events do not both call them.
    fn called(&self, kind: E::Kind) -> Vec<Handler<E>> {
        let read = |table: &Table<E>| {
            let entries = table.handlers.get(&kind)?;
            let once = entries.iter().any(|entry| entry.once);
            Some((once, entries.iter().map(|entry| Arc::clone(&entry.handler)).collect()))
        };
        match read(&self.0.read()) {
            None => return Vec::new(),
            Some((false, handlers)) => return handlers,
            Some((true, _)) => {}
        }
        let mut table = self.0.write();
        let handlers = read(&table).map_or_else(Vec::new, |(_, handlers)| handlers);
        if let Some(entries) = table.handlers.get_mut(&kind) {
            entries.retain(|entry| !entry.once);
        }
        handlers
    }
}

impl<E: Event> Default for Emitter<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E: Event> fmt::Debug for Emitter<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = self.0.read();
        f.debug_map().entries(table.handlers.iter().map(|(kind, entries)| (kind, entries.len()))).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Clone)]
    enum TestEvent {
        This(u8),
        That,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    enum Kind {
        This,
        That,
    }

    impl Event for TestEvent {
        type Kind = Kind;
        fn kind(&self) -> Kind {
            match self {
                Self::This(_) => Kind::This,
                Self::That => Kind::That,
            }
        }
    }

    #[tokio::test]
    async fn handlers_are_called_in_order_until_they_are_removed() {
        let calls: Arc<Mutex<Vec<(u8, u8)>>> = Arc::default();
        let emitter = Emitter::<TestEvent>::new();
        let handler = |number: u8| {
            let calls = Arc::clone(&calls);
            move |event| {
                if let TestEvent::This(value) = event {
                    calls.lock().unwrap().push((number, value));
                }
                async {}
            }
        };
        let first = emitter.on(Kind::This, handler(1));
        emitter.once(Kind::This, handler(2));
        emitter.on(Kind::This, handler(3));
        assert_eq!((emitter.len(Kind::This), emitter.is_empty(Kind::That)), (3, true));
        emitter.emit(TestEvent::This(0)).await;
        emitter.emit(TestEvent::This(1)).await;
        emitter.emit(TestEvent::That).await;
        assert!(emitter.off(first));
        assert!(!emitter.off(first));
        emitter.emit(TestEvent::This(2)).await;
        assert_eq!(*calls.lock().unwrap(), [(1, 0), (2, 0), (3, 0), (1, 1), (3, 1), (3, 2)]);
    }
}
