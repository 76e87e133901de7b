//! One message in every wire form, encoded once and shared by all sessions that receive it.
//!
//! A server's WebSocket frames are not masked, so the same bytes serve every WebSocket client. The frame
//! header stands right in front of the packet in one allocation; the polling form is the slice behind it.
//! Binary parts keep the buffer they came in; their base64 form is made when the first polling client needs
//! it.

mod convert;
#[cfg(all(test, feature = "compression", feature = "server"))]
mod deflate_tests;
#[cfg_attr(not(any(feature = "server", feature = "client")), path = "no_deflated.rs")]
mod deflated;
mod dialect;
#[cfg(any(feature = "server", feature = "client"))]
pub(crate) mod frames;
mod packet_ref;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::frame::{MAX_HEADER_LEN, Opcode, header_len, write_header};
#[cfg(feature = "echo")]
use super::packet::Message;
use super::packet::PacketType;

#[cfg(feature = "server")]
pub(crate) use self::deflated::share_from;
pub use self::dialect::Dialect;
#[cfg(any(feature = "server", feature = "client"))]
pub use self::frames::FrameWriter;
pub use self::packet_ref::{BinaryRef, PacketRef};

/// Room for the largest frame header and the packet type.
const HEADROOM: usize = MAX_HEADER_LEN + 1;

/// The largest message, in bytes, that is written into the thread's buffer and then copied into an allocation
/// of its own size. The copy is cheaper than a new buffer that grows, and the queued message has no spare
/// capacity.
const COPIED: usize = 4096;

