//! The settings of a session, with the official server's defaults.

use std::time::Duration;

use crate::deflate::PerMessageDeflate;
use crate::error::ConfigError;

/// The longest duration of a setting. A client waits for `ping_interval + ping_timeout`, and JavaScript
/// timers hold 31 bits of milliseconds, about 24 days: a longer timer fires at once.
pub(crate) const LONGEST: Duration = Duration::from_secs(12 * 24 * 60 * 60);

/// A transport: how packets are carried.
///
/// WebTransport is the third transport of the protocol and is not supported yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transport {
    /// HTTP long-polling. JSONP is the same transport in another encoding.
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

/// The policy for a message that would put more than [`Config::max_buffered`] bytes into an outbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SlowConsumer {
    /// The session closes with [`Fault::SlowConsumer`](crate::Fault::SlowConsumer). A client that cannot keep
    /// up reconnects, and thereby knows that it missed messages. This is the default.
    #[default]
    Disconnect,
    /// The message is refused with [`SendError::Full`](crate::SendError::Full) and the session stays open.
    /// The sender has to handle the error: wait with `Session::send_when_ready`, or drop the message. A
    /// broadcast waits for no session; a Socket.IO server counts the sessions that it skipped.
    Refuse,
    /// The message is dropped, and the sender gets no error. For clients that can do without some messages,
    /// such as those of a live chart.
    ///
    /// The policies that drop messages count them: `Session::dropped_messages` and
    /// `Stats::dropped_messages`. They drop whole messages with their attachments, but no packets of the
    /// protocol, no messages that were sent with `Session::send_tracked` or `Session::send_regardless`, and
    /// none that is being written. A Socket.IO acknowledgement is a message like others.
    DropNewest,
    /// The oldest messages that wait are dropped until the message fits: a client that reads again receives
    /// the latest messages. A message that does not fit alone is dropped itself. Cost: a walk over the
    /// messages in front of those that are dropped.
    DropOldest,
    /// As [`DropOldest`](Self::DropOldest). In addition, a message with a key
    /// ([`Prepared::conflate_by`](crate::Prepared::conflate_by)) replaces the one with the same key that
    /// still waits, even if there is space: a client that is slow receives the latest value of each key. The
    /// new message goes to the end of the queue, so messages stay in the order of sending. Cost: each message
    /// with a key is compared with those that wait for the client.
    Conflate,
}

/// The settings of a session.
///
/// The defaults are the official server's. A duration must be longer than zero and at most 12 days.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The time between a heartbeat's answer and the server's next ping (`pingInterval`).
    ///
    /// Default 25 s. A shorter interval detects dead peers sooner, and costs one packet in each direction per
    /// interval and session.
    pub ping_interval: Duration,
    /// The time that the answer to a ping may take (`pingTimeout`). Default 20 s.
    ///
    /// A peer that disappears without a close occupies its memory for up to `ping_interval + ping_timeout`.
    pub ping_timeout: Duration,
    /// The time that a probing WebSocket has to become the session's transport (`upgradeTimeout`). Default 10
    /// s.
    ///
    /// On expiry only the WebSocket is dropped. The session stays on polling.
    pub upgrade_timeout: Duration,
    /// The largest message in bytes: a POST body or a WebSocket message (`maxHttpBufferSize`). Default
    /// 1,000,000. A longer POST is answered with 413, and either closes the session.
    ///
    /// A peer can make the server hold this much per connection before a message is complete.
    pub max_payload: usize,
    /// The transports that clients may use. Default polling and WebSocket.
    pub transports: Vec<Transport>,
    /// Whether a polling session may upgrade to WebSocket (`allowUpgrades`). Default true.
    pub allow_upgrades: bool,
    /// Whether clients of protocol revision 3 (Socket.IO v2) are accepted (`allowEIO3`). Default false.
    pub allow_eio3: bool,
    /// The largest memory of one session's outbox, in bytes. Default 8 MiB.
    ///
    /// A message counts with its bytes on the wire, an eighth more for the rounding of allocators, and 128
    /// bytes for its entry in the queue. That is about its real size, so many short messages are bounded as
    /// well as a few long ones. Shared broadcasts count in full for every session although they exist once,
    /// so the memory in use may be much less. Polling responses of 16 KiB or more count until the client has
    /// taken them.
    pub max_buffered: usize,
    /// The policy for a full outbox. Default: the session is closed.
    pub slow_consumer: SlowConsumer,
    /// The largest number of packets in one POST. Default 16,384; more packets close the session as a parse
    /// error.
    pub max_packets_per_payload: usize,
    /// The largest number of frames in one WebSocket message. Default 16,384, as in `ws`. A message in more
    /// frames closes the session as [`Fault::WebSocket`](crate::Fault::WebSocket), with close code 1008. With
    /// 1, a message has to be one frame.
    ///
    /// A higher limit costs time, not memory: a frame may be empty, and its 6 bytes are read all the same, up
    /// to this many times for a message that stays within [`max_payload`](Self::max_payload).
    pub max_fragments: u32,
    /// The largest number of pieces in which a POST body may arrive (`maxBufferedChunks`). Default 10,000.
    /// One more is answered with 413 and closes the session as
    /// [`Fault::TooManyChunks`](crate::Fault::TooManyChunks).
    ///
    /// A piece is what the HTTP server passes on at once: what one read brought, or with other servers often
    /// one chunk. It costs time, not memory. A [`max_payload`](Self::max_payload) of more than about 10 MB
    /// needs a higher limit, because a read may bring no more than one network packet.
    pub max_chunks: u32,
    /// The compression of WebSocket messages (`perMessageDeflate`). Default none, as in the official server. See
    /// [`PerMessageDeflate`] for its cost. Clients of other protocols
    /// (`Server::open_translated`) are not compressed.
    pub per_message_deflate: Option<PerMessageDeflate>,
    /// The longest wait of an orderly close for the peer to take the messages sent before. Default 30 s.
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
            max_chunks: 10_000,
            per_message_deflate: None,
            close_timeout: Duration::from_secs(30),
        }
    }
}

impl Config {
    /// Checks that the settings are valid together.
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

    /// The transports that a session on `transport` may upgrade to, as the open packet lists them.
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
