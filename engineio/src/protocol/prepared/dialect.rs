//! Messages for peers that take binary data in another form, and the masked frames of a client.

#[cfg(any(feature = "server", feature = "client"))]
use super::frames::split_frame;
use super::{Binary, Prepared};
#[cfg(any(feature = "server", feature = "client"))]
use crate::protocol::frame::push_masked;
use crate::protocol::frame::{Opcode, header_len, write_header};
use crate::protocol::packet::{PacketType, Protocol};

/// The form in which a client takes binary data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// Revision 3 puts the packet type in front of binary data.
    pub protocol: Protocol,
    /// As text only (`b64=1` in the handshake).
    pub base64: bool,
}

impl Dialect {
    /// Whether messages need no conversion for this client.
    pub fn is_plain(self) -> bool {
        self.protocol == Protocol::V4 && !self.base64
    }
}

impl Prepared {
    /// The message for a WebSocket client of this dialect, usually unchanged. Revision 3 puts the packet type
    /// in front of binary data, and a client that accepts only text receives base64.
    pub fn into_dialect(self, dialect: Dialect) -> Self {
        let Dialect { protocol, base64 } = dialect;
        if self.is_one_piece() || dialect.is_plain() {
            return self;
        }
        let mut frames = self.head.to_vec();
        for part in self.binaries() {
            let packet = binary_packet(part, protocol, base64);
            let opcode = if base64 { Opcode::Text } else { Opcode::Binary };
            let start = frames.len();
            frames.resize(start + header_len(packet.len()), 0);
            write_header(&mut frames[start..], opcode, packet.len());
            frames.extend_from_slice(&packet);
        }
        Self { head: frames.into(), tail: None, ..self.into_unshared() }
    }

    /// The frames of a client, each masked with a key of its own. Only [`frames`](Self::frames) and
    /// [`wire_len`](Self::wire_len) may be called on the result.
    #[cfg(any(feature = "server", feature = "client"))]
    pub(crate) fn into_masked(self, key: impl Fn() -> [u8; 4]) -> Self {
        let mut out = Vec::with_capacity(self.wire_len() + 4 * (1 + self.binaries().len()));
        // A message in another dialect may hold several frames in its head.
        let mut head = self.head.as_ref();
        while let Some((header, payload, rest)) = split_frame(head) {
            push_masked(&mut out, header, payload, key());
            head = rest;
        }
        for part in self.binaries() {
            push_masked(&mut out, part.header(), &part.data, key());
        }
        Self { head: out.into(), header: 0, tail: None, ..self }
    }
}

fn binary_packet(part: &Binary, protocol: Protocol, base64: bool) -> Vec<u8> {
    match (protocol, base64) {
        (Protocol::V4, true) => part.base64().to_vec(),
        (Protocol::V4, false) => part.data.to_vec(),
        // Revision 3 carries the packet type in base64 form too: "b4" and the data.
        (Protocol::V3, true) => [b"b4", &part.base64()[1..]].concat(),
        (Protocol::V3, false) => [&[PacketType::Message as u8], part.data.as_ref()].concat(),
    }
}
