//! Packet types and their digits on the wire.

/// The packet types of protocol revision 5.
///
/// On the wire a packet with attachments has a separate type; a decoded [`Packet`](crate::Packet) has
/// [`Event`](PacketType::Event) or [`Ack`](PacketType::Ack) in both cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum PacketType {
    /// Requests or confirms to join a namespace.
    Connect = 0,
    /// Leaves a namespace.
    Disconnect = 1,
    /// Carries an event.
    Event = 2,
    /// Answers an event.
    Ack = 3,
    /// Refuses to join a namespace. Revision 4 calls it ERROR.
    ConnectError = 4,
    /// Carries an event with attachments.
    BinaryEvent = 5,
    /// Answers an event, with attachments.
    BinaryAck = 6,
}

impl PacketType {
    /// The packet type of a digit on the wire.
    pub fn from_digit(digit: u8) -> Option<Self> {
        Some(match digit {
            b'0' => Self::Connect,
            b'1' => Self::Disconnect,
            b'2' => Self::Event,
            b'3' => Self::Ack,
            b'4' => Self::ConnectError,
            b'5' => Self::BinaryEvent,
            b'6' => Self::BinaryAck,
            _ => return None,
        })
    }

    /// The digit of this packet type on the wire.
    pub fn digit(self) -> u8 {
        b'0' + self as u8
    }

    /// Whether attachments follow a packet of this type.
    pub fn has_attachments(self) -> bool {
        matches!(self, Self::BinaryEvent | Self::BinaryAck)
    }
}
