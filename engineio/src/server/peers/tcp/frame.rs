//! Messages as frames: the length in four bytes, the type in one, then the fields. Numbers are big-endian.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::super::{Access, PeerMessage};
use crate::close_reason::{CloseReason, Fault};
use crate::config::Transport;
use crate::protocol::packet::{Message, Packet, PacketType};
use crate::protocol::sid::Sid;
use crate::protocol::text::Text;

/// Size of a frame's length.
const LENGTH: usize = 4;
/// The type of a frame that only shows that the node is alive. The others are the types of messages.
const ALIVE: u8 = 255;
/// Added to the type of a packet whose message is binary.
const BINARY: u8 = 0x80;

/// The content of a frame.
#[derive(Debug, PartialEq)]
pub(super) enum Frame {
    Message(PeerMessage),
    Alive,
}

/// The bytes are no frame. The connection has to end, as nothing behind them can be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FrameError {
    TooLong(usize),
    Invalid,
}

/// Appends a frame that shows that this node is alive.
pub(super) fn alive(out: &mut BytesMut) {
    out.put_u32(1);
    out.put_u8(ALIVE);
}

/// Appends a message. `false` if its frame would be longer than `max` bytes; nothing is appended then.
pub(super) fn encode(message: &PeerMessage, max: usize, out: &mut BytesMut) -> bool {
    let start = out.len();
    out.put_u32(0);
    write(message, out);
    let length = out.len() - start - LENGTH;
    match u32::try_from(length).ok().filter(|_| length <= max) {
        Some(length) => {
            out[start..start + LENGTH].copy_from_slice(&length.to_be_bytes());
            true
        }
        None => {
            out.truncate(start);
            false
        }
    }
}

/// Takes the next frame. `None` if it is not complete yet.
pub(super) fn decode(bytes: &mut BytesMut, max: usize) -> Result<Option<Frame>, FrameError> {
    let Some(length) = bytes.first_chunk::<LENGTH>() else { return Ok(None) };
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    if length > max {
        return Err(FrameError::TooLong(length));
    }
    if bytes.len() - LENGTH < length {
        return Ok(None);
    }
    bytes.advance(LENGTH);
    let mut fields = Fields(bytes.split_to(length).freeze());
    let frame = fields.frame().filter(|_| fields.0.is_empty());
    frame.map(Some).ok_or(FrameError::Invalid)
}

fn write(message: &PeerMessage, out: &mut BytesMut) {
    match message {
        PeerMessage::AcquireLock { request, sid, transport, access, packets } => {
            out.put_u8(0);
            out.put_u64(*request);
            put_sid(sid, out);
            out.put_u8(*transport as u8);
            out.put_u8(u8::from(*access == Access::Write));
            put_packets(packets, out);
        }
        PeerMessage::AcquireLockResponse { request, success } => {
            out.put_u8(1);
            out.put_u64(*request);
            out.put_u8(u8::from(*success));
        }
        PeerMessage::Drain { sid, packets } => {
            out.put_u8(2);
            put_sid(sid, out);
            put_packets(packets, out);
        }
        PeerMessage::Packet { sid, packet } => {
            out.put_u8(3);
            put_sid(sid, out);
            put_packet(packet, out);
        }
        PeerMessage::Upgrade { request, sid, success } => {
            out.put_u8(4);
            out.put_u64(*request);
            put_sid(sid, out);
            out.put_u8(u8::from(*success));
        }
        PeerMessage::UpgradeResponse { request, take_over, packets } => {
            out.put_u8(5);
            out.put_u64(*request);
            out.put_u8(u8::from(*take_over));
            put_packets(packets, out);
        }
        PeerMessage::Close { sid, reason } => {
            out.put_u8(6);
            put_sid(sid, out);
            put_bytes(reason.as_str().as_bytes(), out);
        }
        PeerMessage::Delivered { sid } => {
            out.put_u8(7);
            put_sid(sid, out);
        }
    }
}

fn put_sid(sid: &Sid, out: &mut BytesMut) {
    put_bytes(sid.as_str().as_bytes(), out);
}

/// Longer data makes a frame too long for its length, which is checked for the whole frame.
fn put_bytes(bytes: &[u8], out: &mut BytesMut) {
    out.put_u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    out.put_slice(bytes);
}

