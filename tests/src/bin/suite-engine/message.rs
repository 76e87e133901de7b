//! The messages of the official cluster engine as JSON.

use engineio::packet::Packet;
use engineio::peers::{Access, PeerMessage};
use engineio::{CloseReason, PacketType, Sid, Text, Transport};
use serde_json::{Value, json};

use crate::values::{from_message, to_message};

/// A message without its nodes.
pub(crate) fn encode(message: &PeerMessage) -> Option<Value> {
    Some(match message {
        PeerMessage::AcquireLock { request, sid, transport, access, .. } => {
            let data =
                json!({"sid": sid.as_str(), "transportName": transport.as_str(), "type": access.as_str()});
            json!({"type": 0, "requestId": request, "data": data})
        }
        PeerMessage::AcquireLockResponse { request, success } => {
            json!({"type": 1, "requestId": request, "data": {"success": success}})
        }
        PeerMessage::Drain { sid, packets } => {
            json!({"type": 2, "data": {"sid": sid.as_str(), "packets": encode_packets(packets)}})
        }
        PeerMessage::Packet { sid, packet } => {
            json!({"type": 3, "data": {"sid": sid.as_str(), "packet": encode_packet(packet)}})
        }
        PeerMessage::Upgrade { request, sid, success } => {
            json!({"type": 4, "requestId": request, "data": {"sid": sid.as_str(), "success": success}})
        }
        PeerMessage::UpgradeResponse { request, take_over, packets } => {
            let data = json!({"takeOver": take_over, "packets": encode_packets(packets)});
            json!({"type": 5, "requestId": request, "data": data})
        }
        PeerMessage::Close { sid, reason } => {
            json!({"type": 6, "data": {"sid": sid.as_str(), "reason": reason.as_str()}})
        }
        _ => return None,
    })
}

pub(crate) fn decode(message: &Value) -> Option<PeerMessage> {
    let data = &message["data"];
    let sid = || data["sid"].as_str().map(Sid::from);
    let request = || message["requestId"].as_u64();
    let success = || data["success"].as_bool();
    Some(match message["type"].as_u64()? {
        0 => PeerMessage::AcquireLock {
            request: request()?,
            sid: sid()?,
            transport: Transport::from_name(data["transportName"].as_str()?)?,
            access: Access::from_name(data["type"].as_str()?)?,
            packets: Vec::new(),
        },
        1 => PeerMessage::AcquireLockResponse { request: request()?, success: success()? },
        2 => PeerMessage::Drain { sid: sid()?, packets: decode_packets(&data["packets"])? },
        3 => PeerMessage::Packet { sid: sid()?, packet: decode_packet(&data["packet"])? },
        4 => PeerMessage::Upgrade { request: request()?, sid: sid()?, success: success()? },
        5 => PeerMessage::UpgradeResponse {
            request: request()?,
            take_over: data["takeOver"].as_bool()?,
            packets: decode_packets(&data["packets"])?,
        },
        6 => PeerMessage::Close { sid: sid()?, reason: CloseReason::from_name(data["reason"].as_str()?)? },
        _ => return None,
    })
}

const NAMES: [(PacketType, &str); 7] = [
    (PacketType::Open, "open"),
    (PacketType::Close, "close"),
    (PacketType::Ping, "ping"),
    (PacketType::Pong, "pong"),
    (PacketType::Message, "message"),
    (PacketType::Upgrade, "upgrade"),
    (PacketType::Noop, "noop"),
];

fn encode_packets(packets: &[Packet]) -> Vec<Value> {
    packets.iter().map(encode_packet).collect()
}

fn encode_packet(packet: &Packet) -> Value {
    let name = NAMES.iter().find(|(kind, _)| *kind == packet.kind()).map(|(_, name)| *name);
    let mut encoded = json!({"type": name});
    match packet {
        Packet::Message(message) => encoded["data"] = from_message(message),
        Packet::Open(text) | Packet::Ping(text) | Packet::Pong(text) if !text.is_empty() => {
            encoded["data"] = text.as_str().into();
        }
        _ => {}
    }
    encoded
}

fn decode_packets(packets: &Value) -> Option<Vec<Packet>> {
    packets.as_array()?.iter().map(decode_packet).collect()
}

fn decode_packet(packet: &Value) -> Option<Packet> {
    let name = packet["type"].as_str()?;
    let (kind, _) = NAMES.iter().find(|(_, known)| *known == name)?;
    let text = || Text::from(packet["data"].as_str().unwrap_or_default().to_owned());
    Some(match kind {
        PacketType::Open => Packet::Open(text()),
        PacketType::Close => Packet::Close,
        PacketType::Ping => Packet::Ping(text()),
        PacketType::Pong => Packet::Pong(text()),
        PacketType::Message => Packet::Message(to_message(&packet["data"])?),
        PacketType::Upgrade => Packet::Upgrade,
        PacketType::Noop => Packet::Noop,
    })
}
