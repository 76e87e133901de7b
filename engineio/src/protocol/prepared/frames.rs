//! WebSocket messages that are not Engine.IO packets, for clients that speak another protocol.

use std::iter::once;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::{Binary, Prepared};
use crate::protocol::frame::{MAX_HEADER_LEN, Opcode, header_len, write_header};
#[cfg(feature = "server")]
use crate::protocol::packet::{Message, PacketType};
use crate::protocol::text::Text;

/// Capacity in bytes beyond which an empty writer returns its memory.
const KEPT: usize = 32 * 1024;

/// Encodes the WebSocket messages of a client that does not speak Engine.IO.
///
/// Text is encoded in place, behind the earlier messages of the same batch, so a message needs no allocation of
/// its own.
#[derive(Debug, Default)]
pub struct FrameWriter {
    /// The frames of text messages.
    text: Vec<u8>,
    /// The frames of binary messages, each with its position in `text`.
    binaries: Vec<(usize, Binary)>,
    /// Length of the next text, as far as it can be estimated.
    expected: usize,
}

/// A position between two messages of a [`FrameWriter`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mark {
    text: usize,
    binaries: usize,
}

impl FrameWriter {
    /// A text message. `write` appends its text to the buffer and must keep the bytes that are there. The text must be
    /// UTF-8: a client closes its connection on anything else.
    #[inline]
    pub fn text(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.text.len();
        let reserved = header_len(self.expected);
        let payload = start + reserved;
        self.text.extend_from_slice(&[0; MAX_HEADER_LEN][..reserved]);
        write(&mut self.text);
        if self.text.len() < payload {
            self.text.resize(payload, 0);
        }
        let len = self.text.len() - payload;
        debug_assert!(std::str::from_utf8(&self.text[payload..]).is_ok());
        let header = header_len(len);
        if header != reserved {
            self.shift(payload, start + header);
        }
        write_header(&mut self.text[start..start + header], Opcode::Text, len);
    }

    /// A binary message. The bytes are shared, not copied.
    pub fn binary(&mut self, data: Bytes) {
        self.binaries.push((self.text.len(), Binary::new(data)));
    }

    /// A ping without data.
    #[cfg(feature = "server")]
    pub(crate) fn ping(&mut self) {
        self.text.extend_from_slice(b"\x89\x00");
    }

    /// Moves the end of the text, for a header of another length than was reserved.
    #[cold]
    fn shift(&mut self, from: usize, to: usize) {
        let end = self.text.len();
        self.text.resize(end.max(end - from + to), 0);
        self.text.copy_within(from..end, to);
        self.text.truncate(end - from + to);
    }

    /// Announces a text of about this length.
    pub(crate) fn expect(&mut self, len: usize) {
        self.expected = len;
    }

    /// The position behind the messages so far.
    pub(crate) fn mark(&self) -> Mark {
        Mark { text: self.text.len(), binaries: self.binaries.len() }
    }

    /// The length of all frames in bytes.
    pub(crate) fn wire_len(&self) -> usize {
        let binaries = self.binaries.iter().map(|(_, part)| part.header().len() + part.data.len());
        self.text.len() + binaries.sum::<usize>()
    }

    /// All frames, if none is binary.
    pub(crate) fn only_text(&self) -> Option<&[u8]> {
        self.binaries.is_empty().then_some(self.text.as_slice())
    }

