//! Whether this node reaches Redis, and hears it.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use engineio::sync::Mutex;

/// Whether a node reaches the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Health {
    /// Both connections are open, and the node hears its own messages.
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
    /// Silence after which the node is deaf.
    patience: Duration,
}

#[derive(Debug)]
struct State {
    /// When the connection for commands was opened.
    commands: Option<Instant>,
    /// When the subscriptions were confirmed.
    confirmed: Option<Instant>,
    hearing: bool,
    /// The number of streams without a connection.
    missing_streams: i64,
    /// Whether messages may have been missed since the node last heard. Before the first contact there is
    /// nothing to miss.
    missed: bool,
    was_connected: bool,
    last_heard: Instant,
}

impl Monitor {
    pub(crate) fn new(patience: Duration) -> Self {
        let now = Instant::now();
        Self {
            state: Mutex::new(State {
                commands: None,
                confirmed: None,
                hearing: false,
                missing_streams: 0,
                missed: false,
                was_connected: false,
                last_heard: now,
            }),
            health: watch::channel(Health::Down { since: now }).0,
            patience,
        }
    }

    pub(crate) fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    /// Whether commands can be sent.
    pub(crate) fn can_send(&self) -> bool {
        self.state.lock().commands.is_some()
    }

    /// The connection for commands is open, or lost.
    pub(crate) fn commands(&self, open: bool) {
        self.change(|state| {
            state.commands = open.then(Instant::now);
            // Only a message that comes back proves that the subscriptions are still alive.
            state.hearing &= open;
        });
    }

    /// The subscriptions are confirmed, or their connection is lost.
    pub(crate) fn subscriptions(&self, confirmed: bool) {
        self.change(|state| {
            if !confirmed {
                (state.confirmed, state.hearing, state.missed) = (None, false, true);
            } else if state.confirmed.is_none() {
                state.confirmed = Some(Instant::now());
            }
        });
    }

    /// The number of streams without a connection changes.
    #[cfg(feature = "adapter")]
    pub(crate) fn streams(&self, more: i64) {
        self.change(|state| state.missing_streams += more);
    }

    /// The node has heard its own message. Returns for how long it may have missed messages, if that ends
    /// now.
    pub(crate) fn heard(&self) -> Option<Duration> {
        self.change(|state| {
            // A message that was underway when the connection ended.
            state.confirmed?;
            let silence = state.last_heard.elapsed();
            state.last_heard = Instant::now();
            state.hearing = true;
            let missed = std::mem::replace(&mut state.missed, false);
            let known = std::mem::replace(&mut state.was_connected, true);
            (missed && known).then_some(silence)
        })
    }

    /// Checks the time. Returns whether the subscriptions have been silent for too long, so that their
    /// connection should be replaced.
    pub(crate) fn is_silent(&self) -> bool {
        let patience = self.patience;
        self.change(|state| {
            let Some((commands, confirmed)) = state.commands.zip(state.confirmed) else { return false };
            let silent = commands.max(confirmed).max(state.last_heard).elapsed() > patience;
            if silent {
                (state.hearing, state.missed) = (false, true);
            }
            silent
        })
    }

    fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.state.lock();
        let result = change(&mut state);
        let since = state.last_heard;
        let health = if state.commands.is_none() {
            Health::Down { since }
        } else if !state.hearing || state.missing_streams > 0 {
            Health::Deaf { since }
        } else {
            Health::Connected
        };
        self.health.send_if_modified(|current| std::mem::replace(current, health) != health);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silence_is_noticed_and_its_end_is_a_gap() {
        let monitor = Monitor::new(Duration::from_secs(7));
        let health = monitor.health();
        let is = |expected: fn(&Health) -> bool| assert!(expected(&health.borrow()), "{:?}", health.borrow());
        is(|health| matches!(health, Health::Down { .. }));
        monitor.commands(true);
        is(|health| matches!(health, Health::Deaf { .. }));
        assert_eq!(monitor.heard(), None, "before the subscriptions are confirmed");
        monitor.subscriptions(true);
        is(|health| matches!(health, Health::Deaf { .. }));
        assert_eq!(monitor.heard(), None, "the first contact ends no gap");
        is(|health| *health == Health::Connected);

        tokio::time::advance(Duration::from_secs(7)).await;
        assert!(!monitor.is_silent());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(monitor.is_silent());
        is(|health| matches!(health, Health::Deaf { since } if since.elapsed() > Duration::from_secs(7)));
        monitor.subscriptions(false);
        assert!(!monitor.is_silent(), "nothing to replace");
        monitor.subscriptions(true);
        assert!(!monitor.is_silent(), "the new connection has its time");
        assert_eq!(monitor.heard(), Some(Duration::from_millis(7001)));
        is(|health| *health == Health::Connected);
        monitor.commands(false);
        is(|health| matches!(health, Health::Down { .. }));
        monitor.commands(true);
        is(|health| matches!(health, Health::Deaf { .. }));
        assert_eq!(monitor.heard(), None, "the subscriptions have lasted");
        is(|health| *health == Health::Connected);
    }
}
