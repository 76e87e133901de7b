//! The heartbeat: who pings whom, and until when the answer must be there.
//!
//! Revision 4: the server pings, one interval after the opening or after the last answer, and the client answers
//! within the timeout. Revision 3: the client pings and the server answers. The answer is timed from when the ping is
//! sent: a server that was stopped for a while must ask before it takes all its clients for dead. One that was stopped
//! while it waited gives what lies in the sockets meanwhile a moment to be read.

use std::time::{Duration, Instant};

use crate::close_reason::Fault;
use crate::config::Config;
use crate::packet::Protocol;

/// A deadline that is noticed later than this passed while the process was stopped.
pub(super) const LATE: Duration = Duration::from_secs(1);
/// How long the peer's packet then has to come out of its socket, once for each deadline.
pub(super) const GRACE: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug)]
pub(super) struct Heartbeat {
    phase: Phase,
    /// The deadline was put off since it was noticed late.
    graced: bool,
    interval: Duration,
    timeout: Duration,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Revision 4: the next ping goes out then.
    PingAt(Instant),
    /// Revision 4: the answer has to be there by then.
    PongBy(Instant),
    /// Revision 3: the client's next ping has to be there by then.
    PingBy(Instant),
}

/// What the clock asks for.
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
        Self { phase, graced: false, interval, timeout }
    }

    pub(super) fn deadline(&self) -> Instant {
        match self.phase {
            Phase::PingAt(at) | Phase::PongBy(at) | Phase::PingBy(at) => at,
        }
    }

    /// What is due at `now`.
    pub(super) fn due(&mut self, now: Instant) -> Option<Due> {
        match &mut self.phase {
            Phase::PingAt(at) if *at <= now => {
                self.phase = Phase::PongBy(now + self.timeout);
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

    /// A ping arrived. Only revision 3 lets the client ask.
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

    /// A pong arrived. One that nobody asked for starts the interval anew, as it does at the official server.
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

    /// The session moved to another transport: an answer that was on its way over the old one may be late, so the
    /// peer gets the whole timeout again. There is always a deadline.
    pub(super) fn transport_changed(&mut self, now: Instant) {
        if let Phase::PongBy(by) = &mut self.phase {
            *by = now + self.timeout;
            self.graced = false;
        }
    }
}
