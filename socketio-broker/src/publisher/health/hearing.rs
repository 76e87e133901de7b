//! Whether a node with subscriptions hears.

use std::time::Duration;

use tokio::time::Instant;

use super::super::Tuning;
use super::{Monitor, State};

/// State of the subscriptions.
#[derive(Debug)]
pub(super) struct Hearing {
    /// When the subscriptions were confirmed.
    confirmed: Option<Instant>,
    hearing: bool,
    /// The number of streams without a connection.
    missing_streams: i64,
    /// Since when messages may have been missed, until the node hears again. Before the first contact there is
    /// nothing to miss.
    missed: Option<Instant>,
    was_connected: bool,
    /// Since when the connection for commands or the subscriptions have been lost, until the node hears again.
    away: Option<Instant>,
    /// Time until which the other nodes may need to listen again.
    others_return: Option<Instant>,
    /// The longest delay of a node that returns.
    max_delay: Duration,
    /// Silence after which the node is deaf.
    patience: Duration,
    /// Silence in which others may have become deaf.
    shortest_outage: Duration,
}

impl Hearing {
    pub(super) fn new(Tuning { probe_interval, max_delay, .. }: &Tuning) -> Self {
        Self {
            confirmed: None,
            hearing: false,
            missing_streams: 0,
            missed: None,
            was_connected: false,
            away: None,
            others_return: None,
            max_delay: *max_delay,
            // Two probes may be lost before the silence of the third counts.
            patience: *probe_interval * 2 + *probe_interval / 3,
            // A node that heard up to an interval earlier than this one.
            shortest_outage: *probe_interval + *probe_interval / 3,
        }
    }

    /// The connection for commands has not answered since this time.
    pub(super) fn commands_lost(&mut self, since: Instant) {
        // Only a message that comes back proves that the subscriptions are still alive.
        self.hearing = false;
        self.away.get_or_insert(since);
    }

    pub(super) fn hears(&self) -> bool {
        self.hearing && self.missing_streams <= 0
    }

    fn lost(&mut self) {
        self.confirmed = None;
        self.hearing = false;
        self.missed.get_or_insert_with(Instant::now);
        self.away.get_or_insert_with(Instant::now);
    }
}

impl Monitor {
    /// Whether commands can be sent.
    pub(crate) fn can_send(&self) -> bool {
        self.state.lock().commands.is_some()
    }

    /// The subscriptions are confirmed, or their connection is lost.
    pub(crate) fn subscriptions(&self, confirmed: bool) {
        self.listening(|_, hearing| {
            if !confirmed {
                hearing.lost();
            } else if hearing.confirmed.is_none() {
                hearing.confirmed = Some(Instant::now());
            }
            Some(())
        });
    }

    /// Some subscriptions have ended, and messages may have been missed since this time.
    pub(crate) fn interrupted(&self, since: Instant) {
        self.listening(|last_heard, hearing| {
            hearing.lost();
            *last_heard = since.min(*last_heard);
            Some(())
        });
    }

    /// The number of streams without a connection changes.
    pub(crate) fn streams(&self, more: i64) {
        self.listening(|_, hearing| {
            hearing.missing_streams += more;
            Some(())
        });
    }

    /// The node has heard its own message. Returns for how long it may have missed messages, if that ends
    /// now.
    pub(crate) fn heard(&self) -> Option<Duration> {
        self.listening(|last_heard, hearing| {
            // A message that was underway when the connection ended.
            hearing.confirmed?;
            let silence = last_heard.elapsed();
            *last_heard = Instant::now();
            hearing.hearing = true;
            let missed = hearing.missed.take();
            let outage = hearing.away.take().map(|since| since.elapsed());
            let outage = outage.max(Some(silence).filter(|silence| *silence > hearing.shortest_outage));
            let known = std::mem::replace(&mut hearing.was_connected, true);
            if let Some(outage) = outage.filter(|_| known) {
                // The pauses of a node that returns grow with the outage. A quarter is for opening its connection.
                let pause = outage.min(hearing.max_delay);
                hearing.others_return = Some(Instant::now() + pause + pause / 4);
            }
            missed.filter(|_| known)?;
            Some(silence)
        })
    }

    /// Checks the time. Returns whether the subscriptions have been silent for too long, so that their
    /// connection should be replaced.
    pub(crate) fn is_silent(&self) -> bool {
        let commands = self.state.lock().commands;
        let silent = self.listening(|last_heard, hearing| {
            let (commands, confirmed) = commands.zip(hearing.confirmed)?;
            let silent = commands.max(confirmed).max(*last_heard).elapsed() > hearing.patience;
            if silent {
                hearing.hearing = false;
                hearing.missed.get_or_insert_with(Instant::now);
            }
            Some(silent)
        });
        silent.unwrap_or_default()
    }

