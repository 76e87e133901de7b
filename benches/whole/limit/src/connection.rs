//! The protocol of one connection: HTTP requests, then frames; their effects on the connections, and the
//! responses.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use crate::connections::Connections;
use crate::peer::Peer;
use crate::wire::{frame, header, response, unmask};

const OPEN: &str = r#""upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;

pub struct Connection {
    peer: Arc<Peer>,
    connections: Arc<Connections>,
    /// Whether the connection carries frames instead of requests.
    upgraded: bool,
    attachment: Attachment,
    rooms: Vec<String>,
}

/// The purpose of the next binary frame.
#[derive(Clone, Copy)]
enum Attachment {
    None,
    Echo,
    Broadcast,
}

impl Connection {
    pub fn new(peer: Arc<Peer>, connections: Arc<Connections>) -> Self {
        Self { peer, connections, upgraded: false, attachment: Attachment::None, rooms: Vec::new() }
    }

    pub fn rooms(&self) -> &[String] {
        &self.rooms
    }

    /// Handles the complete requests or frames, and returns the number of their bytes; `None` is the end.
    pub fn handle(&mut self, bytes: &mut [u8], out: &mut Vec<u8>) -> Option<usize> {
        let mut used = 0;
        while !self.upgraded {
            match self.request(&bytes[used..], out)? {
                0 => return Some(used),
                len => used += len,
            }
        }
        while bytes.len() - used >= 6 {
            let rest = &mut bytes[used..];
            let opcode = rest[0] & 15;
            let (begin, len) = match rest[1] & 127 {
                126 if rest.len() >= 8 => (8, usize::from(u16::from_be_bytes([rest[2], rest[3]]))),
                127 if rest.len() >= 14 => (14, u64::from_be_bytes(rest[2..10].try_into().ok()?) as usize),
                126 | 127 => break,
                len => (6, usize::from(len)),
            };
            if rest.len() < begin + len {
                break;
            }
            let mask = [rest[begin - 4], rest[begin - 3], rest[begin - 2], rest[begin - 1]];
            let payload = &mut rest[begin..begin + len];
            unmask(payload, mask);
            used += begin + len;
            match opcode {
                1 => self.text(payload, out),
                2 => self.binary(payload, out),
                8 => return None,
                _ => {}
            }
        }
        Some(used)
    }

    fn binary(&mut self, data: &[u8], out: &mut Vec<u8>) {
        match std::mem::replace(&mut self.attachment, Attachment::None) {
            Attachment::Echo => frame(out, 2, data),
            Attachment::Broadcast => {
                let mut frames = Vec::with_capacity(data.len() + 80);
                frame(&mut frames, 1, br#"451-["broadcast",{"_placeholder":true,"num":0}]"#);
                frame(&mut frames, 2, data);
                self.connections.broadcast(&frames);
            }
            Attachment::None => {}
        }
    }

    #[inline]
    fn text(&mut self, packet: &[u8], out: &mut Vec<u8>) {
        if packet.starts_with(br#"42["echo","#) {
            frame(out, 1, packet);
        } else if packet.starts_with(br#"42["broadcast","#) {
            let mut frames = Vec::with_capacity(packet.len() + 10);
            frame(&mut frames, 1, packet);
            self.connections.broadcast(&frames);
        } else if let Some(rest) = packet.strip_prefix(br#"42["room",""#) {
            let Some(end) = rest.iter().position(|byte| *byte == b'"') else { return };
            let data = &rest[end + 2..];
            let mut frames = Vec::with_capacity(data.len() + 20);
            header(&mut frames, 1, 10 + data.len());
            frames.extend_from_slice(br#"42["room","#);
            frames.extend_from_slice(data);
            self.connections.room(&String::from_utf8_lossy(&rest[..end]), &frames);
        } else if packet.starts_with(br#"451-["echo","#) {
            frame(out, 1, packet);
            self.attachment = Attachment::Echo;
        } else if packet.starts_with(br#"451-["broadcast","#) {
            self.attachment = Attachment::Broadcast;
        } else if packet == b"40" {
            frame(out, 1, format!(r#"40{{"sid":"n{:019}"}}"#, self.peer.number).as_bytes());
            self.connections.enter(&self.peer);
        } else if let Some(rest) = packet.strip_prefix(b"42") {
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let (id, event) = rest.split_at(digits);
            if let Some(data) = event.strip_prefix(br#"["ack","#) {
                header(out, 1, 3 + id.len() + data.len());
                [b"43", id, b"[", data].iter().for_each(|part| out.extend_from_slice(part));
            } else if let Some(room) =
                event.strip_prefix(br#"["join",""#).and_then(|room| room.strip_suffix(br#""]"#))
            {
                let room = String::from_utf8_lossy(room).into_owned();
                self.connections.join(&self.peer, &room);
                self.rooms.push(room);
                frame(out, 1, &[b"43", id, b"[]"].concat());
            }
        }
    }

    /// Answers one request, and returns its number of bytes; 0 if it is incomplete.
    fn request(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Option<usize> {
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Some(0) };
        let head = std::str::from_utf8(&bytes[..end]).ok()?;
        let mut lines = head.split("\r\n");
        let line = lines.next()?;
        let (mut len, mut key) = (0, None);
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            if name.eq_ignore_ascii_case("content-length") {
                len = value.trim().parse().ok()?;
            } else if name.eq_ignore_ascii_case("sec-websocket-key") {
                key = Some(value.trim());
            }
        }
        let Some(body) = bytes.get(end + 4..end + 4 + len) else { return Some(0) };
        if let Some(key) = key {
            let accept = Sha1::new().chain_update(key).chain_update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
            let accept = STANDARD.encode(accept.finalize());
            out.extend_from_slice(
                format!(
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                     Sec-WebSocket-Accept: {accept}\r\n\r\n"
                )
                .as_bytes(),
            );
            frame(out, 1, format!(r#"0{{"sid":"e{:019}",{OPEN}"#, self.peer.number).as_bytes());
            self.upgraded = true;
            return Some(end + 4);
        }
        let sid = line.split_once("sid=").and_then(|(_, rest)| rest.split([' ', '&']).next());
        match sid {
            None => response(out, format!(r#"0{{"sid":"{}",{OPEN}"#, self.connections.open()).as_bytes()),
            Some(sid) if line.starts_with("POST") => {
                let mut packets = Vec::new();
                for packet in body.split(|byte| *byte == 0x1e) {
                    if packet == b"40" {
                        packets.extend_from_slice(b"40{\"sid\":\"n\"}\x1e");
                    } else if packet.starts_with(br#"42["echo","#) {
                        packets.extend_from_slice(packet);
                        packets.push(0x1e);
                    }
                }
                response(out, b"ok");
                if !packets.is_empty() {
                    self.connections.queue(sid, &packets);
                }
            }
            Some(sid) => self.connections.poll(sid, &self.peer, out),
        }
        Some(end + 4 + len)
    }
}
