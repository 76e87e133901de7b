//! Sessions of connected clients, written ahead into the store of the cluster, so that a node that crashes loses none.

use std::any::Any;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use engineio::sync::Mutex;
use tokio::sync::Notify;

use super::store::{Lease, StoredSession};
use crate::rooms::MemberKey;

/// Time in which all sessions are written again.
const PERIOD: Duration = Duration::from_secs(30);

/// Interval of the writing, each time of a part of the sessions.
const TICK: Duration = Duration::from_secs(1);

/// Wait for further changes of a session before it is written.
const COALESCE: Duration = Duration::from_millis(20);

/// How much longer the store keeps a session that was written ahead than that of a disconnected client: two periods,
/// since one write may be lost.
pub(super) const MARGIN: Duration = PERIOD.saturating_mul(2);

/// Reads the current session of a socket, and returns it with the socket. `None` if the socket has left.
pub(crate) type ReadSession =
    Box<dyn Fn() -> Option<(StoredSession, Arc<dyn Any + Send + Sync>)> + Send + Sync>;

/// The sessions of the connected clients of one namespace on this node.
#[derive(Default)]
pub(super) struct WriteAhead {
    live: Mutex<Live>,
    changed: Mutex<HashSet<MemberKey>>,
    wake: Arc<Notify>,
    /// Whether the sessions are written. Otherwise no change is remembered.
    runs: AtomicBool,
}

#[derive(Default)]
struct Live {
    sessions: HashMap<MemberKey, LiveSession>,
    /// The keys, that of the session that was written longest ago first. Those of sockets that have left are skipped.
    order: VecDeque<MemberKey>,
}

struct LiveSession {
    pid: Arc<str>,
    lease: Lease,
    read: ReadSession,
}

/// The owner of the sessions, which passes them to the store.
pub(super) trait Writer: Send + Sync + 'static {
    /// Writes the changed sessions; with `also_old` also those that were written longest ago.
    fn write_ahead(&self, also_old: bool);
}

impl WriteAhead {
    /// Starts to write, until the writer is dropped. Without a runtime nothing is written ahead.
    pub(super) fn start(&self, writer: Weak<impl Writer>) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        self.runs.store(true, Ordering::Relaxed);
        let wake = Arc::clone(&self.wake);
        runtime.spawn(async move {
            let mut ticks = tokio::time::interval(TICK);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                let is_tick = tokio::select! {
                    () = wake.notified() => false,
                    _ = ticks.tick() => true,
                };
                if !is_tick {
                    tokio::time::sleep(COALESCE).await;
                }
                let Some(writer) = writer.upgrade() else { return };
                writer.write_ahead(is_tick);
            }
        });
    }

    pub(super) fn add(&self, key: MemberKey, pid: Arc<str>, lease: Lease, read: ReadSession) {
        {
            let mut live = self.live.lock();
            live.sessions.insert(key, LiveSession { pid, lease, read });
            live.order.push_back(key);
        }
        self.mark(key);
    }

    /// The session has changed.
    pub(super) fn mark(&self, key: MemberKey) {
        if self.runs.load(Ordering::Relaxed) {
            self.changed.lock().insert(key);
            self.wake.notify_one();
        }
    }

    /// Ends the writing of a session. Returns its secret and its lease.
    pub(super) fn remove(&self, key: MemberKey) -> Option<(Arc<str>, Lease)> {
        let removed = self.live.lock().sessions.remove(&key)?;
        self.changed.lock().remove(&key);
        Some((removed.pid, removed.lease))
    }

    /// Passes the sessions that are due to `write`. One that `write` refuses stays changed.
    pub(super) fn write(&self, also_old: bool, write: impl Fn(StoredSession, Lease) -> bool) {
        let mut due = std::mem::take(&mut *self.changed.lock());
        // Dropped after the lock is released: the last handle of a socket drops what belongs to the application.
        let mut sockets = Vec::new();
        // Under the lock: a session that is removed afterwards has been written before.
        let mut live = self.live.lock();
        if also_old {
            let part = live.order.len().div_ceil((PERIOD.as_secs() / TICK.as_secs()) as usize);
            for _ in 0..part {
                let Some(key) = live.order.pop_front() else { break };
                if live.sessions.contains_key(&key) {
                    live.order.push_back(key);
                    due.insert(key);
                }
            }
        }
        for key in due {
            let Some(session) = live.sessions.get(&key) else { continue };
            let Some((stored, socket)) = (session.read)() else { continue };
            sockets.push(socket);
            if !write(stored, session.lease) {
                // Tried again with the next tick or change.
                self.changed.lock().insert(key);
            }
        }
    }
}

impl Drop for WriteAhead {
    fn drop(&mut self) {
        self.wake.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rooms::test_key;

    fn session(rooms: &[&str]) -> StoredSession {
        StoredSession {
            sid: "sid".to_owned(),
            pid: "pid".to_owned(),
            rooms: rooms.iter().map(|room| (*room).into()).collect(),
            data: serde_json::Value::Null,
        }
    }

    /// Only changed sessions are written at once, all of them from time to time, and none after it has ended. What is
    /// refused is written again.
    #[test]
    fn sessions_are_written_when_they_change_and_from_time_to_time() {
        let ahead = WriteAhead::default();
        ahead.runs.store(true, Ordering::Relaxed);
        let (key, lease) = (test_key(), Lease::from(7));
        let written = Mutex::new(Vec::new());
        let write = |also_old, accept| {
            ahead.write(also_old, |session, lease| {
                written.lock().push((session, lease));
                accept
            });
            std::mem::take(&mut *written.lock())
        };
        ahead.add(key, "pid".into(), lease, Box::new(|| Some((session(&["sid"]), Arc::new(())))));
        assert_eq!(write(false, false), [(session(&["sid"]), lease)]);
        assert_eq!(write(false, true).len(), 1, "it was refused");
        assert_eq!(write(false, true).len(), 0, "nothing has changed");
        assert_eq!(write(true, true).len(), 1, "it is the oldest");
        ahead.mark(key);
        assert_eq!(write(false, true).len(), 1);
        ahead.mark(key);
        assert_eq!(ahead.remove(key), Some(("pid".into(), lease)));
        assert_eq!((write(true, true).len(), ahead.remove(key)), (0, None));
        ahead.mark(key);
        assert_eq!(write(true, true).len(), 0);
        assert_eq!((ahead.live.lock().order.len(), ahead.changed.lock().len()), (0, 0));
    }
}
