//! A medium that orders all messages, as a stream of Redis does, with a store of sessions.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socketio_server::cluster::{
    Adapter, AdapterError, AdapterHealth, BoxFuture, ClusterInbox, ClusterLink, EchoId, Lease, Message,
    MissedEvent, NodeId, Offset, Presence, Restored, SessionStore, StoredSession,
};
use socketio_server::{NotRecovered, Recovery};
use tokio::sync::watch;

/// The stream. Clones share it.
#[derive(Clone)]
pub(crate) struct Stream {
    entries: watch::Sender<Vec<Entry>>,
    pub(crate) sessions: Arc<Mutex<HashMap<String, StoredSession>>>,
    /// How many entries a node reads, by the order in which the nodes joined.
    pub(crate) readers: Arc<Mutex<Vec<watch::Sender<usize>>>>,
    /// While set, publishing returns an error although the entry is added.
    pub(crate) lies: Arc<AtomicBool>,
    /// While set, the store has read, and does not answer.
    pub(crate) holds: watch::Sender<bool>,
    /// The health of all links.
    pub(crate) health: watch::Sender<AdapterHealth>,
    has_store: bool,
}

#[derive(Clone)]
struct Entry {
    from: NodeId,
    message: Message,
    echo: Option<EchoId>,
}

struct StreamLink {
    stream: Stream,
    node: NodeId,
}

/// The entry at this index.
fn offset(index: usize) -> Offset {
    Offset::new(index as u128 + 1, format!("entry-{}", index + 1))
}

impl Stream {
    pub(crate) fn new(has_store: bool) -> Self {
        Self {
            entries: watch::Sender::default(),
            sessions: Arc::default(),
            readers: Arc::default(),
            lies: Arc::default(),
            holds: watch::Sender::default(),
            health: watch::Sender::default(),
            has_store,
        }
    }

    /// The node reads nothing any more.
    pub(crate) fn pause(&self, node: usize) {
        let read = self.entries.borrow().len();
        self.readers.lock().unwrap()[node].send_replace(read);
    }

    pub(crate) fn resume(&self, node: usize) {
        self.readers.lock().unwrap()[node].send_replace(usize::MAX);
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.borrow().len()
    }

    fn add(&self, from: &NodeId, message: &Message, echo: Option<EchoId>) -> Result<(), AdapterError> {
        let entry = Entry { from: from.clone(), message: message.clone(), echo };
        self.entries.send_modify(|entries| entries.push(entry));
        if self.lies.load(Ordering::SeqCst) { Err(AdapterError::new("no answer")) } else { Ok(()) }
    }
}

impl Adapter for Stream {
    fn open(&self, inbox: ClusterInbox) -> Arc<dyn ClusterLink> {
        let (reader, mut may_read) = watch::channel(usize::MAX);
        self.readers.lock().unwrap().push(reader);
        let (node, stream) = (inbox.node().clone(), self.clone());
        let mut entries = self.entries.subscribe();
        tokio::spawn(async move {
            // The whole stream is read, from its beginning.
            let mut read = 0;
            while inbox.is_open() {
                let entry = entries.borrow_and_update().get(read).cloned();
                let Some(entry) = entry.filter(|_| read < *may_read.borrow_and_update()) else {
                    tokio::select! {
                        changed = entries.changed() => changed.unwrap(),
                        changed = may_read.changed() => if changed.is_err() { return },
                    }
                    continue;
                };
                match entry.echo.filter(|_| entry.from == *inbox.node()) {
                    Some(echo) => inbox.receive_echo(echo, &offset(read)),
                    None => inbox.receive(entry.from, entry.message, Some(offset(read))).await,
                }
                inbox.advance(&offset(read));
                read += 1;
            }
        });
        Arc::new(StreamLink { stream, node })
    }
}

impl ClusterLink for StreamLink {
    fn publish<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), AdapterError>> {
        Box::pin(async { self.stream.add(&self.node, message, None) })
    }

    fn echoes(&self, _: &Message) -> bool {
        true
    }

    fn publish_echoed<'a>(
        &'a self,
        message: &'a Message,
        echo: EchoId,
    ) -> BoxFuture<'a, Result<(), AdapterError>> {
        Box::pin(async move { self.stream.add(&self.node, message, Some(echo)) })
    }

    fn sessions(&self) -> Option<Arc<dyn SessionStore>> {
        self.stream.has_store.then(|| Arc::new(self.stream.clone()) as _)
    }

    fn presence(&self) -> Presence {
        Presence::Counted
    }

    fn health(&self) -> watch::Receiver<AdapterHealth> {
        self.stream.health.subscribe()
    }

    fn count_others(&self) -> BoxFuture<'_, Result<usize, AdapterError>> {
        Box::pin(async { Ok(self.stream.readers.lock().unwrap().len() - 1) })
    }
}

impl SessionStore for Stream {
    fn persist(
        &self,
        session: StoredSession,
        _: Lease,
        keep_for: Duration,
    ) -> BoxFuture<'_, Result<(), AdapterError>> {
        assert_eq!(keep_for, Recovery::default().max_disconnection_duration);
        Box::pin(async {
            self.sessions.lock().unwrap().insert(session.pid.clone(), session);
            Ok(())
        })
    }

    fn restore<'a>(
        &'a self,
        pid: &'a str,
        seen: &'a str,
        _: Lease,
    ) -> BoxFuture<'a, Result<Restored, NotRecovered>> {
        Box::pin(async move {
            let session = self.sessions.lock().unwrap().remove(pid).ok_or(NotRecovered::UnknownSession)?;
            let seen = seen.strip_prefix("entry-").and_then(|seen| seen.parse::<usize>().ok());
            let seen = seen.ok_or(NotRecovered::UnknownOffset)?;
            let entries = self.entries.borrow().clone();
            let missed =
                entries.iter().enumerate().skip(seen).filter_map(|(index, entry)| match &entry.message {
                    Message::Broadcast { target, flags, event, request: None } if !flags.volatile => {
                        let (target, event) = (target.clone(), event.clone());
                        Some(MissedEvent { offset: offset(index), target, event })
                    }
                    _ => None,
                });
            let (missed, read_to) = (missed.collect(), offset(entries.len() - 1));
            self.holds.subscribe().wait_for(|holds| !holds).await.unwrap();
            Ok(Restored { session, missed, read_to })
        })
    }
}
