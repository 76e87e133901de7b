//! The state of a socket, and the only place that changes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use engineio::sync::Mutex;

use crate::recovery::{Lease, NotRecovered};
use crate::rooms::{MemberKey, Room};

/// The state of a socket.
///
/// ```text
/// Joining ───► Connected ───► Leaving ───► Disconnected
///    │                                          ▲
///    └──────────────────────────────────────────┘
/// ```
#[derive(Debug)]
enum State {
    /// The middlewares of the namespace have not decided yet. Rooms that they join are kept until the socket
    /// is connected.
    Joining { early_rooms: Vec<Room> },
    /// The socket is in its namespace and in its rooms.
    Connected(Membership),
    /// The "disconnecting" handlers run. The socket is still connected for them, but cannot be disconnected
    /// again.
    Leaving(Membership),
    /// The socket has left its namespace, or was never admitted. This state is final.
    Disconnected {
        /// The secret for a recovery and the time of the disconnection, if the client may be recovered.
        away: Option<(Arc<str>, Instant)>,
    },
}

/// Data of a connected socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Membership {
    /// Key in the rooms.
    pub(super) member: MemberKey,
    /// The secret for a later recovery; `None` if the socket is not recoverable.
    pub(super) pid: Option<Arc<str>>,
    /// The lease of the session in the store of the cluster.
    pub(super) lease: Lease,
}

/// Result of the client's recovery request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RecoveryOutcome {
    NotRequested,
    Recovered,
    Failed(NotRecovered),
}

/// The state of a socket behind its lock, with a mirror for checks that take no lock.
///
/// The lock may be held while the rooms are locked, but not the other way round.
#[derive(Debug)]
pub(super) struct SocketState {
    inner: Mutex<Inner>,
    /// Mirror of [`State::is_connected`], set only by [`transition`](Self::transition).
    is_connected: AtomicBool,
}

#[derive(Debug)]
struct Inner {
    state: State,
    /// Kept in all states. Changed only before the socket is connected.
    recovery: RecoveryOutcome,
}

impl State {
    fn is_connected(&self) -> bool {
        matches!(self, Self::Connected(_) | Self::Leaving(_))
    }

    /// Whether `next` may follow this state.
    fn allows(&self, next: &Self) -> bool {
        match self {
            Self::Joining { .. } => matches!(next, Self::Connected(_) | Self::Disconnected { .. }),
            Self::Connected(_) => matches!(next, Self::Leaving(_)),
            Self::Leaving(_) => matches!(next, Self::Disconnected { .. }),
            Self::Disconnected { .. } => false,
        }
    }
}

impl SocketState {
    pub(super) fn new(recovery: RecoveryOutcome) -> Self {
        let state = State::Joining { early_rooms: Vec::new() };
        Self { inner: Mutex::new(Inner { state, recovery }), is_connected: AtomicBool::new(false) }
    }

    /// Changes the state and its mirror. Returns the former state, or `None` if the transition is not
    /// allowed.
    fn transition(&self, state: &mut State, next: State) -> Option<State> {
        if !state.allows(&next) {
            return None;
        }
        self.is_connected.store(next.is_connected(), Ordering::Release);
        Some(std::mem::replace(state, next))
    }

    /// Whether the socket is in its namespace. Takes no lock.
    pub(super) fn is_connected(&self) -> bool {
        self.is_connected.load(Ordering::Acquire)
    }

    /// Whether the socket has left, or was never admitted.
    pub(super) fn is_disconnected(&self) -> bool {
        matches!(self.inner.lock().state, State::Disconnected { .. })
    }

    pub(super) fn recovery(&self) -> RecoveryOutcome {
        self.inner.lock().recovery
    }

    /// Records that the recovery failed after it had started.
    pub(super) fn recovery_failed(&self, reason: NotRecovered) {
        self.inner.lock().recovery = RecoveryOutcome::Failed(reason);
    }

    /// The socket's key in the rooms. Before it is connected, `change` is applied to its early rooms instead.
    pub(super) fn member_or(&self, change: impl FnOnce(&mut Vec<Room>)) -> Option<MemberKey> {
        match &mut self.inner.lock().state {
            State::Joining { early_rooms } => {
                change(early_rooms);
                None
            }
            State::Connected(Membership { member, .. }) | State::Leaving(Membership { member, .. }) => {
                Some(*member)
            }
            State::Disconnected { .. } => None,
        }
    }

