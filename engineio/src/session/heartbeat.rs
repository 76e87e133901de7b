//! The heartbeat: the side that pings, and the deadline of the answer.
//!
//! Revision 4: the server pings, one interval after the opening or after the last answer, and the client
//! answers within the timeout. While the answer is due, the first other packet of the client restarts the
//! timeout, once: the answer may be behind a long message. Revision 3: the client pings and the server
//! answers.
//!
//! The deadline of an answer counts from the sending of the ping: a server that was suspended must ping
//! before it treats its clients as dead. If it was suspended during the wait for an answer, packets that
//! already are in the socket buffers get a short grace period to be read.

use std::time::{Duration, Instant};

use crate::close_reason::Fault;
use crate::config::Config;
use crate::protocol::packet::Protocol;

/// A deadline that is noticed later than this passed while the process was suspended.
pub(super) const LATE: Duration = Duration::from_secs(1);
/// The grace period for the peer's packet to be read from its socket, once per deadline.
pub(super) const GRACE: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug)]
pub(super) struct Heartbeat {
    phase: Phase,
    /// The deadline was already extended, as it was noticed late.
    graced: bool,
    /// The deadline of the answer was already extended, as another packet arrived.
    refreshed: bool,
    interval: Duration,
    timeout: Duration,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Revision 4: the time of the next ping.
    PingAt(Instant),
    /// Revision 4: the deadline of the answer.
    PongBy(Instant),
    /// Revision 3: the deadline of the client's next ping.
    PingBy(Instant),
}

/// The action that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Ping,
    Dead,
}

impl Heartbeat {
    pub(super) fn new(protocol: Protocol, config: &Config, now: Instant) -> Self {
        let (interval, timeout) = (config.ping_interval, config.ping_timeout);
        let phase = match protocol {
            Protocol::V4 => Phase::PingAt(now + interval),
            Protocol::V3 => Phase::PingBy(now + interval + timeout),
        };
        Self { phase, graced: false, refreshed: false, interval, timeout }
    }

    pub(super) fn deadline(&self) -> Instant {
        match self.phase {
            Phase::PingAt(at) | Phase::PongBy(at) | Phase::PingBy(at) => at,
        }
    }

    /// The action that is due at `now`.
    pub(super) fn due(&mut self, now: Instant) -> Option<Due> {
        match &mut self.phase {
            Phase::PingAt(at) if *at <= now => {
                self.phase = Phase::PongBy(now + self.timeout);
                self.refreshed = false;
                Some(Due::Ping)
            }
            Phase::PongBy(by) | Phase::PingBy(by) if *by <= now => {
                if self.graced || now - *by <= LATE {
                    return Some(Due::Dead);
                }
                self.graced = true;
                *by = now + GRACE;
                None
            }
            _ => None,
        }
    }

    /// A packet other than a pong arrived: the client is alive although its answer is due.
    pub(super) fn packet_received(&mut self, now: Instant) {
        if let Phase::PongBy(by) = &mut self.phase {
            if !std::mem::replace(&mut self.refreshed, true) {
                *by = now + self.timeout;
            }
        }
    }

    /// A ping arrived. Only in revision 3 may the client ping.
    pub(super) fn ping_received(&mut self, now: Instant) -> Result<(), Fault> {
        match &mut self.phase {
            Phase::PingBy(by) => {
                *by = now + self.interval + self.timeout;
                self.graced = false;
                Ok(())
            }
            Phase::PingAt(_) | Phase::PongBy(_) => Err(Fault::InvalidHeartbeatDirection),
        }
    }

    /// A pong arrived. An unexpected pong restarts the interval, as in the official server.
    pub(super) fn pong_received(&mut self, now: Instant) -> Result<(), Fault> {
        match self.phase {
            Phase::PingAt(_) | Phase::PongBy(_) => {
                self.phase = Phase::PingAt(now + self.interval);
                self.graced = false;
                Ok(())
            }
            Phase::PingBy(_) => Err(Fault::InvalidHeartbeatDirection),
        }
    }

    /// The session moved to another transport. An answer on the old transport may be delayed, so the peer
    /// gets the whole timeout again. There is always a deadline.
    pub(super) fn transport_changed(&mut self, now: Instant) {
        if let Phase::PongBy(by) = &mut self.phase {
            *by = now + self.timeout;
            self.graced = false;
        }
    }
}
