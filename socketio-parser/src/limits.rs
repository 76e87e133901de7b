//! Limits: every count and size that a peer chooses has a limit here.

/// Limits of a [`Decoder`](crate::Decoder). A packet beyond a limit fails with
/// [`DecodeError::Limit`](crate::DecodeError::Limit), which names the limit.
///
/// ```
/// use socketio_parser::Limits;
///
/// let limits = Limits { max_attachments: 100, ..Limits::default() };
/// assert_eq!(limits.max_depth, 128);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Maximum number of attachments of one packet.
    ///
    /// Default 10, as the official decoder; unit: messages. Cost: an incomplete packet holds its attachments,
    /// so one connection can pin this number times the transport's message size, and at most
    /// [`max_attachment_bytes`](Self::max_attachment_bytes).
    pub max_attachments: u32,

    /// Maximum size of all attachments of one packet together.
    ///
    /// Default 10 000 000 (ten messages of the default `maxHttpBufferSize`); unit: bytes. Cost: memory while
    /// the packet is incomplete.
    pub max_attachment_bytes: usize,

    /// Maximum size of one text packet, or of one msgpack packet.
    ///
    /// Default 1 000 000, as the official `maxHttpBufferSize`; unit: bytes. The transport has its own limit
    /// for messages: set both together. Larger values than `u32::MAX` have no effect.
    pub max_packet_bytes: usize,

    /// Maximum depth of nested arrays and objects; the argument list is the first level.
    ///
    /// Default 128; unit: levels; larger values than 1000 have no effect. Cost: none for decoding, which does
    /// not recurse. serde_json deserializes at most 128 levels.
    pub max_depth: u32,

    /// Maximum number of arguments of one event or acknowledgement.
    ///
    /// Default 1 000 000, more than fits into the default packet; unit: arguments. Cost: 8 bytes each.
    pub max_arguments: u32,

    /// Maximum size of a namespace name, including its query string.
    ///
    /// Default 512; unit: bytes.
    pub max_namespace_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_attachments: 10,
            max_attachment_bytes: 10_000_000,
            max_packet_bytes: 1_000_000,
            max_depth: 128,
            max_arguments: 1_000_000,
            max_namespace_bytes: 512,
        }
    }
}

/// The largest configurable depth. It determines the size of the validators' stacks.
pub(crate) const DEPTH_CEILING: u32 = 1000;

impl Limits {
    /// The effective depth limit.
    pub(crate) fn depth(&self) -> u32 {
        self.max_depth.min(DEPTH_CEILING)
    }

    /// The effective packet size limit: offsets into a packet have 32 bits.
    pub(crate) fn packet_bytes(&self) -> usize {
        self.max_packet_bytes.min(u32::MAX as usize)
    }
}

/// Name of a limit in an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limit {
    /// [`Limits::max_attachments`]
    Attachments,
    /// [`Limits::max_attachment_bytes`]
    AttachmentBytes,
    /// [`Limits::max_packet_bytes`]
    PacketBytes,
    /// [`Limits::max_depth`]
    Depth,
    /// [`Limits::max_arguments`]
    Arguments,
    /// [`Limits::max_namespace_bytes`]
    NamespaceBytes,
    /// The ack id limit of 2^53 - 1, the largest safe integer of JavaScript; not configurable.
    AckId,
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Attachments => "too many attachments (max_attachments)",
            Self::AttachmentBytes => "attachments too large (max_attachment_bytes)",
            Self::PacketBytes => "packet too large (max_packet_bytes)",
            Self::Depth => "nested too deep (max_depth)",
            Self::Arguments => "too many arguments (max_arguments)",
            Self::NamespaceBytes => "namespace too long (max_namespace_bytes)",
            Self::AckId => "ack id above 2^53 - 1",
        })
    }
}
