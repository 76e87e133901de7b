//! Recovery with the medium of the cluster: events have the offsets of the medium, and the missed ones come from there.
//!
//! A client that returns gets the events up to a position from the store, and the later ones from this node. In between
//! is a gap: this node may have handled later messages already, or not yet all of the earlier ones. While clients are
//! being restored, this node therefore keeps the events that it delivers; a client is admitted when this node has
//! reached the position of the store, under the lock that orders the deliveries, with the kept events after it.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use engineio::Prepared;
use engineio::sync::{Mutex, hold_wakeups};
use socketio_cluster::Offset;
use socketio_parser::Parser;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::ahead::{MARGIN, ReadSession, WriteAhead, Writer};
use super::store::{Lease, MissedEvent, Restored, SessionStore, StoredSession};
use super::{AwaySocket, NotRecovered, PendingRecovery};
use crate::config::Recovery;
use crate::encode;
use crate::rooms::{MemberKey, Target};
use crate::socket_data::SocketData;
use crate::trace;

/// Recovery of one namespace with the store of the adapter.
pub(crate) struct OrderedLog {
    namespace: Arc<str>,
    parser: Parser,
    settings: Recovery,
    /// Events with more binary parts are for no client.
    max_attachments: usize,
    store: Arc<dyn SessionStore>,
    /// Maximum wait for the store, and then for this node to reach its position.
    timeout: Duration,
    state: Mutex<State>,
    moved: Notify,
    /// The sessions of connected clients, if the store keeps them.
    ahead: Option<WriteAhead>,
    leases: AtomicU64,
}

#[derive(Default)]
struct State {
    /// The position up to which this node has handled all messages.
    position: u128,
    /// Number of clients that are being restored. While it is 0, nothing is kept.
    watches: usize,
    kept: VecDeque<Kept>,
    bytes: usize,
    /// The last event that was kept and removed again, as it exceeded the size limit.
    lost_to: u128,
}

struct Kept {
    position: u128,
    target: Target,
    message: Prepared,
    bytes: usize,
}

/// Keeps the deliveries of this node since its creation.
pub(super) struct Watch {
    log: Arc<OrderedLog>,
    /// The position up to which the store has read.
    read_to: u128,
}

impl OrderedLog {
    pub(crate) fn new(
        namespace: &Arc<str>,
        parser: Parser,
        settings: Recovery,
        max_attachments: usize,
        store: Arc<dyn SessionStore>,
        timeout: Duration,
    ) -> Self {
        Self {
            namespace: Arc::clone(namespace),
            parser,
            settings,
            max_attachments,
            ahead: store.writes_ahead().then(WriteAhead::default),
            store,
            timeout,
            state: Mutex::default(),
            moved: Notify::new(),
            leases: AtomicU64::new(0),
        }
    }

    /// Starts to write sessions ahead. Returns whether the store keeps them.
    pub(crate) fn start(self: &Arc<Self>) -> bool {
        if let Some(ahead) = &self.ahead {
            ahead.start(Arc::downgrade(self));
        }
        self.ahead.is_some()
    }

    /// The lease of a socket.
    pub(crate) fn next_lease(&self) -> Lease {
        Lease::from(self.leases.fetch_add(1, Ordering::Relaxed))
    }

    /// A socket is connected. Its session is written ahead until it leaves.
    pub(crate) fn connected(&self, key: MemberKey, pid: Arc<str>, lease: Lease, read: ReadSession) {
        if let Some(ahead) = &self.ahead {
            ahead.add(key, pid, lease, read);
        }
    }

    /// The rooms or the data of a socket have changed.
    pub(crate) fn session_changed(&self, key: MemberKey) {
        if let Some(ahead) = &self.ahead {
            ahead.mark(key);
        }
    }

    /// Ends the writing of a session whose client will not be recovered.
    pub(crate) fn forget(&self, key: MemberKey) {
        if let Some((pid, lease)) = self.ahead.as_ref().and_then(|ahead| ahead.remove(key)) {
            self.store.forget(&pid, lease);
        }
    }

