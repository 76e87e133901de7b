//! The client's side of the heartbeat: the server pings in revision 4, the client in revision 3.

use std::time::{Duration, Instant};

use crate::protocol::packet::{PacketType, Protocol};

/// The deadline of a session, and the time of the next ping in revision 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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

    /// Notes a packet of the server.
    pub(crate) fn heard(&mut self, kind: PacketType, now: Instant) {
        let counts = match self.protocol {
            // Only the server's own pings prove that its heartbeat works.
            Protocol::V4 => kind == PacketType::Ping,
            // Servers of this revision may send much in front of their pong.
            Protocol::V3 => true,
        };
        if counts {
            self.deadline = now + self.interval + self.timeout;
            if kind == PacketType::Pong {
                self.ping_at = Some(now + self.interval);
            }
        }
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
        for kind in [PacketType::Message, PacketType::Pong] {
            heartbeat.heard(kind, start + INTERVAL);
            assert_eq!(heartbeat.next(), start + INTERVAL + TIMEOUT);
        }
        heartbeat.heard(PacketType::Ping, start + INTERVAL);
        assert_eq!(heartbeat.next(), start + 2 * INTERVAL + TIMEOUT);
        assert_eq!(heartbeat.due(heartbeat.deadline()), Some(Due::Dead));
    }

    #[test]
    fn in_revision_3_the_client_pings() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(Protocol::V3, INTERVAL, TIMEOUT, start);
        assert_eq!(heartbeat.next(), start + INTERVAL);
        let pinged = start + INTERVAL;
        assert_eq!(heartbeat.due(pinged), Some(Due::Ping));
        assert_eq!(heartbeat.due(pinged), None);
        assert_eq!(heartbeat.next(), pinged + TIMEOUT);
        // Any packet keeps the session open, but the next ping waits for the pong.
        heartbeat.heard(PacketType::Message, pinged);
        assert_eq!(heartbeat.next(), pinged + INTERVAL + TIMEOUT);
        heartbeat.heard(PacketType::Pong, pinged);
        assert_eq!(heartbeat.next(), pinged + INTERVAL);
        assert_eq!(heartbeat.due(pinged + INTERVAL), Some(Due::Ping));
        assert_eq!(heartbeat.due(pinged + INTERVAL + TIMEOUT), Some(Due::Dead));
    }

    #[test]
    fn a_heartbeat_that_expired_during_a_suspension_sends_no_ping() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(Protocol::V3, INTERVAL, TIMEOUT, start);
        assert_eq!(heartbeat.due(start + INTERVAL + TIMEOUT), Some(Due::Dead));
    }
}