fn put_packets(packets: &[Packet], out: &mut BytesMut) {
    out.put_u32(u32::try_from(packets.len()).unwrap_or(u32::MAX));
    packets.iter().for_each(|packet| put_packet(packet, out));
}

fn put_packet(packet: &Packet, out: &mut BytesMut) {
    let kind = packet.kind() as u8;
    match packet {
        Packet::Message(Message::Binary(data)) => {
            out.put_u8(kind | BINARY);
            put_bytes(data, out);
        }
        Packet::Message(Message::Text(data))
        | Packet::Open(data)
        | Packet::Ping(data)
        | Packet::Pong(data) => {
            out.put_u8(kind);
            put_bytes(data.as_bytes(), out);
        }
        Packet::Close | Packet::Upgrade | Packet::Noop => {
            out.put_u8(kind);
            put_bytes(b"", out);
        }
    }
}

/// The fields of a frame that are not read yet. Data of packets shares the buffer of the frame.
struct Fields(Bytes);

impl Fields {
    fn frame(&mut self) -> Option<Frame> {
        let message = match self.byte()? {
            ALIVE => return Some(Frame::Alive),
            0 => PeerMessage::AcquireLock {
                request: self.number()?,
                sid: self.sid()?,
                transport: self.transport()?,
                access: if self.flag()? { Access::Write } else { Access::Read },
                packets: self.packets()?,
            },
            1 => PeerMessage::AcquireLockResponse { request: self.number()?, success: self.flag()? },
            2 => PeerMessage::Drain { sid: self.sid()?, packets: self.packets()? },
            3 => PeerMessage::Packet { sid: self.sid()?, packet: self.packet()? },
            4 => PeerMessage::Upgrade { request: self.number()?, sid: self.sid()?, success: self.flag()? },
            5 => PeerMessage::UpgradeResponse {
                request: self.number()?,
                take_over: self.flag()?,
                packets: self.packets()?,
            },
            6 => PeerMessage::Close { sid: self.sid()?, reason: self.reason()? },
            7 => PeerMessage::Delivered { sid: self.sid()? },
            _ => return None,
        };
        Some(Frame::Message(message))
    }

    fn byte(&mut self) -> Option<u8> {
        self.0.try_get_u8().ok()
    }

    fn number(&mut self) -> Option<u64> {
        self.0.try_get_u64().ok()
    }

    fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn bytes(&mut self) -> Option<Bytes> {
        let length = usize::try_from(self.0.try_get_u32().ok()?).ok()?;
        (length <= self.0.len()).then(|| self.0.split_to(length))
    }

    fn text(&mut self) -> Option<Text> {
        Text::from_utf8(self.bytes()?).ok()
    }

    fn sid(&mut self) -> Option<Sid> {
        Some(Sid::from(std::str::from_utf8(&self.bytes()?).ok()?))
    }

    fn transport(&mut self) -> Option<Transport> {
        let number = self.byte()?;
        [Transport::Polling, Transport::WebSocket].into_iter().find(|transport| *transport as u8 == number)
    }

    fn reason(&mut self) -> Option<CloseReason> {
        Some(match &*self.bytes()? {
            b"forced close" => CloseReason::ForcedClose,
            b"parse error" => CloseReason::ParseError,
            b"ping timeout" => CloseReason::PingTimeout,
            b"transport close" => CloseReason::TransportClose,
            b"transport error" => CloseReason::TransportError(Fault::Remote),
            _ => return None,
        })
    }

    /// The number of packets is not trusted: each takes five bytes of the frame at least.
    fn packets(&mut self) -> Option<Vec<Packet>> {
        let count = usize::try_from(self.0.try_get_u32().ok()?).ok()?;
        if count > self.0.len() / 5 {
            return None;
        }
        (0..count).map(|_| self.packet()).collect()
    }

