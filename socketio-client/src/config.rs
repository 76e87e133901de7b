//! Every number and switch of a client, with the official client's defaults where it has one.

use std::time::Duration;

use socketio_parser::{Limits, Parser};

/// The settings of a manager and its sockets. Those of the connection are `engineio`'s: see
/// [`ManagerBuilder::engine`](crate::ManagerBuilder::engine).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Whether and when a lost connection is opened again.
    pub reconnection: Reconnection,
    /// How long opening the connection may take (`timeout`). Default 20 s.
    pub connect_timeout: Duration,
    /// How long an emit waits for its answer (`ackTimeout`) if it does not say so itself. Default: until the connection
    /// is lost.
    pub ack_timeout: Option<Duration>,
    /// How often an event is sent again if its answer does not come in time (`retries`). Default: events are not queued
    /// and sent once. With a number, also 0, the events of a socket leave one after the other, each when the one before is
    /// answered, and go on after a reconnection; every one of them reaches the server at least once and in order. Costs
    /// a round trip an event.
    pub retries: Option<u32>,
    /// How many bytes of events a socket keeps while it is not connected, and as many again that wait to be
    /// acknowledged if [`retries`](Self::retries) are on. Default 8 MiB.
    pub max_buffered: usize,
    /// What happens to an event that does not fit any more. Default: the emit is refused.
    pub overflow: Overflow,
    /// How many answers of the server may be waited for in one socket. Default 100,000; each costs about 100 bytes.
    pub max_pending_acks: usize,
    /// How many handlers may be waiting for something before the connection is not read any more, all namespaces taken
    /// together. Default 10,000.
    pub max_waiting_handlers: usize,
    /// How many events may lie in an [`Events`](crate::Events) before the connection is not read any more, which in the
    /// end makes the server wait. Default 1,024.
    pub max_waiting_events: usize,
    /// How many events of a namespace may come before the server has confirmed it, as they do when what was missed
    /// is made up for. Default 100,000; one more is a protocol error.
    pub max_early_events: usize,
    /// How packets are written: as the server does. Default JSON.
    pub parser: Parser,
    /// What packets of the server may hold.
    pub limits: Limits,
}

/// When a lost connection is opened again: the delay doubles with each attempt.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Reconnection {
    /// Whether it is at all (`reconnection`). Default true.
    pub enabled: bool,
    /// How often it is tried (`reconnectionAttempts`). Default: until it succeeds.
    pub attempts: Option<u32>,
    /// How long to wait before the first attempt (`reconnectionDelay`). Default 1 s.
    pub delay: Duration,
    /// How long to wait at most (`reconnectionDelayMax`). Default 5 s.
    pub delay_max: Duration,
    /// By which share of itself a delay may be longer or shorter (`randomizationFactor`), from 0 to 1. Default 0.5. It
    /// keeps the clients of a server that was restarted from coming back all at once.
    pub randomization_factor: f64,
}

/// What happens to an event when the buffer is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// The emit fails with [`EmitError::Full`](crate::EmitError::Full).
    #[default]
    Refuse,
    /// The oldest events make room. Whoever waits for their answers gets
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
            connect_timeout: Duration::from_secs(20),
            ack_timeout: None,
            retries: None,
            max_buffered: 8 << 20,
            overflow: Overflow::Refuse,
            max_pending_acks: 100_000,
            max_waiting_handlers: 10_000,
            max_waiting_events: 1024,
            max_early_events: 100_000,
            parser: Parser::Json,
            limits: Limits::default(),
        }
    }
}