thread_local! {
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A buffer for the text of a message, with space for the headers in front.
///
/// The caller appends UTF-8 to [`buffer`](Self::buffer); [`finish`](Self::finish) writes the headers in front
/// of it without moving a byte.
#[derive(Debug)]
pub struct TextBuf(Vec<u8>);

impl TextBuf {
    /// An empty buffer with capacity for `capacity` bytes of text.
    pub fn with_capacity(capacity: usize) -> Self {
        let mut buffer = if capacity <= COPIED { SCRATCH.take() } else { Vec::new() };
        buffer.clear();
        buffer.reserve(HEADROOM + capacity);
        buffer.resize(HEADROOM, 0);
        Self(buffer)
    }

    /// The buffer for the text. The caller appends to it and must keep the bytes that are there.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    /// The encoded message. The text must be UTF-8: a client closes its connection on anything else.
    pub fn finish(self) -> Prepared {
        self.packet(PacketType::Message)
    }

    /// The message, followed by binary messages. No other message comes between them.
    pub fn finish_with(self, attachments: impl IntoIterator<Item = Bytes>) -> Prepared {
        self.finish().followed_by(attachments)
    }

    fn packet(mut self, kind: PacketType) -> Prepared {
        self.0.resize(self.0.len().max(HEADROOM), 0);
        self.0[MAX_HEADER_LEN] = kind.digit();
        self.framed(MAX_HEADER_LEN)
    }

    /// Writes the header of a text frame in front of the payload, which begins at this index.
    #[inline]
    fn framed(mut self, payload: usize) -> Prepared {
        debug_assert!(std::str::from_utf8(&self.0[payload..]).is_ok());
        let payload_len = self.0.len() - payload;
        let header = header_len(payload_len);
        let start = payload - header;
        write_header(&mut self.0[start..payload], Opcode::Text, payload_len);
        let head = if self.0.len() <= COPIED {
            let head = Bytes::copy_from_slice(&self.0[start..]);
            SCRATCH.set(self.0);
            head
        } else {
            let mut head = Bytes::from(self.0);
            bytes::Buf::advance(&mut head, start);
            head
        };
        // A header has at most ten bytes, so the cast keeps it.
        let mut prepared = Prepared::of(head, header as u8, None);
        prepared.share_forms(payload_len);
        prepared
    }
}

/// A message that is ready for any session on any transport. Cloning it costs a reference count.
#[derive(Clone)]
pub struct Prepared {
    /// The WebSocket text frame of the packet; empty for a message that is only binary.
    head: Bytes,
    /// The length of the frame header at the start of `head`.
    header: u8,
    /// Whether the message may be compressed.
    compress: bool,
    /// Whether the message stays in the outbox of a slow client whose other messages are dropped.
    kept: bool,
    /// The key of conflation.
    key: Option<NonZeroU32>,
    /// A number for a translator.
    tag: u8,
    /// The compressed forms, or the state of one. `None` for most messages.
    #[cfg(any(feature = "server", feature = "client"))]
    extra: Option<Arc<deflated::Extra>>,
    /// The binary messages behind the text, and the note.
    tail: Option<Arc<[Binary]>>,
}

/// One binary message, or the note, which has no header.
#[derive(Debug)]
struct Binary {
    header: [u8; MAX_HEADER_LEN],
    header_len: u8,
    data: Bytes,
    /// `b` and base64, for clients that only take text.
    base64: OnceLock<Bytes>,
}

impl Binary {
    fn new(data: Bytes) -> Self {
        let mut header = [0; MAX_HEADER_LEN];
        let len = header_len(data.len());
        write_header(&mut header[..len], Opcode::Binary, data.len());
        // A header has at most ten bytes, so the cast keeps it.
        Self { header, header_len: len as u8, data, base64: OnceLock::new() }
    }

    fn header(&self) -> &[u8] {
        &self.header[..usize::from(self.header_len)]
    }

    fn base64(&self) -> &[u8] {
        self.base64.get_or_init(|| {
            let mut text = String::with_capacity(1 + self.data.len().div_ceil(3) * 4);
            text.push('b');
            STANDARD.encode_string(&self.data, &mut text);
            Bytes::from(text)
        })
    }
}

impl Prepared {
    /// A text message.
    pub fn text(text: &str) -> Self {
        let mut buf = TextBuf::with_capacity(text.len());
        buf.buffer().extend_from_slice(text.as_bytes());
        buf.finish()
    }

    /// A binary message. The bytes are shared, not copied.
    pub fn binary(data: Bytes) -> Self {
        let len = data.len();
        let mut prepared = Self::of(Bytes::new(), 0, Some(Arc::from([Binary::new(data)])));
        prepared.share_forms(len);
        prepared
    }

    /// Sets whether the message may be compressed, on a WebSocket or in a polling response. Default true. Turn it off
    /// for data that is compressed already.
    #[must_use]
    pub fn compress(mut self, compress: bool) -> Self {
        self.compress = compress;
        self
    }

    /// Marks the message as the latest value of `key`. With
    /// [`SlowConsumer::Conflate`](crate::SlowConsumer::Conflate) it replaces a message with the same key that
    /// waits in the outbox of a session. With other policies the key has no effect.
    #[must_use]
    pub fn conflate_by(mut self, key: NonZeroU32) -> Self {
        self.key = Some(key);
        self
    }

    /// Marks the message as one that no policy drops.
    pub(crate) fn keep(mut self) -> Self {
        self.kept = true;
        self
    }

    pub(crate) fn is_kept(&self) -> bool {
        self.kept
    }

    /// The key of [`conflate_by`](Self::conflate_by).
    pub fn conflation_key(&self) -> Option<NonZeroU32> {
        self.key
    }

    /// Sets a number that describes the message to a `Translator`. It is not sent to clients. Default 0.
    #[must_use]
    pub fn with_tag(mut self, tag: u8) -> Self {
        self.tag = tag;
        self
    }

    /// The number of [`with_tag`](Self::with_tag).
    pub fn tag(&self) -> u8 {
        self.tag
    }

    /// A WebSocket message without a packet around it.
    #[cfg(feature = "echo")]
    pub(crate) fn bare(message: Message) -> Self {
        let text = match message {
            Message::Text(text) => text,
            Message::Binary(data) => return Self::binary(data),
        };
        let header = header_len(text.as_bytes().len());
        let mut head = vec![0; header];
        write_header(&mut head, Opcode::Text, text.as_bytes().len());
        head.extend_from_slice(text.as_bytes());
        // A header has at most ten bytes, so the cast keeps it.
        Self::of(head.into(), header as u8, None)
    }

    /// A text packet that is not a message.
    pub fn control(kind: PacketType, data: &[u8]) -> Self {
        let mut buf = TextBuf::with_capacity(data.len());
        buf.buffer().extend_from_slice(data);
        buf.packet(kind)
    }

    /// The ping of a heartbeat, without data. It needs no allocation.
    pub fn ping() -> Self {
        let head = Bytes::from_static(b"\x81\x012");
        Self::of(head, 2, None)
    }

    /// The length in bytes on a WebSocket, headers included. The outbox counts this length.
    pub fn wire_len(&self) -> usize {
        let binaries = self.binaries().iter().map(|part| part.header().len() + part.data.len());
        self.head.len() + binaries.sum::<usize>()
    }

    /// Whether the message may be compressed.
    pub fn may_compress(&self) -> bool {
        self.compress
    }

    /// The type of the packet. Everything that an application sends is a message.
    pub fn kind(&self) -> PacketType {
        #[cfg(any(feature = "server", feature = "client"))]
        if let Some(kind) = self.compressed_kind() {
            return kind;
        }
        let digit = self.head.get(usize::from(self.header)).copied();
        digit.and_then(PacketType::from_digit).unwrap_or(PacketType::Message)
    }

    /// The WebSocket frames for a client that takes binary (revision 4), in pieces for a vectored write.
    pub fn frames(&self) -> impl Iterator<Item = &[u8]> {
        let head = Some(self.head.as_ref()).filter(|head| !head.is_empty());
        head.into_iter().chain(self.binaries().iter().flat_map(|part| [part.header(), part.data.as_ref()]))
    }

    /// Whether the message has no binary part, so that every client receives the same WebSocket frames.
    pub fn is_text(&self) -> bool {
        self.plain().is_one_piece()
    }

    /// Whether all frames are in one piece, and have the same bytes for every client.
    #[inline]
    pub(crate) fn is_one_piece(&self) -> bool {
        self.binaries().is_empty()
    }

    /// The packets of this message for a polling payload: text without a frame header, and binary messages.
    pub fn packets(&self) -> impl Iterator<Item = PacketRef<'_>> {
        let plain = self.plain();
        let text = plain.packet_text();
        let text = Some(text).filter(|text| !text.is_empty()).map(PacketRef::Text);
        text.into_iter().chain(plain.binaries().iter().map(|part| PacketRef::Binary(BinaryRef(part))))
    }

    /// Number of binary messages that follow the text. A message that is only binary has none.
    #[inline]
    pub fn attachments(&self) -> usize {
        let plain = self.plain();
        if plain.head.is_empty() { 0 } else { plain.binaries().len() }
    }

    /// The binary messages. A note, which is last, is none of them.
    #[inline]
    fn binaries(&self) -> &[Binary] {
        match self.tail.as_deref() {
            None => &[],
            Some([binaries @ .., note]) if note.header_len == 0 => binaries,
            Some(binaries) => binaries,
        }
    }

    /// A message of these parts, with the defaults otherwise.
    #[inline]
    fn of(head: Bytes, header: u8, tail: Option<Arc<[Binary]>>) -> Self {
        Self {
            head,
            header,
            compress: true,
            kept: false,
            key: None,
            tag: 0,
            #[cfg(any(feature = "server", feature = "client"))]
            extra: None,
            tail,
        }
    }

    fn followed_by(mut self, attachments: impl IntoIterator<Item = Bytes>) -> Self {
        let mut attachments = attachments.into_iter().peekable();
        if attachments.peek().is_some() {
            self.tail = Some(attachments.map(Binary::new).collect());
            let longest = self.binaries().iter().map(|part| part.data.len()).max();
            self.share_forms(longest.unwrap_or_default());
        }
        self
    }

    /// The text packet without its frame header. The bytes are shared.
    pub fn text_packet(&self) -> Bytes {
        let plain = self.plain();
        plain.head.slice(usize::from(plain.header)..)
    }

    fn packet_text(&self) -> &[u8] {
        &self.head[usize::from(self.header)..]
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let attachments = self.plain().binaries().len();
        f.debug_struct("Prepared")
            .field("text", &self.text_packet())
            .field("attachments", &attachments)
            .finish()
    }
}
