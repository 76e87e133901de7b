//! What a client that comes back may have missed: the last events of one namespace, and the sockets that went away.
//!
//! While recovery is on, every event that a client could recover goes through [`Log::emit`]: it gets its offset,
//! leaves for those who are there, and is kept for those who are not, all under one lock. So every client sees the
//! offsets grow, and nothing can fall between a socket's leaving and its coming back.

use std::collections::{HashMap, VecDeque};
use std::fmt::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use engineio::Prepared;

use crate::config::Recovery;
use crate::id::log_id;
use crate::rooms::{Room, Target};
use crate::socket_data::SocketData;

/// Why a client that asked for its old state starts anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NotRecovered {
    /// No socket with this `pid` went away here, or it has come back already, or too long ago.
    UnknownSession,
    /// The last event that the client saw is not kept any more, or never was one of ours.
    UnknownOffset,
}

impl fmt::Display for NotRecovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownSession => "the session is not known or has expired",
            Self::UnknownOffset => "the events since the offset are not all kept",
        })
    }
}

/// A socket that went away and may come back.
#[derive(Debug)]
pub(crate) struct Away {
    pub(crate) sid: Arc<str>,
    pub(crate) pid: Arc<str>,
    pub(crate) rooms: Vec<Room>,
    pub(crate) data: SocketData,
}

/// A socket that has come back, and what it missed so far.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) away: Away,
    missed: Vec<Prepared>,
    /// The first event that was not looked at yet.
    next: u64,
    left: Instant,
}

/// The recovery of one namespace.
pub(crate) struct Log {
    settings: Recovery,
    /// Offsets of another log, or of this server before it was restarted, are not ours.
    prefix: Arc<str>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    entries: VecDeque<Entry>,
    /// The number of the first entry that is kept.
    first: u64,
    bytes: usize,
    away: HashMap<Arc<str>, (Instant, Away)>,
    /// The same in the order of time; one that has come back in the meantime is only skipped.
    departures: VecDeque<(Instant, Arc<str>)>,
}

struct Entry {
    at: Instant,
    target: Target,
    message: Prepared,
    bytes: usize,
}

impl Log {
    pub(crate) fn new(settings: Recovery) -> Self {
        Self { settings, prefix: log_id(), state: Mutex::default() }
    }

    pub(crate) fn settings(&self) -> &Recovery {
        &self.settings
    }

    /// Makes an event with the offset that it is given, delivers it to those who are there, and keeps it. Nothing is
    /// made if nobody is there and nobody can come back.
    pub(crate) fn emit<E>(
        &self,
        target: &Target,
        anybody: impl FnOnce() -> bool,
        make: impl FnOnce(&str) -> Result<Prepared, E>,
        deliver: impl FnOnce(&Prepared),
    ) -> Result<(), E> {
        let mut state = self.lock();
        let now = Instant::now();
        state.forget(now, &self.settings);
        if state.away.is_empty() && !anybody() {
            return Ok(());
        }
        let message = make(&self.offset(state.next()))?;
        deliver(&message);
        state.keep(Entry::new(now, target.clone(), message));
        Ok(())
    }

    /// Runs `leave`, which takes a socket out of its rooms, and remembers the socket if it may come back.
    pub(crate) fn leave(&self, away: Option<Away>, leave: impl FnOnce()) {
        let mut state = self.lock();
        leave();
        let Some(away) = away else { return };
        let now = Instant::now();
        state.forget(now, &self.settings);
        state.departures.push_back((now, Arc::clone(&away.pid)));
        state.away.insert(Arc::clone(&away.pid), (now, away));
        state.trim(self.settings.max_sessions);
    }

