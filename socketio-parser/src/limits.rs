//! How much a peer may ask for: every count and size that it chooses has a limit here.

/// What a [`Decoder`](crate::Decoder) accepts. Past a limit it answers
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
    /// Attachments that one packet may announce.
    ///
    /// Default 10, as the official decoder; unit: messages. Cost: until the last one arrives, all of them are
    /// held, so the memory that one connection can pin is this number times the transport's message size, and
    /// at most [`max_attachment_bytes`](Self::max_attachment_bytes).
    pub max_attachments: u32,

    /// Bytes that the attachments of one packet may have together.
    ///
    /// Default 10 000 000 (ten messages of the default `maxHttpBufferSize`); unit: bytes. Cost: memory held
    /// while the packet is incomplete.
    pub max_attachment_bytes: usize,

    /// Bytes of one text packet, or of one msgpack packet.
    ///
    /// Default 1 000 000, as the official `maxHttpBufferSize`; unit: bytes. The transport refuses larger messages
    /// anyway: set both together. Never more than `u32::MAX`, whatever is written here.
    pub max_packet_bytes: usize,

    /// How deep arrays and objects may be nested, the argument list itself being the first level.
    ///
    /// Default 128; unit: levels; 1000 at most, whatever is written here. Cost: none to decode, which never
    /// recurses. serde_json follows 128 levels and refuses to build a type from more.
    pub max_depth: u32,

    /// Arguments of one event or acknowledgement.
    ///
    /// Default 1 000 000, more than fits into the default packet; unit: arguments. Cost: 8 bytes each.
    pub max_arguments: u32,

    /// Bytes of a namespace's name, its query string included.
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

/// The greatest depth that can be configured; it fixes the size of the validators' stacks.
pub(crate) const DEPTH_CEILING: u32 = 1000;

impl Limits {
    /// The depth that is really applied.
    pub(crate) fn depth(&self) -> u32 {
        self.max_depth.min(DEPTH_CEILING)
    }

    /// The packet size that is really applied: offsets into a packet are kept in 32 bits.
    pub(crate) fn packet_bytes(&self) -> usize {
        self.max_packet_bytes.min(u32::MAX as usize)
    }
}

/// The name of a limit, as an error reports it.
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
    /// Ack ids end at 2^53 - 1, the last integer that a JavaScript peer can hold; not configurable.
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