    pub(crate) fn settings(&self) -> &Recovery {
        &self.settings
    }

    /// Delivers a message with its offset. Nothing is encoded if no socket is selected and none is being restored.
    pub(crate) fn deliver<E>(
        &self,
        offset: &Offset,
        target: &Target,
        has_receivers: impl FnOnce() -> bool,
        make: impl FnOnce(&str) -> Result<Prepared, E>,
        deliver: impl FnOnce(&Prepared),
    ) -> Result<(), E> {
        let _held = hold_wakeups();
        // Both are dropped after the lock is released: their bytes may belong to the application.
        let (message, mut removed);
        let mut state = self.state.lock();
        let is_watched = state.watches > 0;
        if is_watched || has_receivers() {
            message = make(offset.as_str())?;
            deliver(&message);
            if is_watched {
                removed = Vec::new();
                state.keep(
                    offset.number(),
                    target,
                    message.without_forms(),
                    self.settings.max_bytes,
                    &mut removed,
                );
            }
        }
        Ok(())
    }

    /// Whether clients are being restored, which need the events to their rooms.
    pub(crate) fn is_restoring(&self) -> bool {
        self.state.lock().watches > 0
    }

    /// Records that this node has handled all messages up to this position.
    pub(crate) fn advance(&self, offset: &Offset) {
        {
            let mut state = self.state.lock();
            state.position = state.position.max(offset.number());
        }
        self.moved.notify_waiters();
    }

    /// Runs `leave`, which removes a socket from its rooms, and keeps the socket if it may be recovered.
    pub(crate) fn leave(
        self: &Arc<Self>,
        key: MemberKey,
        lease: Lease,
        away: Option<AwaySocket>,
        leave: impl FnOnce(),
    ) {
        {
            let _held = hold_wakeups();
            let _ordered = self.state.lock();
            leave();
        }
        match away {
            Some(away) => {
                self.ahead.as_ref().map(|ahead| ahead.remove(key));
                self.persist(&away, lease);
            }
            None => self.forget(key),
        }
    }

    /// Restores a client by its `pid` and its last offset.
    pub(crate) async fn restore(
        self: Arc<Self>,
        pid: String,
        offset: String,
    ) -> Result<PendingRecovery, NotRecovered> {
        let mut watch = Watch::new(&self);
        let deadline = Instant::now() + self.timeout;
        let lease = self.next_lease();
        let restored = timeout_at(deadline, self.store.restore(&pid, &offset, lease)).await;
        let restored = restored.map_err(|_| NotRecovered::Unavailable)??;
        watch.read_to = restored.read_to.number();
        if timeout_at(deadline, self.reached(watch.read_to)).await.is_err() {
            return Err(NotRecovered::Unavailable);
        }
        self.pending(restored, watch, lease)
    }

    async fn reached(&self, position: u128) {
        loop {
            // Created before the check, so that a notification in between is not missed.
            let moved = self.moved.notified();
            if self.state.lock().position >= position {
                return;
            }
            moved.await;
        }
    }

    fn pending(
        &self,
        restored: Restored,
        watch: Watch,
        lease: Lease,
    ) -> Result<PendingRecovery, NotRecovered> {
        let StoredSession { sid, pid, mut rooms, data } = restored.session;
        let sid: Arc<str> = sid.into();
        if !rooms.contains(&sid) {
            rooms.insert(0, Arc::clone(&sid));
        }
        let mut missed = Vec::new();
        let is_missed = |event: &&MissedEvent| {
            event.event.args().attachments().len() <= self.max_attachments && event.target.matches(&rooms)
        };
        for event in restored.missed.iter().filter(is_missed) {
            let (name, args, offset) = (event.event.name(), event.event.args(), event.offset.as_str());
            let message = encode::event(self.parser, &self.namespace, None, name, args, Some(offset));
            // An event that cannot be encoded is lost, and the client must not take the rest for all.
            missed.push(message.map_err(|_| NotRecovered::UnknownOffset)?);
        }
        let kept_data = SocketData::default();
        kept_data.replace(data);
        let away = AwaySocket { sid, pid: pid.into(), rooms, data: kept_data };
        Ok(PendingRecovery::from_store(away, missed, watch, lease))
    }

