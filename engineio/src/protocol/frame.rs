//! Written WebSocket frames: whole messages, masked by clients and not by servers (RFC 6455, section 5).

use bytes::Bytes;

/// The longest header of an unmasked frame.
pub const MAX_HEADER_LEN: usize = 10;

/// The longest payload of a control frame.
pub const MAX_CONTROL_LEN: usize = 125;

/// The bit of the first byte of a compressed message's first frame (RSV1).
pub(crate) const COMPRESSED: u8 = 0x40;

/// The opcode of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Opcode {
    /// A further fragment of a message.
    Continuation = 0,
    /// A text message, or its first fragment.
    Text = 1,
    /// A binary message, or its first fragment.
    Binary = 2,
    /// The close of the connection.
    Close = 8,
    /// A ping, which the peer has to answer.
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

    /// Whether frames of this kind may come between the fragments of a message.
    pub const fn is_control(self) -> bool {
        self as u8 & 8 != 0
    }
}

/// The reason for the close of a WebSocket: the number in a close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CloseCode(pub u16);

impl CloseCode {
    /// The purpose of the connection is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// The server shuts down, or the browser leaves the page.
    pub const GOING_AWAY: Self = Self(1001);
    /// The peer violated the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// A text is not UTF-8.
    pub const INVALID_DATA: Self = Self(1007);
    /// A limit that has no code of its own was exceeded.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// A message is too large.
    pub const MESSAGE_TOO_BIG: Self = Self(1009);
    /// An internal error of the server.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// The server is overloaded.
    pub const TRY_AGAIN_LATER: Self = Self(1013);

    /// Whether the number may be sent in a close frame: a registered code that is not reserved for local use,
    /// or a code of the ranges for libraries and applications.
    pub const fn is_sendable(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

/// The side of a WebSocket. A client masks its frames, a server does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Accepts masked frames and sends unmasked ones.
    #[default]
    Server,
    /// Accepts unmasked frames and sends masked ones.
    Client,
}

/// The length of the header of an unmasked frame with this payload: 2, 4 or 10 bytes.
pub const fn header_len(payload_len: usize) -> usize {
    match payload_len {
        0..=125 => 2,
        126..=0xffff => 4,
        _ => MAX_HEADER_LEN,
    }
}

/// Writes the header of a single-frame message to the first [`header_len`] bytes of `out`, which must be that
/// long.
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

/// Appends the masked form of a frame, as a client sends it. `header` is an unmasked header as
/// [`write_header`] makes it.
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

/// Applies or removes a mask, 16 bytes at a time where possible; the compiler vectorizes the loop.
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

/// A close frame. A reason that does not fit into a control frame is cut at a character boundary.
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

/// The answer to a ping: a pong with the ping's payload, which has at most [`MAX_CONTROL_LEN`] bytes.
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
        // 41 characters of three bytes are exactly 123 bytes; one more byte in front moves the cut.
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
