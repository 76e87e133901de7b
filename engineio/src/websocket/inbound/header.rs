//! The header of a frame: parsing and validation.

use super::event::WsError;
use crate::protocol::frame::{COMPRESSED, MAX_CONTROL_LEN, Opcode, Role};

/// The header of a frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) last: bool,
    /// The frame begins a compressed message.
    pub(super) compressed: bool,
    pub(super) opcode: Opcode,
    pub(super) mask: [u8; 4],
    pub(super) payload_len: u64,
    /// The length of the header itself in bytes.
    pub(super) len: usize,
}

pub(super) enum Parsed {
    Header(Header),
    /// The number of bytes needed to continue.
    Wants(usize),
}

impl Header {
    /// Invalid flags and lengths are rejected as soon as two bytes are there.
    pub(super) fn parse(bytes: &[u8], role: Role, deflate: bool) -> Result<Parsed, WsError> {
        let &[first, second, ref rest @ ..] = bytes else { return Ok(Parsed::Wants(2)) };
        let compressed = first & COMPRESSED != 0;
        if first & 0x30 != 0 || (compressed && !deflate) {
            return Err(WsError::ReservedBits);
        }
        let last = first & 0x80 != 0;
        let number = first & 0x0f;
        let opcode = Opcode::from_number(number).ok_or(WsError::ReservedOpcode(number))?;
        // "An endpoint MUST NOT set the "Per-Message Compressed" bit of control frames and non-first fragments of a
        // data message." (RFC 7692, 6)
        if compressed && !matches!(opcode, Opcode::Text | Opcode::Binary) {
            return Err(WsError::ReservedBits);
        }
        let short_len = second & 0x7f;
        if opcode.is_control() {
            // "All control frames MUST have a payload length of 125 bytes or less and MUST NOT be
            // fragmented."
            if !last {
                return Err(WsError::FragmentedControl);
            }
            if usize::from(short_len) > MAX_CONTROL_LEN {
                return Err(WsError::ControlTooLong);
            }
        }
        let key_len = match (role, second & 0x80 != 0) {
            (Role::Server, true) => 4,
            (Role::Client, false) => 0,
            // "The server MUST close the connection upon receiving a frame that is not masked."
            (Role::Server, false) => return Err(WsError::NotMasked),
            // "A client MUST close a connection if it detects a masked frame."
            (Role::Client, true) => return Err(WsError::Masked),
        };
        let (payload_len, rest, len) = match (short_len, rest) {
            (126, &[a, b, ref rest @ ..]) => (u64::from(u16::from_be_bytes([a, b])), rest, 4),
            (126, _) => return Ok(Parsed::Wants(4 + key_len)),
            (127, &[a, b, c, d, e, f, g, h, ref rest @ ..]) => {
                (u64::from_be_bytes([a, b, c, d, e, f, g, h]), rest, 10)
            }
            (127, _) => return Ok(Parsed::Wants(10 + key_len)),
            (short, rest) => (u64::from(short), rest, 2),
        };
        let len = len + key_len;
        let mask = match (role, rest) {
            // A missing mask equals a mask of zeros.
            (Role::Client, _) => [0; 4],
            (Role::Server, &[a, b, c, d, ..]) => [a, b, c, d],
            (Role::Server, _) => return Ok(Parsed::Wants(len)),
        };
        Ok(Parsed::Header(Self { last, compressed, opcode, mask, payload_len, len }))
    }

    /// The number of bytes that must be buffered before the frame is handled: control frames are short and
    /// handled whole.
    pub(super) fn buffered_len(&self) -> usize {
        // The header check has limited the payload of a control frame to 125 bytes.
        self.len + if self.opcode.is_control() { self.payload_len as usize } else { 0 }
    }
}
