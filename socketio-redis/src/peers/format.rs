//! The messages of the official `@socket.io/cluster-engine` as msgpack.

use bytes::Bytes;
use engineio::packet::Packet;
use engineio::peers::{Access, PeerMessage};
use engineio::{CloseReason, Message, PacketType, Sid, Text, Transport};
use socketio_cluster::{DecodeError, Limits};
use socketio_parser::codec::{Reader, Writer, from_servers};
use socketio_parser::value::Kind;
use socketio_parser::{Binary, EncodeError, Parser};

/// The mark of these messages, among others on the same channel.
const SOURCE: &str = "_eio";

/// A message with its nodes.
#[derive(Debug, PartialEq)]
pub(super) struct Envelope {
    pub(super) from: String,
    pub(super) to: Option<String>,
    pub(super) message: PeerMessage,
}

/// Encodes a message. `None` if the official format has none of its type.
pub(super) fn encode(
    message: &PeerMessage,
    from: &str,
    to: Option<&str>,
) -> Result<Option<Vec<u8>>, EncodeError> {
    let (kind, request) = match message {
        PeerMessage::AcquireLock { request, .. } => (0, Some(*request)),
        PeerMessage::AcquireLockResponse { request, .. } => (1, Some(*request)),
        PeerMessage::Drain { .. } => (2, None),
        PeerMessage::Packet { .. } => (3, None),
        PeerMessage::Upgrade { request, .. } => (4, Some(*request)),
        PeerMessage::UpgradeResponse { request, .. } => (5, Some(*request)),
        PeerMessage::Close { .. } => (6, None),
        _ => return Ok(None),
    };
    let mut out = Vec::new();
    let mut writer = Writer::new(Parser::Msgpack, &mut out, Limits::default().max_message_bytes);
    writer.object(4 + usize::from(request.is_some()) + usize::from(to.is_some()));
    if let Some(request) = request {
        writer.key("requestId").number(request);
    }
    writer.key("senderId").text(from);
    if let Some(to) = to {
        writer.key("recipientId").text(to);
    }
    writer.key("type").number(kind);
    writer.key("data");
    data(&mut writer, message)?;
    writer.key("_source").text(SOURCE);
    writer.end_object();
    Ok(Some(out))
}