    fn packet(&mut self) -> Option<Packet> {
        let kind = self.byte()?;
        if kind == PacketType::Message as u8 | BINARY {
            return Some(Packet::Message(Message::Binary(self.bytes()?)));
        }
        let data = self.text()?;
        Some(match PacketType::from_number(kind)? {
            PacketType::Message => Packet::Message(Message::Text(data)),
            PacketType::Open => Packet::Open(data),
            PacketType::Ping => Packet::Ping(data),
            PacketType::Pong => Packet::Pong(data),
            PacketType::Close => Packet::Close,
            PacketType::Upgrade => Packet::Upgrade,
            PacketType::Noop => Packet::Noop,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<PeerMessage> {
        let sid = || Sid::from("AAAAAAAA01234567890123456789");
        let packets = vec![
            Packet::Message("é".into()),
            Packet::Message(vec![0, 255].into()),
            Packet::Ping("probe".into()),
            Packet::Pong(Text::new()),
            Packet::Close,
            Packet::Upgrade,
            Packet::Noop,
        ];
        let lock = |access, packets| PeerMessage::AcquireLock {
            request: u64::MAX,
            sid: sid(),
            transport: Transport::Polling,
            access,
            packets,
        };
        let websocket = PeerMessage::AcquireLock {
            request: 0,
            sid: sid(),
            transport: Transport::WebSocket,
            access: Access::Read,
            packets: Vec::new(),
        };
        let mut all = vec![
            lock(Access::Read, Vec::new()),
            lock(Access::Write, packets.clone()),
            websocket,
            PeerMessage::AcquireLockResponse { request: 7, success: true },
            PeerMessage::AcquireLockResponse { request: 7, success: false },
            PeerMessage::Drain { sid: sid(), packets: packets.clone() },
            PeerMessage::Packet { sid: sid(), packet: Packet::Message("".into()) },
            PeerMessage::Upgrade { request: 8, sid: sid(), success: true },
            PeerMessage::UpgradeResponse { request: 8, take_over: true, packets },
            PeerMessage::Delivered { sid: sid() },
        ];
        let reasons = [
            CloseReason::ForcedClose,
            CloseReason::ParseError,
            CloseReason::PingTimeout,
            CloseReason::TransportClose,
            CloseReason::TransportError(Fault::Remote),
        ];
        all.extend(reasons.map(|reason| PeerMessage::Close { sid: sid(), reason }));
        all
    }

    #[test]
    fn messages_arrive_as_they_were_sent() {
        let mut bytes = BytesMut::new();
        for message in all() {
            assert!(encode(&message, 1000, &mut bytes));
            alive(&mut bytes);
        }
        for message in all() {
            assert_eq!(decode(&mut bytes, 1000), Ok(Some(Frame::Message(message))));
            assert_eq!(decode(&mut bytes, 1000), Ok(Some(Frame::Alive)));
        }
        assert_eq!((decode(&mut bytes, 1000), bytes.len()), (Ok(None), 0));
    }

    #[test]
    fn parts_of_a_frame_wait_for_the_rest() {
        for message in all() {
            let mut whole = BytesMut::new();
            assert!(encode(&message, 1000, &mut whole));
            for end in 0..whole.len() {
                let mut part = BytesMut::from(&whole[..end]);
                assert_eq!((decode(&mut part, 1000), part.len()), (Ok(None), end));
            }
        }
    }

    #[test]
    fn long_frames_are_neither_sent_nor_read() {
        let message =
            PeerMessage::Drain { sid: Sid::from("a"), packets: vec![Packet::Message(vec![0; 100].into())] };
        let mut bytes = BytesMut::from(&b"before"[..]);
        assert!(!encode(&message, 114, &mut bytes));
        assert_eq!(bytes, "before");
        let mut bytes = BytesMut::new();
        assert!(encode(&message, 115, &mut bytes));
        assert_eq!(bytes.len(), 4 + 115);
        assert_eq!(decode(&mut bytes, 114), Err(FrameError::TooLong(115)));
    }

    /// Each byte of each message is changed, and each message is cut: the decoder answers, with a message or an error.
    #[test]
    fn changed_frames_are_read_or_refused() {
        for message in all() {
            let mut whole = BytesMut::new();
            assert!(encode(&message, 1000, &mut whole));
            for at in LENGTH..whole.len() {
                for value in [0, 1, 5, 0x7f, 0x80, 0xff] {
                    let mut changed = whole.clone();
                    changed[at] = value;
                    assert_ne!(decode(&mut changed, 1000), Ok(None));
                }
                let mut cut = whole.clone();
                cut.truncate(at);
                let length = u32::try_from(at - LENGTH).unwrap();
                cut[..LENGTH].copy_from_slice(&length.to_be_bytes());
                assert_eq!(decode(&mut cut, 1000), Err(FrameError::Invalid));
            }
        }
    }
}
