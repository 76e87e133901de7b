//! WebSocket messages that are not Engine.IO packets, for clients that speak another protocol.

use std::sync::OnceLock;

use bytes::Bytes;

use super::{Binary, HEADROOM, Prepared, TextBuf};
use crate::protocol::frame::MAX_HEADER_LEN;
#[cfg(feature = "server")]
use crate::protocol::packet::{Message, PacketType};
use crate::protocol::text::Text;

/// WebSocket messages for a client that does not speak Engine.IO: a text message, binary messages, or a text
/// message followed by binary messages.
#[derive(Clone, Debug)]
pub struct Frames(Prepared);

impl Frames {
    /// A text message. The text is copied; [`TextBuf::finish_frames`] avoids the copy.
    pub fn text(text: &str) -> Self {
        let mut buf = TextBuf::with_capacity(text.len());
        buf.buffer().extend_from_slice(text.as_bytes());
        buf.finish_frames([])
    }

    /// A binary message. The bytes are shared, not copied.
    pub fn binary(data: Bytes) -> Self {
        Self(Prepared::binary(data))
    }

    /// A ping without data.
    #[cfg(feature = "server")]
    pub(crate) fn ping() -> Self {
        Self(Prepared { head: Bytes::from_static(b"\x89\x00"), ..Prepared::nothing() })
    }

    /// The encoded frames as a [`Prepared`]. None of them is a packet.
    pub(crate) fn into_prepared(self) -> Prepared {
        self.0
    }
}

impl TextBuf {
    /// The text as a WebSocket message without a packet type, followed by binary messages.
    pub fn finish_frames(mut self, attachments: impl IntoIterator<Item = Bytes>) -> Frames {
        self.0.resize(self.0.len().max(HEADROOM), 0);
        Frames(self.framed(HEADROOM).followed_by(attachments))
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

    /// A message without bytes.
    pub(crate) fn nothing() -> Self {
        Self { head: Bytes::new(), header: 0, compress: true, kept: false, key: None, tag: 0, tail: None }
    }

    /// The messages of the application: the text, then the binary messages.
    #[cfg(feature = "server")]
    pub fn messages(&self) -> impl Iterator<Item = Message> {
        let is_message = !self.head.is_empty() && self.kind() == PacketType::Message;
        // The packet type in front of the text is one byte.
        let text = is_message.then(|| Text::from_checked(self.head.slice(usize::from(self.header) + 1..)));
        let binaries = self.binaries().iter().map(|part| Message::Binary(part.data.clone()));
        text.map(Message::Text).into_iter().chain(binaries)
    }

    /// The text of a message without binary messages.
    #[cfg(feature = "server")]
    pub fn only_text(&self) -> Option<&[u8]> {
        let is_message = self.is_text() && self.kind() == PacketType::Message;
        self.packet_text().get(1..).filter(|_| is_message)
    }

    /// The note, if there is one.
    #[cfg(feature = "server")]
    pub fn note(&self) -> Option<Text> {
        let note = self.tail.as_deref()?.last().filter(|part| part.header_len == 0)?;
        Some(Text::from_checked(note.data.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_have_no_packet_type() {
        let wire = |frames: Frames| frames.0.frames().flatten().copied().collect::<Vec<u8>>();
        assert_eq!(wire(Frames::text("")), b"\x81\x00");
        assert_eq!(wire(Frames::text("hi")), b"\x81\x02hi");
        assert_eq!(wire(Frames::binary(Bytes::from_static(&[7]))), b"\x82\x01\x07");
        let mut buf = TextBuf::with_capacity(0);
        buf.buffer().push(b'x');
        assert_eq!(wire(buf.finish_frames([Bytes::from_static(&[7])])), b"\x81\x01x\x82\x01\x07");
        for (len, header) in [(125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
            assert_eq!(Frames::text(&"x".repeat(len)).0.wire_len(), len + header, "{len}");
        }
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
