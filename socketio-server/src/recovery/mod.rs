//! Recovery: the recent events and the disconnected sockets of one namespace.
//!
//! With recovery enabled, every recoverable event passes through [`RecoveryLog::emit`]: it gets an offset, is
//! sent to the connected sockets, and is kept for the disconnected ones, all under one lock. Offsets
//! therefore grow for every client, and no event is lost between disconnection and recovery.

mod ahead;
mod direct;
mod ordered;
mod store;

use std::collections::{HashMap, VecDeque};
use std::fmt::{self, Write};
use std::sync::Arc;
use std::time::Instant;

use engineio::Prepared;
use engineio::sync::{Mutex, hold_wakeups};

pub use self::direct::EchoId;
pub(crate) use self::direct::{DirectQueue, DirectTicket};
pub(crate) use self::ordered::OrderedLog;
use self::ordered::Watch;
pub use self::store::{BoxFuture, Lease, MissedEvent, Restored, SessionStore, StoredSession};
use crate::config::Recovery;
use crate::id::log_id;
use crate::rooms::{Room, Target};
use crate::socket_data::SocketData;

/// Reason why a client was not recovered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NotRecovered {
    /// The `pid` is unknown on this server, already recovered, or expired.
    UnknownSession,
    /// The events since the offset are not all kept, or the offset is from another log.
    UnknownOffset,
    /// The store of the cluster did not answer in time, or this server did not receive the latest events from it.
    Unavailable,
}

impl fmt::Display for NotRecovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownSession => "the session is unknown or has expired",
            Self::UnknownOffset => "some events since the offset are no longer kept",
            Self::Unavailable => "the store of sessions cannot be reached",
        })
    }
}

/// A disconnected socket that may be recovered.
#[derive(Debug)]
pub(crate) struct AwaySocket {
    pub(crate) sid: Arc<str>,
    pub(crate) pid: Arc<str>,
    pub(crate) rooms: Vec<Room>,
    pub(crate) data: SocketData,
}

/// A recovery in progress, with the missed events so far.
#[derive(Debug)]
pub(crate) struct PendingRecovery {
    pub(crate) away: AwaySocket,
    missed: Vec<Prepared>,
    /// The number of the next event to examine.
    next: u64,
    left: Instant,
    /// The deliveries meanwhile, if the events come from the store of the cluster.
    watch: Option<Watch>,
    lease: Lease,
}

impl PendingRecovery {
    fn from_store(away: AwaySocket, missed: Vec<Prepared>, watch: Watch, lease: Lease) -> Self {
        Self { away, missed, next: 0, left: Instant::now(), watch: Some(watch), lease }
    }

    /// The lease of the session, if it is from the store of the cluster.
    pub(crate) fn lease(&self) -> Lease {
        self.lease
    }
}

/// The recovery log of one namespace.
pub(crate) struct RecoveryLog {
    settings: Recovery,
    /// Prefix of the offsets. It distinguishes them from the offsets of other logs and of earlier runs of
    /// this server.
    prefix: Arc<str>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    entries: VecDeque<Entry>,
    /// The number of the oldest kept event.
    first: u64,
    bytes: usize,
    away: HashMap<Arc<str>, (Instant, AwaySocket)>,
    /// The keys of `away` by time. An entry of a recovered socket stays and is skipped.
    departures: VecDeque<(Instant, Arc<str>)>,
}

/// What the log no longer keeps. It is dropped after the lock is released, because bytes of events and data of
/// sockets may belong to the application.
#[derive(Default)]
struct Forgotten {
    entries: Vec<Entry>,
    away: Vec<AwaySocket>,
}

struct Entry {
    at: Instant,
    target: Target,
    message: Prepared,
    bytes: usize,
}

impl RecoveryLog {
    pub(crate) fn new(settings: Recovery) -> Self {
        Self { settings, prefix: log_id(), state: Mutex::default() }
    }

    pub(crate) fn settings(&self) -> &Recovery {
        &self.settings
    }

    /// Encodes an event with its offset, sends it, and keeps it. Nothing is encoded if no socket is selected
    /// and none may be recovered.
    pub(crate) fn emit<E>(
        &self,
        target: &Target,
        has_receivers: impl FnOnce() -> bool,
        make: impl FnOnce(&str) -> Result<Prepared, E>,
        deliver: impl FnOnce(&Prepared),
    ) -> Result<(), E> {
        let _held = hold_wakeups();
        let mut forgotten = Forgotten::default();
        let mut state = self.state.lock();
        let now = Instant::now();
        state.forget(now, &self.settings, &mut forgotten);
        if state.away.is_empty() && !has_receivers() {
            return Ok(());
        }
        let message = make(&self.offset(state.next()))?;
        deliver(&message);
        state.keep(Entry::new(now, target.clone(), &message));
        Ok(())
    }

    /// Runs `leave`, which removes a socket from its rooms, and keeps the socket if it may be recovered.
    pub(crate) fn leave(&self, away: Option<AwaySocket>, leave: impl FnOnce()) {
        let _held = hold_wakeups();
        let mut forgotten = Forgotten::default();
        let mut state = self.state.lock();
        leave();
        let Some(away) = away else { return };
        let now = Instant::now();
        state.forget(now, &self.settings, &mut forgotten);
        state.departures.push_back((now, Arc::clone(&away.pid)));
        let earlier = state.away.insert(Arc::clone(&away.pid), (now, away));
        forgotten.away.extend(earlier.map(|(_, away)| away));
        state.trim(self.settings.max_sessions, &mut forgotten);
    }