    /// All frames, in pieces for a vectored write.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let mut at = 0;
        let rest = self.binaries.last().map_or(0, |(position, _)| *position);
        let binaries = self.binaries.iter().flat_map(move |(position, part)| {
            let text = &self.text[at..*position];
            at = *position;
            [text, part.header(), part.data.as_ref()]
        });
        binaries.chain(once(&self.text[rest..]))
    }

    /// The frames of text messages, for [`queued`](Self::queued).
    pub(crate) fn shared(&self) -> Bytes {
        Bytes::copy_from_slice(&self.text)
    }

    /// The frames between two positions, for a queue: text up to a binary message with this one, and the rest, which
    /// may be empty.
    pub(crate) fn queued(&self, shared: &Bytes, from: Mark, to: Mark) -> (Vec<Prepared>, Prepared) {
        let mut at = from.text;
        let binaries = self.binaries[from.binaries..to.binaries].iter().map(|(position, part)| {
            let (head, tail) = (shared.slice(at..*position), Binary::new(part.data.clone()));
            at = *position;
            Prepared::of(head, 0, Some(Arc::from([tail])))
        });
        let binaries = binaries.collect();
        (binaries, Prepared::of(shared.slice(at..to.text), 0, None))
    }

    /// Removes all frames. The writer keeps the memory of usual batches.
    pub(crate) fn clear(&mut self) {
        if !self.binaries.is_empty() {
            self.binaries.clear();
        }
        self.text.clear();
        if self.text.capacity() > KEPT {
            self.text = Vec::new();
        }
    }
}

impl Prepared {
    /// Attaches a note to the message, and replaces an earlier one. Only a `Translator` (feature `server`)
    /// reads the note. Notes are not sent to clients and do not count towards limits.
    #[must_use]
    pub fn with_note(mut self, note: Text) -> Self {
        let binaries = self.binaries().iter().map(|part| Binary::new(part.data.clone()));
        let note =
            Binary { header: [0; MAX_HEADER_LEN], header_len: 0, data: note.into(), base64: OnceLock::new() };
        self.tail = Some(binaries.chain([note]).collect());
        self
    }

    /// The messages of the application: the text, then the binary messages.
    #[cfg(feature = "server")]
    pub fn messages(&self) -> impl Iterator<Item = Message> {
        let plain = self.plain();
        let is_message = !plain.head.is_empty() && self.kind() == PacketType::Message;
        // The packet type in front of the text is one byte.
        let text = is_message.then(|| Text::from_checked(plain.head.slice(usize::from(plain.header) + 1..)));
        let binaries = plain.binaries().iter().map(|part| Message::Binary(part.data.clone()));
        text.map(Message::Text).into_iter().chain(binaries)
    }

    /// The text of a message without binary messages.
    #[cfg(feature = "server")]
    pub fn only_text(&self) -> Option<&[u8]> {
        let is_message = self.is_text() && self.kind() == PacketType::Message;
        self.plain().packet_text().get(1..).filter(|_| is_message)
    }

    /// The note, if there is one.
    #[cfg(feature = "server")]
    pub fn note(&self) -> Option<Text> {
        let note = self.tail.as_deref()?.last().filter(|part| part.header_len == 0)?;
        Some(Text::from_checked(note.data.clone()))
    }
}

/// Splits off the first frame. The frame must be unmasked, as this crate encodes it.
pub(super) fn split_frame(frames: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let &[_, short, ref rest @ ..] = frames else { return None };
    let (header, len) = match (short, rest) {
        (126, &[a, b, ..]) => (4, usize::from(u16::from_be_bytes([a, b]))),
        (127, &[a, b, c, d, e, f, g, h, ..]) => {
            (10, usize::try_from(u64::from_be_bytes([a, b, c, d, e, f, g, h])).ok()?)
        }
        (126 | 127, _) => return None,
        (short, _) => (2, usize::from(short)),
    };
    let (header, rest) = frames.split_at_checked(header)?;
    let (payload, rest) = rest.split_at_checked(len)?;
    Some((header, payload, rest))
}

#[cfg(test)]
mod tests {
    use super::super::TextBuf;
    use super::*;

    fn wire(frames: &FrameWriter) -> Vec<u8> {
        let wire = frames.pieces().flatten().copied().collect::<Vec<u8>>();
        assert_eq!(wire.len(), frames.wire_len());
        assert_eq!(frames.only_text().is_some(), frames.binaries.is_empty());
        wire
    }