    /// A client says who it was and what it saw last.
    pub(crate) fn claim(&self, pid: &str, offset: &str) -> Result<Claim, NotRecovered> {
        let mut state = self.lock();
        state.forget(Instant::now(), &self.settings);
        let seen = self.number(offset);
        let (left, away) = state.away.remove(pid).ok_or(NotRecovered::UnknownSession)?;
        let next = match seen {
            Some(seen) if seen < state.next() && seen + 1 >= state.first => seen + 1,
            _ => return Err(NotRecovered::UnknownOffset),
        };
        let mut claim = Claim { away, missed: Vec::new(), next, left };
        state.catch_up(&mut claim);
        Ok(claim)
    }

    /// Runs `admit`, which puts the socket into its rooms, with everything that it missed. `Err` says that the last
    /// part of it is lost because middlewares took too long.
    pub(crate) fn admit<R>(
        &self,
        claim: Option<Claim>,
        admit: impl FnOnce(Result<Option<Claim>, NotRecovered>, &[Prepared]) -> R,
    ) -> R {
        let state = self.lock();
        let Some(mut claim) = claim else { return admit(Ok(None), &[]) };
        if !state.catch_up(&mut claim) {
            return admit(Err(NotRecovered::UnknownOffset), &[]);
        }
        let missed = std::mem::take(&mut claim.missed);
        admit(Ok(Some(claim)), &missed)
    }

    /// A middleware refused the client, which may try again for as long as it could have before.
    pub(crate) fn put_back(&self, Claim { away, left, .. }: Claim) {
        let mut state = self.lock();
        // Its departure stayed where it was, unless its time was up in the meantime.
        if state.departed(left, &away.pid) {
            state.away.insert(Arc::clone(&away.pid), (left, away));
            state.trim(self.settings.max_sessions);
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

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn new(at: Instant, target: Target, message: Prepared) -> Self {
        let rooms = target.rooms.iter().chain(&target.except).map(|room| room.len() + 32).sum::<usize>();
        let bytes = size_of::<Self>() + message.wire_len() + rooms;
        Self { at, target, message, bytes }
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

    /// Forgets what is too old or too much. Without traffic nothing is forgotten, and nothing grows either.
    fn forget(&mut self, now: Instant, settings: &Recovery) {
        let too_old = |at: Instant| now.duration_since(at) > settings.max_disconnection_duration;
        while let Some(oldest) = self.entries.front() {
            if self.bytes <= settings.max_bytes && !too_old(oldest.at) {
                break;
            }
            self.bytes -= oldest.bytes;
            self.entries.pop_front();
            self.first += 1;
        }
        while self.departures.front().is_some_and(|(at, _)| too_old(*at)) {
            self.forget_oldest();
        }
    }

    fn trim(&mut self, max_sessions: usize) {
        while self.away.len() > max_sessions || self.departures.len() > max_sessions.saturating_mul(2) {
            self.forget_oldest();
        }
    }

    /// Whether this departure is still remembered.
    fn departed(&self, left: Instant, pid: &str) -> bool {
        let first = self.departures.partition_point(|(at, _)| *at < left);
        self.departures.range(first..).take_while(|(at, _)| *at == left).any(|(_, other)| **other == *pid)
    }

    fn forget_oldest(&mut self) {
        let Some((left, pid)) = self.departures.pop_front() else { return };
        // It may have come back, and even left again.
        if self.away.get(&pid).is_some_and(|(at, _)| *at == left) {
            self.away.remove(&pid);
        }
    }

    /// Adds what came since the claim was last looked at. `false` if a part of it is gone.
    fn catch_up(&self, claim: &mut Claim) -> bool {
        let Some(skip) = claim.next.checked_sub(self.first) else { return false };
        let rooms = &claim.away.rooms;
        let missed = self.entries.iter().skip(usize::try_from(skip).unwrap_or(usize::MAX));
        claim
            .missed
            .extend(missed.filter(|entry| entry.target.means(rooms)).map(|entry| entry.message.clone()));
        claim.next = self.next();
        true
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Log")
            .field("entries", &state.entries.len())
            .field("bytes", &state.bytes)
            .field("away", &state.away.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
