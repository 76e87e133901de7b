//! Whether this node reaches the broker, and hears it.

#[cfg(feature = "adapter")]
mod hearing;

use engineio::sync::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

#[cfg(feature = "adapter")]
use self::hearing::Hearing;
use super::Tuning;

/// Whether a node reaches the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Health {
    /// The connections are open, and a server hears its own messages.
    Connected,
    /// The node can send, but does not hear its own messages.
    Deaf {
        /// When it heard for the last time; its start, if it never did.
        since: Instant,
    },
    /// The connection for commands is missing.
    Down {
        /// When the node heard for the last time; its start, if it never did.
        since: Instant,
    },
}

/// What is known of the connections.
#[derive(Debug)]
pub(crate) struct Monitor {
    state: Mutex<State>,
    health: watch::Sender<Health>,
}

#[derive(Debug)]
struct State {
    /// When the connection for commands was opened.
    commands: Option<Instant>,
    last_heard: Instant,
    /// What is known of the subscriptions; `None` for an emitter, which has none.
    #[cfg(feature = "adapter")]
    hearing: Option<Hearing>,
}

impl Monitor {
    /// `listens` is for a node that has subscriptions.
    #[cfg_attr(not(feature = "adapter"), expect(unused_variables, reason = "emitters do not listen"))]
    pub(crate) fn new(tuning: &Tuning, listens: bool) -> Self {
        let now = Instant::now();
        Self {
            state: Mutex::new(State {
                commands: None,
                last_heard: now,
                #[cfg(feature = "adapter")]
                hearing: listens.then(|| Hearing::new(tuning)),
            }),
            health: watch::channel(Health::Down { since: now }).0,
        }
    }

    pub(crate) fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    /// The connection for commands is open.
    pub(crate) fn commands_opened(&self) {
        self.change(|state| state.commands = Some(Instant::now()));
    }

    /// The connection for commands is lost, and has not answered since this time.
    #[cfg_attr(not(feature = "adapter"), expect(unused_variables, reason = "emitters hold nothing back"))]
    pub(crate) fn commands_lost(&self, since: Instant) {
        self.change(|state| {
            state.commands = None;
            #[cfg(feature = "adapter")]
            if let Some(hearing) = &mut state.hearing {
                hearing.commands_lost(since);
            }
        });
    }

    /// Emitters hold nothing back.
    #[cfg(not(feature = "adapter"))]
    pub(crate) fn held_until(&self, _: std::time::Duration) -> Option<Instant> {
        None
    }

    fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.state.lock();
        let result = change(&mut state);
        let since = state.last_heard;
        let health = if state.commands.is_none() {
            Health::Down { since }
        } else if !state.hears() {
            Health::Deaf { since }
        } else {
            Health::Connected
        };
        self.health.send_if_modified(|current| std::mem::replace(current, health) != health);
        result
    }
}

impl State {
    #[cfg(feature = "adapter")]
    fn hears(&self) -> bool {
        self.hearing.as_ref().is_none_or(Hearing::hears)
    }

    #[cfg(not(feature = "adapter"))]
    fn hears(&self) -> bool {
        true
    }
}
