//! Every number and switch of a session, with the official server's defaults.

use std::time::Duration;

use crate::error::ConfigError;

/// A client waits for `ping_interval + ping_timeout`, and the timers of JavaScript take 31 bits of milliseconds, some 24
/// days: one that is set for longer fires at once.
const LONGEST: Duration = Duration::from_secs(12 * 24 * 60 * 60);

/// A way of carrying packets.
///
/// WebTransport is the third one of the protocol and will join this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transport {
    /// HTTP long-polling (JSONP is the same transport in another coat).
    Polling,
    /// WebSocket.
    WebSocket,
}

impl Transport {
    /// The protocol's name of this transport.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Polling => "polling",
            Self::WebSocket => "websocket",
        }
    }

    /// The transport with this name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "polling" => Some(Self::Polling),
            "websocket" => Some(Self::WebSocket),
            _ => None,
        }
    }
}

/// What happens to a message that would put more than [`Config::max_buffered`] bytes into an outbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SlowConsumer {
    /// The session closes with [`Fault::SlowConsumer`](crate::Fault::SlowConsumer): a client that cannot keep up
    /// reconnects and knows that it missed something. This is the default.
    #[default]
    Disconnect,
    /// The message is refused with [`SendError::Full`](crate::SendError::Full) and the session goes on. The
    /// sender has to deal with it: wait with `Session::send_when_ready`, or drop it knowingly. Who sends to many at once
    /// waits for none of them; a Socket.IO server counts those whom it passed over.
    Refuse,
}

/// The settings of a session.
///
/// The defaults are the official server's. No duration may be zero, or longer than 12 days.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// How long the server waits between a heartbeat's answer and the next ping (`pingInterval`).
    ///
    /// Default 25 s. Shorter finds dead peers sooner and costs one packet each way per interval and session.
    pub ping_interval: Duration,
    /// How long the answer to a ping may take (`pingTimeout`). Default 20 s.
    ///
    /// A peer that vanishes silently holds its memory for up to `ping_interval + ping_timeout`.
    pub ping_timeout: Duration,
    /// How long a probing WebSocket may take to become the session's transport (`upgradeTimeout`). Default 10 s.
    ///
    /// On expiry only the WebSocket is dropped; polling goes on.
    pub upgrade_timeout: Duration,
    /// The largest message, in bytes: a POST body, a WebSocket message (`maxHttpBufferSize`). Default 1,000,000.
    ///
    /// A peer can make the server hold this much per connection before a message is complete.
    pub max_payload: usize,
    /// The transports that clients may use. Default polling and WebSocket.
    pub transports: Vec<Transport>,
    /// Whether a polling session may move to WebSocket (`allowUpgrades`). Default true.
    pub allow_upgrades: bool,
    /// Whether clients of protocol revision 3 (Socket.IO v2) are served (`allowEIO3`). Default false.
    pub allow_eio3: bool,
    /// How many bytes of memory may wait for one peer. Default 8 MiB.
    ///
    /// A message counts with its bytes on the wire, an eighth more for what an allocator rounds up, and 128 bytes for its
    /// place: about what it holds, so that many short messages are bounded as well as few long ones. Shared broadcasts
    /// count in full for every peer although they exist once, so the memory really held may be much less. Answers to
    /// polls count until they have left, if they have 16 KiB or more.
    pub max_buffered: usize,
    /// What happens when the outbox is full. Default: the session is closed.
    pub slow_consumer: SlowConsumer,
    /// How many packets one POST may carry. Default 16,384; more closes the session as a parse error.
    pub max_packets_per_payload: usize,
    /// How many frames a WebSocket message may come in. Default 16,384, as `ws` has it; a message in more of them closes the
    /// session as [`Fault::WebSocket`](crate::Fault::WebSocket), with close code 1008. With 1 a message has to be one frame.
    ///
    /// Costs no memory, but time: a frame may be empty, and its 6 bytes have to be read all the same, up to this many times
    /// for a message that never gets larger than [`max_payload`](Self::max_payload).
    pub max_fragments: u32,
    /// How long an orderly close waits for the peer to take what was sent before. Default 30 s.
    pub close_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            upgrade_timeout: Duration::from_secs(10),
            max_payload: 1_000_000,
            transports: vec![Transport::Polling, Transport::WebSocket],
            allow_upgrades: true,
            allow_eio3: false,
            max_buffered: 8 << 20,
            slow_consumer: SlowConsumer::Disconnect,
            max_packets_per_payload: 16_384,
            max_fragments: 16_384,
            close_timeout: Duration::from_secs(30),
        }
    }
}

impl Config {
    /// Checks that the settings can work together.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if self.transports.is_empty() {
            return Err(ConfigError::NoTransport);
        }
        for (name, duration) in [
            ("ping_interval", self.ping_interval),
            ("ping_timeout", self.ping_timeout),
            ("upgrade_timeout", self.upgrade_timeout),
            ("close_timeout", self.close_timeout),
        ] {
            if duration.is_zero() {
                return Err(ConfigError::ZeroDuration(name));
            }
            if duration > LONGEST {
                return Err(ConfigError::LongDuration(name));
            }
        }
        Ok(())
    }

    /// Whether clients may use this transport.
    pub fn allows(&self, transport: Transport) -> bool {
        self.transports.contains(&transport)
    }

    /// The transports that a session on `transport` may move to, as the open packet lists them.
    pub fn upgrades(&self, transport: Transport) -> &'static [&'static str] {
        let possible =
            transport == Transport::Polling && self.allow_upgrades && self.allows(Transport::WebSocket);
        if possible { &["websocket"] } else { &[] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_that_cannot_work_are_refused() {
        assert_eq!(Config::default().validate(), Ok(()));
        let with = |ping_interval| Config { ping_interval, ..Config::default() }.validate();
        assert_eq!(with(Duration::ZERO), Err(ConfigError::ZeroDuration("ping_interval")));
        assert_eq!(with(Duration::MAX), Err(ConfigError::LongDuration("ping_interval")));
        assert_eq!(with(LONGEST), Ok(()));
        let closing = Config { close_timeout: Duration::MAX, ..Config::default() };
        assert_eq!(closing.validate(), Err(ConfigError::LongDuration("close_timeout")));
    }
}
