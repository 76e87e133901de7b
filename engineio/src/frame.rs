//! WebSocket frames as they are written: whole messages, which a client masks and a server does not (RFC 6455,
//! section 5).

use bytes::Bytes;

/// The longest header of a frame that is not masked.
pub const MAX_HEADER_LEN: usize = 10;

/// The longest payload of a control frame.
pub const MAX_CONTROL_LEN: usize = 125;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Opcode {
    /// A further part of a message.
    Continuation = 0,
    /// A text message, or its first part.
    Text = 1,
    /// A binary message, or its first part.
    Binary = 2,
    /// The end of the connection.
    Close = 8,
    /// A question whether the peer is there.
    Ping = 9,
    /// The answer to a ping.
    Pong = 10,
}

impl Opcode {
    /// The opcode with this number. Numbers 3 to 7 and 11 to 15 are reserved.
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    /// Whether frames of this kind may come between the parts of a message.
    pub const fn is_control(self) -> bool {
        self as u8 & 8 != 0
    }
}

/// Why a WebSocket is closed: the number in a close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CloseCode(pub u16);

impl CloseCode {
    /// The connection has done what it was for.
    pub const NORMAL: Self = Self(1000);
    /// The server shuts down, or the browser leaves the page.
    pub const GOING_AWAY: Self = Self(1001);
    /// The peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// Text was not UTF-8.
    pub const INVALID_DATA: Self = Self(1007);
    /// A limit that has no number of its own.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// A message was too large.
    pub const MESSAGE_TOO_BIG: Self = Self(1009);
    /// The server failed.
    pub const INTERNAL_ERROR: Self = Self(1011);