    /// Whether the socket with this `pid` is disconnected and may be recovered.
    pub(crate) fn is_away(&self, pid: &str) -> bool {
        self.state.lock().away.contains_key(pid)
    }

    /// Starts the recovery of a client by its `pid` and its last offset.
    pub(crate) fn claim(&self, pid: &str, offset: &str) -> Result<PendingRecovery, NotRecovered> {
        let mut forgotten = Forgotten::default();
        let mut state = self.state.lock();
        state.forget(Instant::now(), &self.settings, &mut forgotten);
        let seen = self.number(offset);
        let (left, away) = state.away.remove(pid).ok_or(NotRecovered::UnknownSession)?;
        let next = match seen {
            Some(seen) if seen < state.next() && seen + 1 >= state.first => seen + 1,
            _ => {
                forgotten.away.push(away);
                return Err(NotRecovered::UnknownOffset);
            }
        };
        let mut pending =
            PendingRecovery { away, missed: Vec::new(), next, left, watch: None, lease: Lease::default() };
        state.catch_up(&mut pending);
        Ok(pending)
    }

    /// Runs `admit`, which adds the socket to its rooms, with all missed events. `Err` means that middlewares
    /// took too long and the last part of the events is lost.
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
        // Both are dropped after the lock is released.
        let missed;
        let state = self.state.lock();
        if !state.catch_up(&mut pending) {
            return admit(Err(NotRecovered::UnknownOffset), &[]);
        }
        missed = std::mem::take(&mut pending.missed);
        admit(Ok(Some(pending)), &missed)
    }

    /// Returns a recovery that a middleware refused. The client may try again until the original deadline.
    pub(crate) fn put_back(&self, PendingRecovery { away, left, .. }: PendingRecovery) {
        let mut forgotten = Forgotten::default();
        let mut state = self.state.lock();
        // The entry in `departures` still exists, unless it expired in the meantime.
        if state.departed(left, &away.pid) {
            let earlier = state.away.insert(Arc::clone(&away.pid), (left, away));
            forgotten.away.extend(earlier.map(|(_, away)| away));
            state.trim(self.settings.max_sessions, &mut forgotten);
        } else {
            forgotten.away.push(away);
        }
    }

    fn offset(&self, number: u64) -> String {
        let mut offset = String::with_capacity(self.prefix.len() + 17);
        offset.push_str(&self.prefix);
        let _ = write!(offset, ".{number:x}");
        offset
    }

    fn number(&self, offset: &str) -> Option<u64> {
        let digits = offset.strip_prefix(&*self.prefix)?.strip_prefix('.')?;
        u64::from_str_radix(digits, 16).ok()
    }
}

impl Entry {
    fn new(at: Instant, target: Target, message: &Prepared) -> Self {
        let rooms = target.rooms.iter().chain(&target.except).map(|room| room.len() + 32).sum::<usize>();
        let bytes = size_of::<Self>() + message.wire_len() + rooms;
        // Compressed forms would not be counted.
        Self { at, target, message: message.without_forms(), bytes }
    }
}

impl State {
    fn next(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    fn keep(&mut self, entry: Entry) {
        self.bytes += entry.bytes;
        self.entries.push_back(entry);
    }

    /// Removes expired events and sockets, and events beyond the size limit. No timer is needed: without
    /// traffic nothing grows.
    fn forget(&mut self, now: Instant, settings: &Recovery, forgotten: &mut Forgotten) {
        let too_old = |at: Instant| now.duration_since(at) > settings.max_disconnection_duration;
        while let Some(oldest) = self.entries.front() {
            if self.bytes <= settings.max_bytes && !too_old(oldest.at) {
                break;
            }
            self.bytes -= oldest.bytes;
            forgotten.entries.extend(self.entries.pop_front());
            self.first += 1;
        }
        while self.departures.front().is_some_and(|(at, _)| too_old(*at)) {
            self.forget_oldest(forgotten);
        }
    }

    fn trim(&mut self, max_sessions: usize, forgotten: &mut Forgotten) {
        while self.away.len() > max_sessions || self.departures.len() > max_sessions.saturating_mul(2) {
            self.forget_oldest(forgotten);
        }
    }

    /// Whether this disconnection is still recorded.
    fn departed(&self, left: Instant, pid: &str) -> bool {
        let first = self.departures.partition_point(|(at, _)| *at < left);
        self.departures.range(first..).take_while(|(at, _)| *at == left).any(|(_, other)| **other == *pid)
    }

    fn forget_oldest(&mut self, forgotten: &mut Forgotten) {
        let Some((left, pid)) = self.departures.pop_front() else { return };
        // The socket may have been recovered, and may have left again.
        if self.away.get(&pid).is_some_and(|(at, _)| *at == left) {
            forgotten.away.extend(self.away.remove(&pid).map(|(_, away)| away));
        }
    }

    /// Adds the events since the last call. `false` if a part of them is lost.
    fn catch_up(&self, pending: &mut PendingRecovery) -> bool {
        let Some(skip) = pending.next.checked_sub(self.first) else { return false };
        let rooms = &pending.away.rooms;
        let missed = self.entries.iter().skip(usize::try_from(skip).unwrap_or(usize::MAX));
        pending
            .missed
            .extend(missed.filter(|entry| entry.target.matches(rooms)).map(|entry| entry.message.clone()));
        pending.next = self.next();
        true
    }
}

impl fmt::Debug for RecoveryLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.lock();
        f.debug_struct("RecoveryLog")
            .field("entries", &state.entries.len())
            .field("bytes", &state.bytes)
            .field("away", &state.away.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