    /// Until when messages of pub/sub are held back, because after an outage the other nodes may not listen yet. The
    /// connections of a node fail one after the other, and those of other nodes at other times, so that the loss of one,
    /// or a silence, is the sign of an outage. `None` if messages are sent at once. It ends earlier when this node hears.
    pub(crate) fn held_until(&self, timeout: Duration) -> Option<Instant> {
        let commands = self.state.lock().commands?;
        let until = self.listening(|last_heard, hearing| {
            let silent_since =
                Some(*last_heard + hearing.shortest_outage).filter(|since| *since < Instant::now());
            if let Some(since) = hearing.away.or(silent_since) {
                return hearing.was_connected.then(|| commands.max(since) + timeout);
            }
            hearing.others_return
        })?;
        Some(until).filter(|until| *until > Instant::now())
    }

    fn listening<R>(&self, change: impl FnOnce(&mut Instant, &mut Hearing) -> Option<R>) -> Option<R> {
        self.change(|State { last_heard, hearing, .. }| change(last_heard, hearing.as_mut()?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Health;
    use super::*;

    /// One that is patient for 7 s.
    fn monitor() -> Monitor {
        Monitor::new(&Tuning { probe_interval: Duration::from_secs(3), ..Tuning::default() }, true)
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_noticed_and_its_end_is_a_gap() {
        let monitor = monitor();
        let health = monitor.health();
        let is = |expected: fn(&Health) -> bool| assert!(expected(&health.borrow()), "{:?}", health.borrow());
        is(|health| matches!(health, Health::Down { .. }));
        monitor.commands_opened();
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
        // A part of the subscriptions is lost, and this is noticed late.
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(monitor.heard(), None);
        monitor.interrupted(Instant::now() - Duration::from_secs(3));
        is(|health| matches!(health, Health::Deaf { since } if since.elapsed() == Duration::from_secs(3)));
        assert_eq!(monitor.heard(), None, "other subscriptions do not prove anything");
        assert!(!monitor.is_silent(), "nothing to replace");
        monitor.subscriptions(true);
        assert_eq!(monitor.heard(), Some(Duration::from_secs(3)));
        is(|health| *health == Health::Connected);
        assert_eq!(monitor.held_until(TIMEOUT), None, "the time of the others is over");
        monitor.commands_lost(Instant::now());
        is(|health| matches!(health, Health::Down { .. }));
        monitor.commands_opened();
        is(|health| matches!(health, Health::Deaf { .. }));
        assert_eq!(monitor.heard(), None, "the subscriptions have lasted");
        is(|health| *health == Health::Connected);
    }

    const TIMEOUT: Duration = Duration::from_secs(5);

    #[tokio::test(start_paused = true)]
    async fn messages_are_held_back_until_others_may_listen_again() {
        let monitor = monitor();
        let held = || monitor.held_until(TIMEOUT).map(|until| until - Instant::now());
        monitor.commands_opened();
        assert_eq!(held(), None, "nothing is held back before the first contact");
        monitor.subscriptions(true);
        monitor.heard();
        assert_eq!(held(), None);
        // The connection for commands alone: that of the subscriptions may follow, here and elsewhere.
        monitor.commands_lost(Instant::now());
        tokio::time::advance(Duration::from_millis(100)).await;
        monitor.commands_opened();
        assert_eq!(held(), Some(TIMEOUT));
        assert_eq!(monitor.heard(), None, "the subscriptions have lasted");
        assert_eq!(held(), Some(Duration::from_millis(125)));
        tokio::time::advance(Duration::from_millis(125)).await;
        assert_eq!(held(), None);
        // Silence alone.
        tokio::time::advance(Duration::from_millis(3875)).await;
        assert_eq!(held(), None);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(held(), Some(TIMEOUT - Duration::from_millis(1)));
        assert_eq!(monitor.heard(), None, "the subscriptions have lasted");
        assert_eq!(held(), Some(Duration::from_millis(2500)));
        tokio::time::advance(Duration::from_millis(2500)).await;
        assert_eq!(held(), None);
        // A short outage, and a long one.
        for (outage, margin) in [(100, 125), (10_000, 2500)] {
            monitor.commands_lost(Instant::now());
            monitor.subscriptions(false);
            tokio::time::advance(Duration::from_millis(outage)).await;
            assert_eq!(held(), None, "there is no connection to hold back from");
            monitor.commands_opened();
            assert_eq!(held(), Some(TIMEOUT), "not for ever");
            monitor.subscriptions(true);
            assert!(monitor.heard().is_some());
            assert_eq!(held(), Some(Duration::from_millis(margin)));
            tokio::time::advance(Duration::from_millis(margin)).await;
            assert_eq!(held(), None);
        }
    }
}
