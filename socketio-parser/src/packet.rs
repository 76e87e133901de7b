//! The packet: its type, its namespace, its ack id and what it carries.

use crate::{Event, Namespace, RawArgs, RawValue};

/// The packet types of protocol revision 5.
///
/// On the wire a packet with attachments has a type of its own; a decoded [`Packet`] says
/// [`Event`](PacketType::Event) or [`Ack`](PacketType::Ack) either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum PacketType {
    /// Joins a namespace, or confirms that.
    Connect = 0,
    /// Leaves a namespace.
    Disconnect = 1,
    /// Carries an event.
    Event = 2,
    /// Answers an event.
    Ack = 3,
    /// Refuses a namespace. Revision 4 calls it ERROR.
    ConnectError = 4,
    /// Carries an event with attachments.
    BinaryEvent = 5,
    /// Answers an event, with attachments.
    BinaryAck = 6,
}

impl PacketType {
    /// The type that a digit of the wire stands for.
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

    /// The digit that stands for this type on the wire.
    pub fn digit(self) -> u8 {
        b'0' + self as u8
    }

    /// Whether attachments follow a packet of this type.
    pub fn has_attachments(self) -> bool {
        matches!(self, Self::BinaryEvent | Self::BinaryAck)
    }
}

/// A complete packet, its attachments included.
#[derive(Debug, Clone)]
pub struct Packet {
    /// The namespace that it belongs to.
    pub namespace: Namespace,
    /// The id that an answer to this event must carry, or that this answer carries.
    pub ack_id: Option<u64>,
    /// What it carries.
    pub payload: Payload,
}

/// What a packet carries.
#[derive(Debug, Clone)]
pub enum Payload {
    /// A client asks to join a namespace, with its credentials if it has any; or a server confirms, with the
    /// socket's id.
    Connect(Option<RawValue>),
    /// The sender leaves the namespace.
    Disconnect,
    /// An event.
    Event(Event),
    /// An EVENT packet without a payload. The official decoder lets it pass and the official server finds no
    /// listener for it: it is to be ignored.
    EmptyEvent,
    /// The answer to an event.
    Ack(RawArgs),
    /// The server refuses the namespace, with an object that has a `message`, or (revision 4) with a string.
    ConnectError(Option<RawValue>),
}

impl Packet {
    /// The type of this packet; never one of the two binary types.
    pub fn kind(&self) -> PacketType {
        match self.payload {
            Payload::Connect(_) => PacketType::Connect,
            Payload::Disconnect => PacketType::Disconnect,
            Payload::Event(_) | Payload::EmptyEvent => PacketType::Event,
            Payload::Ack(_) => PacketType::Ack,
            Payload::ConnectError(_) => PacketType::ConnectError,
        }
    }
}