    #[test]
    fn frames_have_no_packet_type() {
        let mut frames = FrameWriter::default();
        assert_eq!(wire(&frames), b"");
        frames.text(|_| {});
        frames.text(|out| out.extend_from_slice(b"hi"));
        assert_eq!(wire(&frames), b"\x81\x00\x81\x02hi");
        frames.binary(Bytes::from_static(&[7]));
        frames.binary(Bytes::from_static(&[8]));
        frames.text(|out| out.push(b'x'));
        assert_eq!(wire(&frames), b"\x81\x00\x81\x02hi\x82\x01\x07\x82\x01\x08\x81\x01x");
        frames.clear();
        assert_eq!(wire(&frames), b"");
    }

    #[test]
    fn the_header_has_the_length_of_the_text_and_not_of_the_estimate() {
        for expected in [0, 126, 65_536] {
            for len in [0, 125, 126, 65_535, 65_536] {
                let mut frames = FrameWriter::default();
                frames.text(|out| out.push(b'a'));
                frames.expect(expected);
                let text = "x".repeat(len);
                frames.text(|out| out.extend_from_slice(text.as_bytes()));
                let mut header = vec![0; header_len(len)];
                write_header(&mut header, Opcode::Text, len);
                assert_eq!(wire(&frames), [b"\x81\x01a", &header[..], text.as_bytes()].concat());
            }
        }
    }

    /// A translator that removes bytes from the buffer breaks its own messages only.
    #[test]
    fn a_buffer_that_is_cut_keeps_its_positions() {
        let mut frames = FrameWriter::default();
        frames.text(|out| out.extend_from_slice(b"hi"));
        frames.binary(Bytes::from_static(&[7]));
        frames.text(Vec::clear);
        assert_eq!(wire(&frames).len(), 4 + 3 + 2);
    }

    #[test]
    fn queued_frames_are_those_between_two_positions() {
        let mut frames = FrameWriter::default();
        let mut marks = vec![frames.mark()];
        frames.text(|out| out.push(b'a'));
        marks.push(frames.mark());
        frames.text(|out| out.push(b'b'));
        frames.binary(Bytes::from_static(&[7]));
        frames.binary(Bytes::from_static(&[8]));
        marks.push(frames.mark());
        marks.push(frames.mark());
        let shared = frames.shared();
        let mut queued = Vec::new();
        for pair in marks.windows(2) {
            let (binaries, last) = frames.queued(&shared, pair[0], pair[1]);
            queued.push(binaries.iter().map(Prepared::wire_len).chain([last.wire_len()]).collect::<Vec<_>>());
            let all = binaries.iter().chain([&last]).flat_map(Prepared::frames).flatten();
            assert!(all.count() <= wire(&frames).len());
        }
        assert_eq!(queued, [vec![3], vec![6, 3, 0], vec![0]]);
    }

    #[cfg(feature = "server")]
    #[test]
    fn a_prepared_message_is_taken_apart() {
        let mut buf = TextBuf::with_capacity(0);
        buf.buffer().extend_from_slice(b"51-[]");
        let prepared = buf.finish_with([Bytes::from_static(&[7])]);
        let messages: Vec<Message> = prepared.messages().collect();
        assert_eq!(messages, [Message::from("51-[]"), Message::Binary(Bytes::from_static(&[7]))]);
        assert_eq!(prepared.note(), None);
        let noted = prepared.clone().with_note("old".into()).with_note("new".into());
        assert_eq!(noted.note(), Some("new".into()));
        assert_eq!(noted.messages().collect::<Vec<_>>(), messages);
        assert!(noted.frames().eq(prepared.frames()) && noted.wire_len() == prepared.wire_len());
        let text = Prepared::text("a").with_note("b".into());
        assert!(text.is_text() && text.packets().count() == 1 && text.wire_len() == 4);
        assert_eq!((text.only_text(), prepared.only_text()), (Some(&b"a"[..]), None));
        assert_eq!(Prepared::ping().messages().count(), 0);
        assert_eq!(Prepared::ping().only_text(), None);
        assert_eq!((text.tag(), text.with_tag(7).tag()), (0, 7));
        assert_eq!(Prepared::binary(Bytes::new()).messages().count(), 1);
    }
}
