//! Packets that wait for a middleware or for running handlers.

use std::collections::VecDeque;

use socketio_parser::{Packet, Payload, RawArgs};

/// Packets in the order of their arrival, and their memory.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    packets: VecDeque<Packet>,
    bytes: usize,
}

impl Inbox {
    pub(super) fn push(&mut self, packet: Packet) {
        self.bytes += memory(&packet);
        self.packets.push_back(packet);
    }

    pub(super) fn pop(&mut self) -> Option<Packet> {
        let packet = self.packets.pop_front()?;
        self.bytes -= memory(&packet);
        // A burst leaves no large buffer behind.
        if self.packets.is_empty() && self.packets.capacity() > 16 {
            self.packets = VecDeque::new();
        }
        Some(packet)
    }

    /// The packet that [`pop`](Self::pop) returns next.
    pub(super) fn first(&self) -> Option<&Packet> {
        self.packets.front()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn len(&self) -> usize {
        self.packets.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// Estimate of the memory of the packets.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

fn memory(packet: &Packet) -> usize {
    let args = |args: &RawArgs| {
        args.as_bytes().len() + args.attachments().iter().map(|data| data.len()).sum::<usize>()
    };
    let payload = match &packet.payload {
        Payload::Event(event) => event.name().len() + args(event.args()),
        Payload::Ack(acknowledgement) => args(acknowledgement),
        Payload::Connect(Some(data)) | Payload::ConnectError(Some(data)) => data.as_bytes().len(),
        _ => 0,
    };
    size_of::<Packet>() + packet.namespace.as_str().len() + payload
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use socketio_parser::Decoder;

    use super::*;

    #[test]
    fn the_memory_of_waiting_packets_is_counted() {
        let mut decoder = Decoder::default();
        assert!(decoder.text(r#"51-/n,["e",{"_placeholder":true,"num":0}]"#.into()).unwrap().is_none());
        let large = decoder.binary(Bytes::from(vec![0; 1000])).unwrap().unwrap();
        let small = decoder.text("2[\"e\"]".into()).unwrap().unwrap();
        let mut inbox = Inbox::default();
        inbox.push(large);
        assert!((1030..1030 + 2 * size_of::<Packet>()).contains(&inbox.bytes()), "{}", inbox.bytes());
        inbox.push(small);
        assert_eq!(inbox.len(), 2);
        inbox.pop();
        assert!(inbox.bytes() < 2 * size_of::<Packet>());
        inbox.pop();
        assert!(inbox.is_empty() && inbox.bytes() == 0);
    }
}
