//! The packet: its namespace, its ack id and what it carries.

use crate::{Event, Namespace, PacketType, RawArgs, RawValue};

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
