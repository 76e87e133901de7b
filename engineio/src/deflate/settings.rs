//! The settings of permessage-deflate.

use super::plan::{MAX_THRESHOLD, Plan};

/// The compression of WebSocket messages (`perMessageDeflate` of the official server), for a server or a client.
///
/// Without the feature `compression` it has no effect. Off by default on both sides, as in the official project: it
/// costs processor time for each message, and only text that repeats itself becomes much shorter.
///
/// By default messages are compressed without context takeover, each on its own. Then a connection costs no memory
/// beyond its messages: each worker thread has one compressor and one decompressor, 368 KiB and 47 KiB with the
/// default window and memory level, made at the first message that needs them. A message for many sessions is
/// compressed once for all that agreed on the same window, and the compressed form is what waits in their outboxes.
/// Compression happens in the task that sends; a megabyte of JSON takes about 13 ms.
///
/// Both sides negotiate the parameters as `ws` does. A server refuses a request with status 400 if its offers of this
/// extension are invalid, or if all of them contradict the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct PerMessageDeflate {
    threshold: usize,
    level: u8,
    mem_level: u8,
    pub(crate) server_no_context_takeover: Option<bool>,
    pub(crate) client_no_context_takeover: Option<bool>,
    pub(crate) server_max_window_bits: WindowBits,
    pub(crate) client_max_window_bits: WindowBits,
}

/// The setting for the window of one direction: the number of bytes that a repetition may reach back, as a power of
/// two from 8 to 15.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WindowBits {
    /// As the other side prefers, and 15 otherwise (`undefined` in `ws`).
    #[default]
    Any,
    /// No limit is accepted (`false` in `ws`). A server refuses an offer that limits the server's window.
    Refused,
    /// At most this many bits. A number below 8 counts as 8, one above 15 as 15.
    AtMost(u8),
}

impl From<u8> for WindowBits {
    fn from(bits: u8) -> Self {
        Self::AtMost(bits.clamp(8, 15))
    }
}

impl WindowBits {
    /// The limit, if there is one.
    pub(crate) fn limit(self) -> Option<u8> {
        match self {
            Self::AtMost(bits) => Some(bits.clamp(8, 15)),
            Self::Any | Self::Refused => None,
        }
    }
}

impl PerMessageDeflate {
    /// Messages of 1,024 bytes or more, without context takeover in either direction.
    pub const fn new() -> Self {
        Self {
            threshold: 1024,
            level: 6,
            mem_level: 8,
            server_no_context_takeover: Some(true),
            client_no_context_takeover: Some(true),
            server_max_window_bits: WindowBits::Any,
            client_max_window_bits: WindowBits::Any,
        }
    }

    /// The smallest message that is compressed, in bytes. Default 1,024; a threshold of 1 MiB or more counts as one
    /// byte less. A short message hardly becomes shorter.
    pub const fn threshold(mut self, bytes: usize) -> Self {
        self.threshold = if bytes < MAX_THRESHOLD { bytes } else { MAX_THRESHOLD };
        self
    }

    /// The level of zlib, from 0 (none) to 9 (smallest). Default 6. A higher level costs more processor time for fewer
    /// bytes; one above 9 counts as 9.
    pub const fn level(mut self, level: u8) -> Self {
        self.level = if level < 9 { level } else { 9 };
        self
    }

    /// The memory level of zlib, from 1 to 9 (`memLevel`). Default 8. It decides about 7 × 64 × 2^`level` bytes of each
    /// compressor, 112 KiB at level 8: see [`server_no_context_takeover`](Self::server_no_context_takeover). Less of it
    /// compresses a little worse.
    pub const fn mem_level(mut self, level: u8) -> Self {
        self.mem_level = if level < 1 {
            1
        } else if level < 9 {
            level
        } else {
            9
        };
        self
    }

    /// Whether the server compresses each message on its own (`serverNoContextTakeover`). Default `true`.
    ///
    /// `None` leaves it to the client. With `false` an offer that requires it is refused. If a message may refer to
    /// the messages before it, short similar messages become much shorter, but
    ///
    /// - each connection that has sent a message owns a compressor, of 4 × 2^`window bits` + 128 KiB + 7 × 64 ×
    ///   2^`memory level` bytes: 368 KiB by default, 131 KiB with 9 window bits and memory level 1. No limit of the
    ///   server counts it;
    /// - a message for many sessions is compressed for each of them;
    /// - a message waits uncompressed, since only the order of writing decides what it may refer to.
    pub fn server_no_context_takeover(mut self, off: impl Into<Option<bool>>) -> Self {
        self.server_no_context_takeover = off.into();
        self
    }

    /// Whether the client compresses each message on its own (`clientNoContextTakeover`). Default `true`.
    ///
    /// `None` leaves it to the client, and `false` on the side of a client refuses a server that requires it. Otherwise
    /// each connection of the server that has received a compressed message owns a decompressor of 47 KiB; the client
    /// owns a compressor.
    pub fn client_no_context_takeover(mut self, off: impl Into<Option<bool>>) -> Self {
        self.client_no_context_takeover = off.into();
        self
    }

    /// The window of the server's messages (`serverMaxWindowBits`). Default [`WindowBits::Any`]. A smaller window
    /// compresses worse, and saves memory only with context takeover.
    pub fn server_max_window_bits(mut self, bits: impl Into<WindowBits>) -> Self {
        self.server_max_window_bits = bits.into();
        self
    }

    /// The window of the client's messages (`clientMaxWindowBits`). Default [`WindowBits::Any`]. A server with a limit
    /// refuses clients that do not offer one.
    pub fn client_max_window_bits(mut self, bits: impl Into<WindowBits>) -> Self {
        self.client_max_window_bits = bits.into();
        self
    }

    /// The compression of written messages, with the window that was negotiated for them.
    pub(crate) fn plan(self, window_bits: u8) -> Option<Plan> {
        Plan::new(window_bits, self.level, self.mem_level, self.threshold)
    }

    /// The smallest message that is compressed.
    pub(crate) fn smallest(self) -> usize {
        self.threshold
    }
}

impl Default for PerMessageDeflate {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_out_of_range_count_as_the_nearest() {
        let plan = |settings: PerMessageDeflate| settings.plan(15).unwrap();
        let lowest = plan(PerMessageDeflate::new().level(0).mem_level(0).threshold(0));
        assert_eq!((lowest.level(), lowest.mem_level(), lowest.applies_to(0)), (0, 1, true));
        let highest = plan(PerMessageDeflate::new().level(200).mem_level(200).threshold(usize::MAX));
        assert_eq!((highest.level(), highest.mem_level()), (9, 9));
        assert!(highest.applies_to(MAX_THRESHOLD) && !highest.applies_to(MAX_THRESHOLD - 1));
        for (bits, limit) in [(0, 8), (8, 8), (12, 12), (15, 15), (255, 15)] {
            assert_eq!(WindowBits::AtMost(bits).limit(), Some(limit));
            assert_eq!(WindowBits::from(bits), WindowBits::AtMost(limit));
        }
        assert_eq!((WindowBits::Any.limit(), WindowBits::Refused.limit()), (None, None));
    }
}