    /// Connects the socket: `enter` receives the early rooms and returns the key in the rooms. Concurrent
    /// joins wait. `false` if the socket was not joining.
    pub(super) fn connect(
        &self,
        pid: Option<Arc<str>>,
        lease: Lease,
        enter: impl FnOnce(&[Room]) -> MemberKey,
    ) -> bool {
        let mut inner = self.inner.lock();
        let State::Joining { early_rooms } = &mut inner.state else { return false };
        let member = enter(&std::mem::take(early_rooms));
        self.transition(&mut inner.state, State::Connected(Membership { member, pid, lease })).is_some()
    }

    /// The membership of a connected socket.
    pub(super) fn membership(&self) -> Option<Membership> {
        match &self.inner.lock().state {
            State::Connected(membership) => Some(membership.clone()),
            _ => None,
        }
    }

    /// Starts to leave. `false` if the socket was not connected, or is leaving already.
    pub(super) fn leave(&self) -> bool {
        let mut inner = self.inner.lock();
        let State::Connected(membership) = &inner.state else { return false };
        let membership = membership.clone();
        self.transition(&mut inner.state, State::Leaving(membership)).is_some()
    }

    /// Ends the socket. Returns its membership if it was leaving. `is_recoverable` says whether its client may be
    /// recovered.
    pub(super) fn disconnect(&self, is_recoverable: bool) -> Option<Membership> {
        let mut inner = self.inner.lock();
        let pid = match &inner.state {
            State::Leaving(membership) if is_recoverable => membership.pid.clone(),
            _ => None,
        };
        let away = pid.map(|pid| (pid, Instant::now()));
        match self.transition(&mut inner.state, State::Disconnected { away })? {
            State::Leaving(membership) => Some(membership),
            State::Joining { .. } | State::Connected(_) | State::Disconnected { .. } => None,
        }
    }

    /// The secret for a recovery, and the time since the disconnection, of a socket whose client may be recovered.
    pub(super) fn away(&self) -> Option<(Arc<str>, Duration)> {
        match &self.inner.lock().state {
            State::Disconnected { away: Some((pid, since)) } => Some((Arc::clone(pid), since.elapsed())),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rooms::test_key;

    fn socket() -> SocketState {
        SocketState::new(RecoveryOutcome::NotRequested)
    }

    fn connect(state: &SocketState) -> bool {
        state.connect(Some("pid".into()), Lease::default(), |_| test_key())
    }

    #[test]
    fn a_socket_connects_leaves_and_disconnects_once() {
        let state = socket();
        assert!(!state.leave(), "not connected yet");
        assert!(connect(&state) && state.is_connected());
        assert!(!connect(&state), "connected already");
        assert_eq!(state.disconnect(false), None, "it has to leave first");
        assert!(state.leave() && state.is_connected(), "still connected for the handlers");
        assert!(!state.leave(), "leaving already");
        let membership = Membership { member: test_key(), pid: Some("pid".into()), lease: Lease::default() };
        assert_eq!(state.disconnect(true), Some(membership));
        assert_eq!(state.away().map(|(pid, _)| pid).as_deref(), Some("pid"));
        assert!(!state.is_connected() && state.is_disconnected());
        assert!(
            !connect(&state) && !state.leave() && state.disconnect(false).is_none(),
            "the state is final"
        );
    }

    #[test]
    fn a_refused_socket_never_connects() {
        let state = socket();
        assert_eq!(state.disconnect(true), None);
        assert!(
            state.away().is_none() && state.is_disconnected() && !connect(&state) && !state.is_connected()
        );
    }

    #[test]
    fn early_rooms_are_joined_with_the_connection() {
        let state = socket();
        assert_eq!(state.member_or(|rooms| rooms.push("early".into())), None);
        assert!(state.connect(None, Lease::default(), |rooms| {
            assert_eq!(rooms, ["early".into()] as [Room; 1]);
            test_key()
        }));
        assert_eq!(state.member_or(|_| panic!("no early rooms any more")), Some(test_key()));
        assert!(state.leave() && state.disconnect(false).is_some());
        assert_eq!(state.member_or(|_| panic!("no rooms any more")), None);
    }
}