    /// Runs `admit`, which adds the socket to its rooms, with all missed events. `Err` means that a part of them is lost.
    pub(crate) fn admit<R>(
        &self,
        pending: Option<PendingRecovery>,
        admit: impl FnOnce(Result<Option<PendingRecovery>, NotRecovered>, &[Prepared]) -> R,
    ) -> R {
        let _held = hold_wakeups();
        let Some(mut pending) = pending else {
            let _ordered = self.state.lock();
            return admit(Ok(None), &[]);
        };
        // The watch is dropped after the lock is released, because it locks too.
        let watch = pending.watch.take();
        let mut missed = std::mem::take(&mut pending.missed);
        let state = self.state.lock();
        let read_to = watch.as_ref().map_or(0, |watch| watch.read_to);
        if state.lost_to > read_to {
            return admit(Err(NotRecovered::UnknownOffset), &[]);
        }
        let later = state.kept.iter().filter(|kept| kept.position > read_to);
        let later = later.filter(|kept| kept.target.matches(&pending.away.rooms));
        missed.extend(later.map(|kept| kept.message.clone()));
        admit(Ok(Some(pending)), &missed)
    }

    /// Returns a recovery that a middleware refused, or whose client has disconnected. The client may try again.
    pub(crate) fn put_back(self: &Arc<Self>, pending: &PendingRecovery) {
        self.persist(&pending.away, pending.lease);
    }

    fn persist(self: &Arc<Self>, away: &AwaySocket, lease: Lease) {
        let session = StoredSession {
            sid: away.sid.to_string(),
            pid: away.pid.to_string(),
            rooms: away.rooms.clone(),
            data: away.data.to_value(),
        };
        // Without a runtime no message can be sent, and the session is lost.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let log = Arc::clone(self);
        runtime.spawn(async move {
            if let Err(error) =
                log.store.persist(session, lease, log.settings.max_disconnection_duration).await
            {
                trace::publish_failed("session", &error);
            }
        });
    }
}

impl Writer for OrderedLog {
    fn write_ahead(&self, also_old: bool) {
        let Some(ahead) = &self.ahead else { return };
        let keep_for = self.settings.max_disconnection_duration.saturating_add(MARGIN);
        ahead.write(also_old, |session, lease| {
            let written = self.store.write_ahead(session, lease, keep_for);
            written.inspect_err(|error| trace::publish_failed("session", error)).is_ok()
        });
    }
}

impl Watch {
    fn new(log: &Arc<OrderedLog>) -> Self {
        log.state.lock().watches += 1;
        Self { log: Arc::clone(log), read_to: 0 }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Dropped after the lock is released: their bytes may belong to the application.
        let _kept;
        let mut state = self.log.state.lock();
        state.watches -= 1;
        if state.watches == 0 {
            _kept = std::mem::take(&mut state.kept);
            (state.bytes, state.lost_to) = (0, 0);
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("read_to", &self.read_to).finish_non_exhaustive()
    }
}

impl State {
    /// Keeps an event. Those beyond the size limit are moved to `removed`.
    fn keep(
        &mut self,
        position: u128,
        target: &Target,
        message: Prepared,
        max_bytes: usize,
        removed: &mut Vec<Kept>,
    ) {
        let rooms = target.rooms.iter().chain(&target.except).map(|room| room.len() + 32).sum::<usize>();
        let bytes = size_of::<Kept>() + message.wire_len() + rooms;
        self.bytes += bytes;
        self.kept.push_back(Kept { position, target: target.clone(), message, bytes });
        while self.bytes > max_bytes {
            let Some(oldest) = self.kept.pop_front() else { return };
            self.bytes -= oldest.bytes;
            self.lost_to = self.lost_to.max(oldest.position);
            removed.push(oldest);
        }
    }
}

#[cfg(test)]
mod tests;
