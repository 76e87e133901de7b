//! The packet: namespace, ack id and payload.

use crate::{Event, Namespace, PacketType, RawArgs, RawValue};

/// A complete packet, including its attachments.
#[derive(Debug, Clone)]
pub struct Packet {
    /// The namespace of the packet.
    pub namespace: Namespace,
    /// The acknowledgement id: for an event the id that its answer must carry, for an answer the id of the
    /// event.
    pub ack_id: Option<u64>,
    /// The payload.
    pub payload: Payload,
}

/// The payload of a packet.
#[derive(Debug, Clone)]
pub enum Payload {
    /// CONNECT: a client requests to join a namespace, with optional credentials; or the server confirms,
    /// with the socket's id.
    Connect(Option<RawValue>),
    /// DISCONNECT: the sender leaves the namespace.
    Disconnect,
    /// EVENT.
    Event(Event),
    /// An EVENT packet without a payload. The official decoder accepts it and the official server finds no
    /// listener for it, so receivers must ignore it.
    EmptyEvent,
    /// ACK: the answer to an event.
    Ack(RawArgs),
    /// CONNECT_ERROR: the server refuses the client, with an object that has a `message`, or (revision 4)
    /// with a string.
    ConnectError(Option<RawValue>),
}

impl Packet {
    /// Type of this packet; never one of the two binary types.
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
