//! The heartbeat, as a client has it: in revision 4 the server asks, in revision 3 the client does.

use std::time::Duration;

use tokio::time::Instant;

use crate::packet::{PacketType, Protocol};

/// When the session ends, and in revision 3 when the server is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heartbeat {
    protocol: Protocol,
    interval: Duration,
    timeout: Duration,
    /// When the session ends unless the server is heard.
    deadline: Instant,
    /// When the server is asked next. None while its answer is waited for, and always in revision 4.
    ping_at: Option<Instant>,
}

/// What the clock asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Ping,
    Dead,
}

impl Heartbeat {
    /// The heartbeat of a session that begins now.
    pub(crate) fn new(protocol: Protocol, interval: Duration, timeout: Duration, now: Instant) -> Self {
        let ping_at = (protocol == Protocol::V3).then(|| now + interval);
        Self { protocol, interval, timeout, deadline: now + interval + timeout, ping_at }
    }

    /// When the session ends unless the server is heard.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// When something is due.
    pub(crate) fn next(&self) -> Instant {
        self.ping_at.map_or(self.deadline, |ping_at| ping_at.min(self.deadline))
    }

    /// What is due at `now`.
    pub(crate) fn due(&mut self, now: Instant) -> Option<Due> {
        if now >= self.deadline {
            return Some(Due::Dead);
        }
        self.ping_at.filter(|ping_at| now >= *ping_at)?;
        self.ping_at = None;
        self.deadline = now + self.timeout;
        Some(Due::Ping)
    }

    /// The server was heard. `true` if a deadline has changed. The clock is read only for that.
    pub(crate) fn heard(&mut self, kind: PacketType, now: impl FnOnce() -> Instant) -> bool {
        let counts = match self.protocol {
            // Only its own pings say that the server's heartbeat works.
            Protocol::V4 => kind == PacketType::Ping,
            // Servers of this revision may send much in front of their answer.
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
        // Whatever comes keeps the session open, but it is asked again only after the answer.
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
