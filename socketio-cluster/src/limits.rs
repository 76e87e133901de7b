//! Limits of the decoders and encoders.

use socketio_parser::Limits as ParserLimits;

/// Limits of messages between servers. A message beyond a limit fails with an error that names the limit.
///
/// The senders are the servers of the same cluster, so the limits are wide; they bound what a broken or
/// hostile process on the same medium can cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Maximum size of one message, received or sent.
    ///
    /// Default 64 MiB; unit: bytes. Cost: a received message is in memory once, and the rooms, sockets and
    /// arguments that are read from it take at most about 50 times its size.
    pub max_message_bytes: usize,
    /// Maximum nesting of arrays and objects.
    ///
    /// Default 1000; unit: levels; larger values have no effect. Cost: some bytes of stack per level.
    pub max_depth: u32,
    /// Maximum number of arguments of an event.
    ///
    /// Default 1 000 000; unit: arguments. Cost: 8 bytes each.
    pub max_arguments: u32,
    /// Maximum number of names in one list of rooms.
    ///
    /// Default 1 000 000; unit: names. Cost: about 40 bytes each, and the name.
    pub max_rooms: usize,
    /// Maximum number of sockets in one answer.
    ///
    /// Default 1 000 000; unit: sockets. Cost: some hundred bytes each, and the data of the application.
    pub max_sockets: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_message_bytes: 64 << 20,
            max_depth: 1000,
            max_arguments: 1_000_000,
            max_rooms: 1_000_000,
            max_sockets: 1_000_000,
        }
    }
}

impl Limits {
    /// The limits for the event inside a message.
    pub(crate) fn parser(&self) -> ParserLimits {
        ParserLimits {
            max_packet_bytes: self.max_message_bytes,
            max_depth: self.max_depth,
            max_arguments: self.max_arguments,
            ..ParserLimits::default()
        }
    }
}
