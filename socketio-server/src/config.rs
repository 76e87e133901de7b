//! Every number and switch of the Socket.IO layer, with the official server's defaults where it has one.

use std::time::Duration;

use socketio_parser::{Limits, Parser};

/// The settings of the Socket.IO layer. Those of the transport below are `engineio`'s.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// How long a client may stay without joining a namespace (`connectTimeout`). Default 45 s; then its connection
    /// is closed. Costs one timer per connection until the first CONNECT.
    pub connect_timeout: Duration,
    /// How long an emit with acknowledgement waits when the call sets no `timeout`. Default 30 s. The official
    /// server waits for ever, which leaks what never comes.
    pub ack_timeout: Duration,
    /// How many acknowledgements one socket may owe. Default 10,000; further emits with acknowledgement fail at
    /// once. Costs about 100 bytes each while they wait.
    pub max_pending_acks: usize,
    /// How many namespaces one connection may be in. Default 64; a further CONNECT closes it.
    pub max_namespaces: usize,
    /// How many CONNECTs of one connection may be refused. Default 100; a further one closes it.
    pub max_refused_connects: usize,
    /// How many handlers of one connection may run at a time. Default 128; beyond that nothing is read from the
    /// client until one has finished, so a client that sends faster than its handlers work has to wait.
    pub max_handlers_in_flight: usize,
    /// What a packet may contain. See [`Limits`].
    pub limits: Limits,
    /// How packets are written: the default JSON, or msgpack, which the clients have to use too.
    pub parser: Parser,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(45),
            ack_timeout: Duration::from_secs(30),
            max_pending_acks: 10_000,
            max_namespaces: 64,
            max_refused_connects: 100,
            max_handlers_in_flight: 128,
            limits: Limits::default(),
            parser: Parser::Json,
        }
    }
}
