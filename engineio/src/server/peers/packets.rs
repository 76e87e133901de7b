//! Packets between nodes, from queued messages and to them.

use bytes::Bytes;

use crate::protocol::packet::{Message, Packet, PacketType, Protocol, decode_text};
use crate::protocol::prepared::{PacketRef, Prepared};
use crate::protocol::text::Text;

/// The packets of messages that are about to be sent.
pub(crate) fn packets(messages: &[Prepared]) -> Vec<Packet> {
    messages.iter().flat_map(parts).collect()
}

fn parts(message: &Prepared) -> impl Iterator<Item = Packet> {
    message.packets().filter_map(move |part| match part {
        PacketRef::Text(_) => text(message.text_packet()),
        PacketRef::Binary(part) => Some(Packet::Message(Message::Binary(part.bytes()))),
    })
}

/// The text of a message shares its buffer. A text that is not UTF-8, which the types of messages do not
/// allow, has no packet.
fn text(packet: Bytes) -> Option<Packet> {
    decode_text(Text::from_utf8(packet).ok()?, Protocol::V4).ok()
}

/// Whether there are messages of the application, whose delivery the owner waits for.
pub(crate) fn has_messages(packets: &[Packet]) -> bool {
    packets.iter().any(|packet| matches!(packet, Packet::Message(_)))
}

/// A packet without data.
pub(crate) fn control(kind: PacketType) -> Packet {
    match kind {
        PacketType::Noop => Packet::Noop,
        _ => Packet::Close,
    }
}

/// A packet for the client, as messages are queued.
pub(crate) fn prepared(packet: Packet) -> Prepared {
    let kind = packet.kind();
    match packet {
        Packet::Message(message) => message.into(),
        Packet::Open(data) | Packet::Ping(data) | Packet::Pong(data) => {
            Prepared::control(kind, data.as_bytes())
        }
        Packet::Close | Packet::Upgrade | Packet::Noop => Prepared::control(kind, b""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::prepared::TextBuf;

    #[test]
    fn packets_go_to_another_node_and_on_to_the_client_unchanged() {
        let mut event = TextBuf::with_capacity(8);
        event.buffer().extend_from_slice("51-é".as_bytes());
        let event = event.finish_with([Bytes::from_static(b"\x01\x02")]);
        let sent = [event, Prepared::ping(), Prepared::text(""), Prepared::binary(Bytes::new())];
        let packets = packets(&sent);
        let expected = [
            Packet::Message("51-é".into()),
            Packet::Message(vec![1, 2].into()),
            Packet::Ping(Text::new()),
            Packet::Message("".into()),
            Packet::Message(Bytes::new().into()),
        ];
        assert_eq!(packets, expected);
        let frames = |messages: &[Prepared]| {
            messages.iter().flat_map(Prepared::frames).map(<[u8]>::to_vec).collect::<Vec<_>>().concat()
        };
        let arrived: Vec<_> = packets.into_iter().map(prepared).collect();
        assert_eq!(frames(&arrived), frames(&sent));
    }
}
