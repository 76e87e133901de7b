//! Settings of a manager, with the defaults of the official client where it has the setting.

use std::time::Duration;

use engineio::Prepared;
use socketio_events::message;
use socketio_parser::{ConnectionParser, EncodeError, Limits, Parser};

/// Settings of a manager and its sockets. The settings of the connection belong to `engineio`: see
/// [`ManagerBuilder::engine`](crate::ManagerBuilder::engine).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Reconnection after a lost connection or a failed attempt.
    pub reconnection: Reconnection,
    /// Whether the connection opens with [`ManagerBuilder::build`](crate::ManagerBuilder::build), and each
    /// socket connects when [`Manager::socket`](crate::Manager::socket) creates or returns it
    /// (`autoConnect`). Default false, unlike at the official client: packets may arrive before the next line
    /// has registered a handler.
    pub auto_connect: bool,
    /// Timeout of opening the connection (`timeout`). Default 20 s.
    pub connect_timeout: Duration,
    /// Maximum wait of [`Socket::connected`](crate::Socket::connected), whatever the number of attempts. Default
    /// 20 s; then it returns the error of the last attempt, and the attempts continue. `None` waits for ever.
    pub connected_timeout: Option<Duration>,
    /// Timeout of acknowledgements (`ackTimeout`), unless the emit sets its own. Default: none; an emit waits
    /// until the connection is lost.
    pub ack_timeout: Option<Duration>,
    /// Number of retries of an event whose acknowledgement does not arrive in time (`retries`). Default 0:
    /// events are not queued, and sent once. With retries the events of a socket are queued and sent one by
    /// one: the next event is sent when the previous one is acknowledged, or fails after its last try. Costs
    /// one round trip per event. [`Socket::set_retries`](crate::Socket::set_retries) sets it for one socket.
    pub retries: u32,
    /// Whether a connection that is lost before the acknowledgement counts as a failed try. Default true, as
    /// at the official client: an event is sent `retries` + 1 times at most, and fails with
    /// [`AckError::Disconnected`](crate::AckError::Disconnected) then. Without it, an event is sent again
    /// after each reconnection until it is acknowledged or its tries time out, so it reaches the server at
    /// least once.
    pub count_lost_connections: bool,
    /// Size of a socket's buffer for events that are emitted while it is not connected, in bytes. The queue
    /// of [`retries`](Self::retries) has the same limit. Default 8 MiB.
    pub max_buffered: usize,
    /// Treatment of an event for which the buffer has no space. Default: the emit is refused.
    pub overflow: Overflow,
    /// Number of acknowledgements that a socket may wait for. Default 100,000; each costs about 100 bytes.
    pub max_pending_acks: usize,
    /// Maximum number of binary parts of an event or acknowledgement that is sent. Default 10, as the official
    /// decoder accepts; more are refused with
    /// [`EmitError::TooManyAttachments`](crate::EmitError::TooManyAttachments), since the other side would close the
    /// connection. A decoder with a higher `maxAttachments` permits a higher limit. Packets in msgpack have no
    /// attachments.
    pub max_attachments: usize,
    /// Number of handlers that may run at the same time, in all namespaces of the manager. Beyond it the
    /// connection is not read until one completes. Default 10,000.
    pub max_waiting_handlers: usize,
    /// Number of unread events in an [`Events`](crate::Events) stream. Beyond it the connection is not read
    /// until the stream is, which finally makes the server wait. Default 1,024.
    pub max_waiting_events: usize,
    /// Number of events of a namespace that may arrive before the server has confirmed its CONNECT, as missed
    /// events do after a recovery. Default 100,000; one more is a protocol error.
    pub max_early_events: usize,
    /// Size of these events, in bytes: the name, the arguments and the attachments, and 256 bytes for each
    /// event and each attachment. It is the memory that a server can fill for each namespace before it
    /// confirms. Default 32 MiB; one more event is a protocol error.
    pub max_early_bytes: usize,
    /// Encoding of packets. It must be the same as the server's. Default JSON. With a parser of the application
    /// (`ConnectionParser::Custom`) each packet is first encoded as JSON, which costs a second encoding.
    pub parser: ConnectionParser,
    /// Limits of packets from the server.
    pub limits: Limits,
}

/// Reconnection with exponential backoff: the delay doubles with each attempt.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Reconnection {
    /// Turns reconnection on (`reconnection`). Default true.
    pub enabled: bool,
    /// Maximum number of attempts (`reconnectionAttempts`). Default: unlimited.
    pub attempts: Option<u32>,
    /// Delay before the first attempt (`reconnectionDelay`). Default 1 s.
    pub delay: Duration,
    /// Maximum delay (`reconnectionDelayMax`). Default 5 s.
    pub delay_max: Duration,
    /// Random variation of the delay as a fraction of it (`randomizationFactor`), from 0 to 1. Default 0.5.
    /// It spreads the reconnections of the clients of a restarted server.
    pub randomization_factor: f64,
}

impl Reconnection {
    /// Sets whether a lost connection is restored.
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.enabled = enabled;
        self
    }

    /// Sets the maximum number of attempts; `None` is no limit.
    pub fn attempts(mut self, attempts: impl Into<Option<u32>>) -> Self {
        self.attempts = attempts.into();
        self
    }

    /// Sets the delay before the first attempt.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Sets the maximum delay.
    pub fn delay_max(mut self, delay: Duration) -> Self {
        self.delay_max = delay;
        self
    }

    /// Sets the random variation of the delay, a fraction of it from 0 to 1.
    pub fn randomization_factor(mut self, factor: f64) -> Self {
        self.randomization_factor = factor;
        self
    }
}

/// Treatment of an event when the buffer is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// The emit fails with [`EmitError::Full`](crate::EmitError::Full).
    #[default]
    Refuse,
    /// The oldest events are dropped. Emits that wait for their acknowledgements fail with
    /// [`AckError::Dropped`](crate::AckError::Dropped).
    DropOldest,
}

impl Default for Reconnection {
    fn default() -> Self {
        Self {
            enabled: true,
            attempts: None,
            delay: Duration::from_secs(1),
            delay_max: Duration::from_secs(5),
            randomization_factor: 0.5,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            reconnection: Reconnection::default(),
            auto_connect: false,
            connect_timeout: Duration::from_secs(20),
            connected_timeout: Some(Duration::from_secs(20)),
            ack_timeout: None,
            retries: 0,
            count_lost_connections: true,
            max_buffered: 8 << 20,
            overflow: Overflow::Refuse,
            max_pending_acks: 100_000,
            max_attachments: 10,
            max_waiting_handlers: 10_000,
            max_waiting_events: 1024,
            max_early_events: 100_000,
            max_early_bytes: 32 << 20,
            parser: Parser::Json.into(),
            limits: Limits::default(),
        }
    }
}

impl Config {
    /// The built-in parser that serializes the values of the application.
    pub(crate) fn base_parser(&self) -> Parser {
        match self.parser {
            ConnectionParser::BuiltIn(parser) => parser,
            _ => Parser::Json,
        }
    }

    /// A message for the server, from a function that encodes it with a built-in parser.
    pub(crate) fn encode(
        &self,
        with: impl FnOnce(Parser) -> Result<Prepared, EncodeError>,
    ) -> Result<Prepared, EncodeError> {
        let message = with(self.base_parser())?;
        match &self.parser {
            ConnectionParser::BuiltIn(_) => Ok(message),
            own => message::convert(self.base_parser(), own, &message),
        }
    }
}