    /// Whether the number may stand in a close frame: it is assigned, and not one of those that only describe a
    /// connection that ended without one, or it is of the ranges for libraries and applications.
    pub const fn is_sendable(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

/// Which side of a WebSocket this is. A client masks what it sends, a server does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Takes masked frames and sends plain ones.
    #[default]
    Server,
    /// Takes plain frames and sends masked ones.
    Client,
}

/// How many bytes the header in front of a payload of this length takes in a frame that is not masked: 2, 4 or 10.
pub const fn header_len(payload_len: usize) -> usize {
    match payload_len {
        0..=125 => 2,
        126..=0xffff => 4,
        _ => MAX_HEADER_LEN,
    }
}

/// Writes the header of a message in one frame to the first [`header_len`] bytes of `out`, which has to have them.
#[inline]
pub fn write_header(out: &mut [u8], opcode: Opcode, payload_len: usize) {
    const FIN: u8 = 0x80;
    out[0] = FIN | opcode as u8;
    // "The minimal number of bytes MUST be used to encode the length."
    match payload_len {
        0..=125 => out[1] = payload_len as u8,
        126..=0xffff => {
            out[1] = 126;
            out[2..4].copy_from_slice(&(payload_len as u16).to_be_bytes());
        }
        _ => {
            out[1] = 127;
            out[2..10].copy_from_slice(&(payload_len as u64).to_be_bytes());
        }
    }
}

/// Appends a frame with its header and payload masked: what a client sends in place of the plain frame. `header` is a
/// plain header as [`write_header`] makes it.
pub fn push_masked(out: &mut Vec<u8>, header: &[u8], payload: &[u8], key: [u8; 4]) {
    const MASKED: u8 = 0x80;
    out.reserve(header.len() + key.len() + payload.len());
    let start = out.len();
    out.extend_from_slice(header);
    if let Some(len) = out.get_mut(start + 1) {
        *len |= MASKED;
    }
    out.extend_from_slice(&key);
    let start = out.len();
    out.extend_from_slice(payload);
    apply_mask(&mut out[start..], key);
}

/// Puts a mask on or takes it off, 16 bytes at a time where there are as many; the compiler makes vectors of it.
pub fn apply_mask(payload: &mut [u8], key: [u8; 4]) {
    if key == [0; 4] {
        return;
    }
    let wide = u128::from_ne_bytes(std::array::from_fn(|at| key[at % 4]));
    let mut chunks = payload.chunks_exact_mut(16);
    for chunk in &mut chunks {
        // The chunk has 16 bytes.
        if let Ok(bytes) = <[u8; 16]>::try_from(&*chunk) {
            chunk.copy_from_slice(&(u128::from_ne_bytes(bytes) ^ wide).to_ne_bytes());
        }
    }
    for (byte, key) in chunks.into_remainder().iter_mut().zip(key.into_iter().cycle()) {
        *byte ^= key;
    }
}

/// A close frame. A reason that is longer than a control frame can carry is cut between two characters.
pub fn close_frame(code: CloseCode, reason: &str) -> Bytes {
    let mut end = reason.len().min(MAX_CONTROL_LEN - 2);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    control_frame(Opcode::Close, &[&code.0.to_be_bytes(), &reason.as_bytes()[..end]])
}

/// A close frame without a code, which a peer reports as 1005.
pub fn empty_close_frame() -> Bytes {
    Bytes::from_static(b"\x88\x00")
}

/// The answer to a ping: a pong with the ping's payload, of which there cannot be more than [`MAX_CONTROL_LEN`]
/// bytes.
pub fn pong_frame(payload: &[u8]) -> Bytes {
    if payload.is_empty() {
        return Bytes::from_static(b"\x8a\x00");
    }
    control_frame(Opcode::Pong, &[&payload[..payload.len().min(MAX_CONTROL_LEN)]])
}

fn control_frame(opcode: Opcode, payload: &[&[u8]]) -> Bytes {
    let len = payload.iter().map(|part| part.len()).sum::<usize>();
    let mut frame = Vec::with_capacity(2 + len);
    frame.resize(2, 0);
    write_header(&mut frame, opcode, len);
    payload.iter().for_each(|part| frame.extend_from_slice(part));
    frame.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_take_as_few_bytes_as_they_can() {
        for (len, header) in [
            (0, &b"\x81\x00"[..]),
            (125, b"\x81\x7d"),
            (126, b"\x81\x7e\x00\x7e"),
            (0xffff, b"\x81\x7e\xff\xff"),
            (0x1_0000, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
        ] {
            let mut out = [0; MAX_HEADER_LEN];
            write_header(&mut out, Opcode::Text, len);
            assert_eq!(header_len(len), header.len());
            assert_eq!(&out[..header_len(len)], header);
        }
    }

    #[test]
    fn control_frames_are_short() {
        assert_eq!(close_frame(CloseCode::NORMAL, ""), &b"\x88\x02\x03\xe8"[..]);
        assert_eq!(close_frame(CloseCode::PROTOCOL_ERROR, "no"), &b"\x88\x04\x03\xeano"[..]);
        assert_eq!(empty_close_frame(), &b"\x88\x00"[..]);
        assert_eq!(pong_frame(b""), &b"\x8a\x00"[..]);
        assert_eq!(pong_frame(b"hi"), &b"\x8a\x02hi"[..]);
        assert_eq!(pong_frame(&[7; 200]).len(), 2 + MAX_CONTROL_LEN);
    }

    #[test]
    fn a_masked_frame_is_the_rfc_s_example() {
        let mut out = b"before".to_vec();
        push_masked(&mut out, b"\x81\x05", b"Hello", [0x37, 0xfa, 0x21, 0x3d]);
        assert_eq!(&out[6..], b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let frame = close_frame(CloseCode::GOING_AWAY, &"\u{20ac}".repeat(60));
        // 41 characters of three bytes are 123 bytes exactly; one byte in front moves the cut.
        assert_eq!(frame.len(), 2 + 125);
        let frame = close_frame(CloseCode::GOING_AWAY, &format!("x{}", "\u{20ac}".repeat(60)));
        assert_eq!(frame.len(), 2 + 2 + 1 + 40 * 3);
        assert!(std::str::from_utf8(&frame[4..]).is_ok());
    }

    #[test]
    fn numbers_and_opcodes_agree() {
        let known: Vec<u8> = (0..=255).filter(|&number| Opcode::from_number(number).is_some()).collect();
        assert_eq!(known, [0, 1, 2, 8, 9, 10]);
        for number in known {
            let opcode = Opcode::from_number(number).unwrap();
            assert_eq!((opcode as u8, opcode.is_control()), (number, number >= 8));
        }
    }

    #[test]
    fn only_some_codes_may_be_sent() {
        let bad: Vec<u16> = (990..1020).filter(|&code| !CloseCode(code).is_sendable()).collect();
        assert_eq!(bad[..10], [990, 991, 992, 993, 994, 995, 996, 997, 998, 999]);
        assert_eq!(bad[10..], [1004, 1005, 1006, 1015, 1016, 1017, 1018, 1019]);
        for (code, sendable) in [(0, false), (2999, false), (3000, true), (4999, true), (5000, false)] {
            assert_eq!(CloseCode(code).is_sendable(), sendable, "{code}");
        }
    }
}
