//! The client's side of the heartbeat: the server pings in revision 4, the client in revision 3.

use std::time::Duration;

use tokio::time::Instant;

use crate::protocol::packet::{PacketType, Protocol};

/// The deadline of a session, and the time of the next ping in revision 3.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heartbeat {
    protocol: Protocol,
    interval: Duration,
    timeout: Duration,
    /// The end of the session, unless the server's heartbeat arrives before.
    deadline: Instant,
    /// The time of the client's next ping. `None` while a pong is awaited, and always in revision 4.
    ping_at: Option<Instant>,
}

/// The action that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Ping,
    Dead,
}

impl Heartbeat {
    /// The heartbeat of a new session.
    pub(crate) fn new(protocol: Protocol, interval: Duration, timeout: Duration, now: Instant) -> Self {
        let ping_at = (protocol == Protocol::V3).then(|| now + interval);
        Self { protocol, interval, timeout, deadline: now + interval + timeout, ping_at }
    }

    /// The end of the session, unless the server's heartbeat arrives before.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The time of the next action.
    pub(crate) fn next(&self) -> Instant {
        self.ping_at.map_or(self.deadline, |ping_at| ping_at.min(self.deadline))
    }

    /// The action that is due at `now`.
    pub(crate) fn due(&mut self, now: Instant) -> Option<Due> {
        if now >= self.deadline {
            return Some(Due::Dead);
        }
        self.ping_at.filter(|ping_at| now >= *ping_at)?;
        self.ping_at = None;
        self.deadline = now + self.timeout;
        Some(Due::Ping)
    }

    /// Notes a packet of the server. `true` if a deadline has changed. The clock is read only for that.
    pub(crate) fn heard(&mut self, kind: PacketType, now: impl FnOnce() -> Instant) -> bool {
        let counts = match self.protocol {
            // Only the server's own pings prove that its heartbeat works.
            Protocol::V4 => kind == PacketType::Ping,
            // Servers of this revision may send much in front of their pong.
            Protocol::V3 => true,
        };
        if counts {
            let now = now();
            self.deadline = now + self.interval + self.timeout;
            if kind == PacketType::Pong {
                self.ping_at = Some(now + self.interval);
            }
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(25);
    const TIMEOUT: Duration = Duration::from_secs(5);

    #[test]
    fn in_revision_4_the_servers_pings_count() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(Protocol::V4, INTERVAL, TIMEOUT, start);
        assert_eq!(heartbeat.next(), start + INTERVAL + TIMEOUT);
        assert_eq!(heartbeat.due(start + INTERVAL), None);
        assert!(!heartbeat.heard(PacketType::Message, || start + INTERVAL));
        assert!(!heartbeat.heard(PacketType::Pong, || start + INTERVAL));
        assert!(heartbeat.heard(PacketType::Ping, || start + INTERVAL));
        assert_eq!(heartbeat.next(), start + 2 * INTERVAL + TIMEOUT);
        assert_eq!(heartbeat.due(heartbeat.deadline()), Some(Due::Dead));
    }

    #[test]
    fn in_revision_3_the_client_asks() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(Protocol::V3, INTERVAL, TIMEOUT, start);
        assert_eq!(heartbeat.next(), start + INTERVAL);
        let asked = start + INTERVAL;
        assert_eq!(heartbeat.due(asked), Some(Due::Ping));
        assert_eq!(heartbeat.due(asked), None);
        assert_eq!(heartbeat.next(), asked + TIMEOUT);
        // Any packet keeps the session open, but the next ping waits for the pong.
        assert!(heartbeat.heard(PacketType::Message, || asked));
        assert_eq!(heartbeat.next(), asked + INTERVAL + TIMEOUT);
        assert!(heartbeat.heard(PacketType::Pong, || asked));
        assert_eq!(heartbeat.next(), asked + INTERVAL);
        assert_eq!(heartbeat.due(asked + INTERVAL), Some(Due::Ping));
        assert_eq!(heartbeat.due(asked + INTERVAL + TIMEOUT), Some(Due::Dead));
    }

    #[test]
    fn whoever_has_slept_too_long_is_dead_and_does_not_ask() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(Protocol::V3, INTERVAL, TIMEOUT, start);
        assert_eq!(heartbeat.due(start + INTERVAL + TIMEOUT), Some(Due::Dead));
    }
}