fn data(writer: &mut Writer<'_>, message: &PeerMessage) -> Result<(), EncodeError> {
    match message {
        PeerMessage::AcquireLock { sid, transport, access, .. } => {
            writer.object(3);
            writer.key("sid").text(sid.as_str());
            writer.key("transportName").text(transport.as_str());
            writer.key("type").text(access.as_str());
        }
        PeerMessage::AcquireLockResponse { success, .. } => {
            writer.object(1);
            writer.key("success").boolean(*success);
        }
        PeerMessage::Drain { sid, packets } => {
            writer.object(2);
            writer.key("sid").text(sid.as_str());
            write_packets(writer.key("packets"), packets)?;
        }
        PeerMessage::Packet { sid, packet } => {
            writer.object(2);
            writer.key("sid").text(sid.as_str());
            write_packet(writer.key("packet"), packet)?;
        }
        PeerMessage::Upgrade { sid, success, .. } => {
            writer.object(2);
            writer.key("sid").text(sid.as_str());
            writer.key("success").boolean(*success);
        }
        PeerMessage::UpgradeResponse { take_over, packets, .. } => {
            writer.object(2);
            writer.key("takeOver").boolean(*take_over);
            write_packets(writer.key("packets"), packets)?;
        }
        PeerMessage::Close { sid, reason } => {
            writer.object(2);
            writer.key("sid").text(sid.as_str());
            writer.key("reason").text(reason.as_str());
        }
        _ => writer.object(0),
    }
    writer.end_object();
    Ok(())
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

fn write_packets(writer: &mut Writer<'_>, packets: &[Packet]) -> Result<(), EncodeError> {
    writer.array(packets.len());
    for packet in packets {
        write_packet(writer, packet)?;
    }
    writer.end_array();
    Ok(())
}

fn write_packet(writer: &mut Writer<'_>, packet: &Packet) -> Result<(), EncodeError> {
    let name = NAMES.iter().find(|(kind, _)| *kind == packet.kind()).map_or("", |(_, name)| *name);
    let text = match packet {
        Packet::Message(Message::Text(text)) => Some(text),
        Packet::Open(text) | Packet::Ping(text) | Packet::Pong(text) => {
            Some(text).filter(|text| !text.is_empty())
        }
        _ => None,
    };
    writer.object(1 + usize::from(text.is_some() || packet.binary().is_some()));
    writer.key("type").text(name);
    if let Some(text) = text {
        writer.key("data").text(text.as_str());
    }
    if let Some(data) = packet.binary() {
        writer.key("data").value(&Binary::from(data.clone()))?;
    }
    writer.end_object();
    Ok(())
}

/// The members of a message that were found so far.
#[derive(Default)]
struct Parts {
    kind: Option<f64>,
    request: Option<f64>,
    from: Option<String>,
    to: Option<String>,
    source: Option<String>,
    sid: Option<String>,
    transport: Option<String>,
    access: Option<String>,
    success: bool,
    take_over: bool,
    packet: Option<Packet>,
    packets: Option<Vec<Packet>>,
    reason: Option<String>,
}

/// Decodes a message. `None` if it is of another source.
pub(super) fn decode(message: &Bytes, limits: &Limits) -> Result<Option<Envelope>, DecodeError> {
    if message.len() > limits.max_message_bytes {
        return Err(DecodeError::Limit("max_message_bytes"));
    }
    let message = from_servers(message)?;
    let mut reader = Reader::new(Parser::Msgpack, &message, limits.max_depth)?;
    let mut parts = Parts::default();
    let is_object = reader.members(|reader, key| -> Result<(), DecodeError> {
        match key {
            "type" => parts.kind = reader.number()?,
            "requestId" => parts.request = reader.number()?,
            "senderId" => parts.from = text(reader)?,
            "recipientId" => parts.to = text(reader)?,
            "_source" => parts.source = text(reader)?,
            "data" => {
                reader.members(|reader, key| parts.data(reader, key))?;
            }
            _ => {}
        }
        Ok(())
    })?;
    if !is_object {
        return Err(DecodeError::Shape("object"));
    }
    reader.finish()?;
    if parts.source.as_deref() != Some(SOURCE) {
        return Ok(None);
    }
    parts.into_envelope().map(Some)
}

impl Parts {
    fn data(&mut self, reader: &mut Reader<'_>, key: &str) -> Result<(), DecodeError> {
        match key {
            "sid" => self.sid = text(reader)?,
            "transportName" => self.transport = text(reader)?,
            "type" => self.access = text(reader)?,
            "success" => self.success = reader.truthy()?,
            "takeOver" => self.take_over = reader.truthy()?,
            "packet" => self.packet = Some(packet(reader)?),
            "packets" => {
                let mut packets = Vec::new();
                reader.elements(|reader| -> Result<(), DecodeError> {
                    packets.push(packet(reader)?);
                    Ok(())
                })?;
                self.packets = Some(packets);
            }
            "reason" => self.reason = text(reader)?,
            _ => {}
        }
        Ok(())
    }

    fn into_envelope(self) -> Result<Envelope, DecodeError> {
        let missing = |name| DecodeError::Shape(name);
        let sid = || self.sid.as_deref().map(Sid::from).ok_or_else(|| missing("sid"));
        // The cast saturates, and the fraction of a number that is no integer is dropped.
        let request = || self.request.map(|number| number as u64).ok_or_else(|| missing("requestId"));
        let success = self.success;
        let message = match self.kind {
            Some(0.0) => {
                let transport = self.transport.as_deref().and_then(Transport::from_name);
                let access = self.access.as_deref().and_then(Access::from_name);
                PeerMessage::AcquireLock {
                    request: request()?,
                    sid: sid()?,
                    transport: transport.ok_or_else(|| missing("transportName"))?,
                    access: access.ok_or_else(|| missing("type"))?,
                    packets: Vec::new(),
                }
            }
            Some(1.0) => PeerMessage::AcquireLockResponse { request: request()?, success },
            Some(2.0) => {
                PeerMessage::Drain { sid: sid()?, packets: self.packets.ok_or_else(|| missing("packets"))? }
            }
            Some(3.0) => {
                PeerMessage::Packet { sid: sid()?, packet: self.packet.ok_or_else(|| missing("packet"))? }
            }
            Some(4.0) => PeerMessage::Upgrade { request: request()?, sid: sid()?, success },
            Some(5.0) => PeerMessage::UpgradeResponse {
                request: request()?,
                take_over: self.take_over,
                packets: self.packets.unwrap_or_default(),
            },
            Some(6.0) => {
                let reason = self.reason.as_deref().and_then(CloseReason::from_name);
                PeerMessage::Close { sid: sid()?, reason: reason.ok_or_else(|| missing("reason"))? }
            }
            _ => return Err(missing("type")),
        };
        let from = self.from.ok_or_else(|| missing("senderId"))?;
        Ok(Envelope { from, to: self.to, message })
    }
}

fn text(reader: &mut Reader<'_>) -> Result<Option<String>, DecodeError> {
    Ok(reader.text()?.map(std::borrow::Cow::into_owned))
}

/// A packet, which is an object with a type, and data if there is some.
fn packet(reader: &mut Reader<'_>) -> Result<Packet, DecodeError> {
    let (mut name, mut data) = (None, None);
    reader.members(|reader, key| -> Result<(), DecodeError> {
        match (key, reader.kind()) {
            ("type", _) => name = text(reader)?,
            ("data", Kind::String) => data = text(reader)?.map(|text| Message::Text(text.into())),
            ("data", Kind::Binary) => data = binary(&reader.slice()?).map(Message::Binary),
            _ => {}
        }
        Ok(())
    })?;
    let kind = NAMES.iter().find(|(_, known)| Some(*known) == name.as_deref());
    let (kind, _) = kind.ok_or(DecodeError::Shape("packet type"))?;
    let text = |data| match data {
        Some(Message::Text(text)) => text,
        _ => Text::new(),
    };
    Ok(match kind {
        PacketType::Open => Packet::Open(text(data)),
        PacketType::Close => Packet::Close,
        PacketType::Ping => Packet::Ping(text(data)),
        PacketType::Pong => Packet::Pong(text(data)),
        PacketType::Message => Packet::Message(data.ok_or(DecodeError::Shape("packet data"))?),
        PacketType::Upgrade => Packet::Upgrade,
        PacketType::Noop => Packet::Noop,
    })
}

/// The content of binary data, which shares the message.
fn binary(value: &Bytes) -> Option<Bytes> {
    let header = match value.first()? {
        0xc4 => 2,
        0xc5 => 3,
        0xc6 => 5,
        _ => return None,
    };
    (value.len() >= header).then(|| value.slice(header..))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sid() -> Sid {
        Sid::from("01234567890123456789")
    }

    #[test]
    fn every_message_is_read_as_it_was_written() {
        let packets = vec![
            Packet::Open("{}".into()),
            Packet::Close,
            Packet::Ping(Text::new()),
            Packet::Pong("probe".into()),
            Packet::Message("é".into()),
            Packet::Message("".into()),
            Packet::Message(vec![0; 300].into()),
            Packet::Message(vec![1, 2].into()),
            Packet::Upgrade,
            Packet::Noop,
        ];
        let (transport, access) = (Transport::WebSocket, Access::Read);
        let messages = [
            PeerMessage::AcquireLock { request: 1, sid: sid(), transport, access, packets: vec![] },
            PeerMessage::AcquireLockResponse { request: 1 << 40, success: true },
            PeerMessage::AcquireLockResponse { request: 2, success: false },
            PeerMessage::Drain { sid: sid(), packets: packets.clone() },
            PeerMessage::Packet { sid: sid(), packet: packets[7].clone() },
            PeerMessage::Upgrade { request: 3, sid: sid(), success: true },
            PeerMessage::UpgradeResponse { request: 4, take_over: true, packets },
            PeerMessage::Close { sid: sid(), reason: CloseReason::TransportClose },
        ];
        for message in messages {
            for to in [None, Some("b")] {
                let bytes = Bytes::from(encode(&message, "a", to).unwrap().unwrap());
                let decoded = decode(&bytes, &Limits::default()).unwrap().unwrap();
                let (from, to) = ("a".to_owned(), to.map(str::to_owned));
                assert_eq!(decoded, Envelope { from, to, message: message.clone() });
            }
        }
    }

    /// As `@msgpack/msgpack` writes it: `undefined` is nil.
    #[test]
    fn a_packet_of_the_official_engine_is_read() {
        let bytes = Bytes::from_static(
            b"\x85\xa8senderId\xa6abcdef\xabrecipientId\xa1b\xa4type\x02\xa4data\x82\xa3sid\xa1s\xa7packets\x91\
              \x83\xa4type\xa7message\xa7options\x81\xa8compress\xc3\xa4data\xa5hello\xa7_source\xa4_eio",
        );
        let decoded = decode(&bytes, &Limits::default()).unwrap().unwrap();
        let packets = vec![Packet::Message("hello".into())];
        assert_eq!(decoded.message, PeerMessage::Drain { sid: Sid::from("s"), packets });
        assert_eq!((decoded.from.as_str(), decoded.to.as_deref()), ("abcdef", Some("b")));
    }

    #[test]
    fn other_messages_are_skipped_or_refused() {
        let decode = |bytes: &'static [u8]| decode(&Bytes::from_static(bytes), &Limits::default());
        assert_eq!(decode(b"\x81\xa7_source\xa4_sio").unwrap(), None);
        assert!(decode(b"\x81\xa7_source\xa4_eio").is_err());
        for bytes in [&b""[..], b"\xc1", b"\x90", b"\x81", b"\x82\xa7_source\xa4_eio\xa4type\x09"] {
            assert!(decode(bytes).is_err(), "{bytes:?}");
        }
    }
}
