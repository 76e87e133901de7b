//! Reading a WebSocket: bytes in, messages out (RFC 6455, sections 5 and 7). No I/O.
//!
//! A server takes masked frames only, and a client only frames that are not.
//!
//! The driver reads into a scratch buffer that all its connections share and passes the part that was filled.
//! Payloads are unmasked where they lie, and the messages that lie there whole are copied once and together: they
//! are slices of one buffer of exactly their size. Only what a read cut off is kept here, so a connection that waits
//! for a message owns no buffer.
//!
//! Stricter or laxer than the text of the RFC:
//!
//! - A length in more bytes than it needs is accepted. The RFC asks senders for the shortest form and says nothing
//!   to receivers; `ws` and tungstenite accept it too, and nothing depends on it.
//! - A length with the top bit set, which the RFC forbids, is one that is too large, as in `ws`.
//! - Text that is not UTF-8 fails as soon as the wrong byte is there, which the RFC allows and Autobahn asks for.

use std::iter::FusedIterator;
use std::mem;

use bytes::{Buf, Bytes};

use crate::frame::{CloseCode, MAX_CONTROL_LEN, Opcode, Role, apply_mask};
use crate::text::Text;

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

/// How many frames a message may come in. `ws` has the same limit.
pub const MAX_FRAGMENTS: u32 = 16_384;

/// What arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A text message.
    Text(Text),
    /// A binary message.
    Binary(Bytes),
    /// A ping. Its payload, of up to 125 bytes, has to go back in a pong.
    Ping(Bytes),
    /// A pong, whose payload nobody needs.
    Pong,
    /// The peer closes the connection, and a close frame has to go back. Nothing comes after it.
    Close {
        /// The peer's code, if it gave one.
        code: Option<CloseCode>,
        /// The peer's reason, which may be empty.
        reason: Text,
    },
}

/// How a peer broke the protocol or a limit. The connection cannot be used any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WsError {
    /// A reserved bit is set although no extension gives it a meaning.
    #[error("reserved bits must be zero")]
    ReservedBits,
    /// An opcode that has no meaning.
    #[error("reserved opcode {0}")]
    ReservedOpcode(u8),
    /// A frame of a client is not masked.
    #[error("frames of a client must be masked")]
    NotMasked,
    /// A frame of a server is masked.
    #[error("frames of a server must not be masked")]
    Masked,
    /// A control frame came in parts.
    #[error("control frames must not be fragmented")]
    FragmentedControl,
    /// A control frame has more than 125 bytes of payload.
    #[error("control frames must be short")]
    ControlTooLong,
    /// A further part came without a first one.
    #[error("continuation without a message")]
    UnexpectedContinuation,
    /// A new message began within another one.
    #[error("new message within a fragmented one")]
    ExpectedContinuation,
    /// A message came in more than [`MAX_FRAGMENTS`] parts.
    #[error("too many fragments")]
    TooManyFragments,
    /// A message is longer than the limit.
    #[error("message too big")]
    MessageTooBig,
    /// A text message or the reason of a close frame is not UTF-8.
    #[error("invalid UTF-8")]
    InvalidUtf8,
    /// A close frame has one byte, half a code.
    #[error("invalid close frame")]
    InvalidClose,
    /// A close frame has a code that must not be sent.
    #[error("invalid close code {0}")]
    InvalidCloseCode(u16),
}

impl WsError {
    /// The code to close the connection with.
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::InvalidUtf8 => CloseCode::INVALID_DATA,
            Self::TooManyFragments => CloseCode::POLICY_VIOLATION,
            Self::MessageTooBig => CloseCode::MESSAGE_TOO_BIG,
            Self::ReservedBits
            | Self::ReservedOpcode(_)
            | Self::NotMasked
            | Self::Masked
            | Self::FragmentedControl
            | Self::ControlTooLong
            | Self::UnexpectedContinuation
            | Self::ExpectedContinuation
            | Self::InvalidClose
            | Self::InvalidCloseCode(_) => CloseCode::PROTOCOL_ERROR,
        }
    }
}

/// The reading side of one connection.
#[derive(Debug)]
pub struct Inbound {
    /// What we are: it says whether frames have to be masked.
    role: Role,
    max_message: usize,
    state: State,
    /// The raw bytes of a header, or of a whole control frame, whose end has not arrived.
    partial: Vec<u8>,
    /// The message whose end has not arrived.
    message: Option<Partial>,
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug)]
enum State {
    /// The header of a frame, or a control frame.
    Header,
    /// The payload of a data frame: `remaining` bytes of it, the first of which has the first byte of `mask`.
    Payload { last: bool, mask: [u8; 4], remaining: usize },
    /// Nothing: the peer said goodbye or broke the protocol.
    Closed,
}

impl Inbound {
    /// A server's side of a connection, right after the handshake. A message of more than `max_message` bytes is an
    /// error.
    pub const fn new(max_message: usize) -> Self {
        Self::with_role(Role::Server, max_message)
    }

    /// One side of a connection: [`new`](Self::new) is the server's.
    pub const fn with_role(role: Role, max_message: usize) -> Self {
        Self { role, max_message, state: State::Header, partial: Vec::new(), message: None }
    }

    /// Decodes what was read, from where `progress` stands; a new read begins with a new progress. The bytes are unmasked
    /// in place and mean nothing to others.
    ///
    /// The iterator ends when it needs more bytes; then all of `input` is used up. It may be dropped before and made
    /// again with the same input and progress. After a close frame or an error nothing follows.
    pub fn decode<'a>(&'a mut self, input: &'a mut [u8], progress: &'a mut Progress) -> Decode<'a> {
        Decode { inbound: self, input, progress }
    }

    /// Whether a frame or a message has begun whose end has not arrived.
    pub fn is_mid_message(&self) -> bool {
        !self.partial.is_empty() || self.message.is_some()
    }

    /// How many bytes of buffers this connection holds.
    pub fn buffered(&self) -> usize {
        self.partial.capacity() + self.message.as_ref().map_or(0, |message| message.data.capacity())
    }

    fn close(&mut self) {
        self.state = State::Closed;
        self.partial = Vec::new();
        self.message = None;
    }
}

/// The events of one read: see [`Inbound::decode`].
#[derive(Debug)]
pub struct Decode<'a> {
    inbound: &'a mut Inbound,
    input: &'a mut [u8],
    progress: &'a mut Progress,
}

/// How far a read is decoded.
#[derive(Debug, Default)]
pub struct Progress {
    at: usize,
    /// Where whole frames lie of which the payloads are unmasked.
    start: usize,
    end: usize,
    /// A copy of them.
    shared: Bytes,
}

impl Progress {
    /// How many bytes of the input are used up.
    pub fn consumed(&self) -> usize {
        self.at
    }
}

impl Decode<'_> {
    fn advance(&mut self) -> Result<Option<Event>, WsError> {
        let role = self.inbound.role;
        loop {
            match self.inbound.state {
                State::Closed => {
                    self.progress.at = self.input.len();
                    return Ok(None);
                }
                State::Payload { last, mask, remaining } => {
                    let Some(event) = self.payload(last, mask, remaining)? else { return Ok(None) };
                    if event.is_some() {
                        return Ok(event);
                    }
                }
                State::Header if self.inbound.partial.is_empty() => {
                    let rest = &mut self.input[self.progress.at..];
                    let header = match Header::parse(rest, role)? {
                        Parsed::Header(header) if rest.len() >= header.buffered_len() => header,
                        _ => {
                            self.inbound.partial.extend_from_slice(rest);
                            self.progress.at = self.input.len();
                            return Ok(None);
                        }
                    };
                    self.progress.at += header.buffered_len();
                    if header.opcode.is_control() {
                        return control(header, &mut rest[header.len..header.buffered_len()]).map(Some);
                    }
                    if let Some(event) = self.data(header)? {
                        return Ok(Some(event));
                    }
                }
                State::Header => {
                    let Some(header) = self.complete_partial()? else { return Ok(None) };
                    let mut raw = mem::take(&mut self.inbound.partial);
                    if header.opcode.is_control() {
                        return control(header, &mut raw[header.len..]).map(Some);
                    }
                    if let Some(event) = self.data(header)? {
                        return Ok(Some(event));
                    }
                }
            }
        }
    }

    /// Moves bytes behind those of the last read until they are a header or a control frame.
    fn complete_partial(&mut self) -> Result<Option<Header>, WsError> {
        let partial = &mut self.inbound.partial;
        loop {
            let wanted = match Header::parse(partial, self.inbound.role)? {
                Parsed::Header(header) if partial.len() >= header.buffered_len() => return Ok(Some(header)),
                Parsed::Header(header) => header.buffered_len(),
                Parsed::Wants(wanted) => wanted,
            };
            let rest = &self.input[self.progress.at..];
            if rest.is_empty() {
                return Ok(None);
            }
            let taken = rest.len().min(wanted - partial.len());
            partial.extend_from_slice(&rest[..taken]);
            self.progress.at += taken;
        }
    }

    /// Begins the payload of a data frame, and ends it at once if it is a message that lies in the input whole.
    fn data(&mut self, header: Header) -> Result<Option<Event>, WsError> {
        let inbound = &mut *self.inbound;
        let received = match (&mut inbound.message, header.opcode) {
            (None, Opcode::Continuation) => return Err(WsError::UnexpectedContinuation),
            (Some(message), Opcode::Continuation) => {
                message.fragments += 1;
                if message.fragments > MAX_FRAGMENTS {
                    return Err(WsError::TooManyFragments);
                }
                message.data.len()
            }
            (Some(_), _) => return Err(WsError::ExpectedContinuation),
            (None, _) => 0,
        };
        let remaining = usize::try_from(header.payload_len).map_err(|_| WsError::MessageTooBig)?;
        if remaining > inbound.max_message.saturating_sub(received) {
            return Err(WsError::MessageTooBig);
        }
        let is_text = header.opcode == Opcode::Text;
        if inbound.message.is_none() {
            if header.last && self.input.len() - self.progress.at >= remaining {
                return self.whole(is_text, header, remaining).map(Some);
            }
            inbound.message = Some(Partial { is_text, fragments: 1, valid: 0, data: Vec::new() });
        }
        inbound.state = State::Payload { last: header.last, mask: header.mask, remaining };
        Ok(None)
    }

    /// A message that lies in the input whole.
    fn whole(&mut self, is_text: bool, header: Header, len: usize) -> Result<Event, WsError> {
        let end = self.progress.at + len;
        if end > self.progress.end {
            self.share(header.mask, end);
        }
        let progress = &mut *self.progress;
        // The last one takes the buffer over.
        let mut payload =
            if end == progress.end { mem::take(&mut progress.shared) } else { progress.shared.clone() };
        payload.truncate(end - progress.start);
        payload.advance(progress.at - progress.start);
        progress.at = end;
        if is_text { text(payload).map(Event::Text) } else { Ok(Event::Binary(payload)) }
    }

    /// Copies the payload that ends at `end`, and the whole frames behind it.
    fn share(&mut self, mask: [u8; 4], mut end: usize) {
        let start = self.progress.at;
        apply_mask(&mut self.input[start..end], mask);
        // What is wrong with a header is found when it is its turn.
        while let Ok(Parsed::Header(header)) = Header::parse(&self.input[end..], self.inbound.role) {
            let Ok(len) = usize::try_from(header.payload_len) else { break };
            let rest = &mut self.input[end + header.len..];
            if header.opcode.is_control() || rest.len() < len {
                break;
            }
            apply_mask(&mut rest[..len], header.mask);
            end += header.len + len;
        }
        let shared = Bytes::copy_from_slice(&self.input[start..end]);
        *self.progress = Progress { at: start, start, end, shared };
    }

    /// Takes what there is of a payload. Nothing means that there has to be more input, and an inner nothing that
    /// the frame ended but not the message.
    fn payload(
        &mut self,
        last: bool,
        mut mask: [u8; 4],
        remaining: usize,
    ) -> Result<Option<Option<Event>>, WsError> {
        let rest = &mut self.input[self.progress.at..];
        let len = rest.len().min(remaining);
        let chunk = &mut rest[..len];
        if self.progress.at >= self.progress.end {
            apply_mask(chunk, mask);
        }
        self.progress.at += len;
        let inbound = &mut *self.inbound;
        if let Some(message) = &mut inbound.message {
            message.append(chunk, last.then_some(remaining), inbound.max_message)?;
        }
        if len < remaining {
            mask.rotate_left(len % 4);
            inbound.state = State::Payload { last, mask, remaining: remaining - len };
            return Ok(None);
        }
        inbound.state = State::Header;
        if !last {
            return Ok(Some(None));
        }
        inbound.message.take().map(Partial::finish).transpose().map(Some)
    }
}

impl Iterator for Decode<'_> {
    type Item = Result<Event, WsError>;

    fn next(&mut self) -> Option<Self::Item> {
        let result = self.advance();
        if matches!(result, Err(_) | Ok(Some(Event::Close { .. }))) {
            self.inbound.close();
            self.progress.at = self.input.len();
        }
        result.transpose()
    }
}

impl FusedIterator for Decode<'_> {}

/// The header of a frame.
#[derive(Clone, Copy, Debug)]
struct Header {
    last: bool,
    opcode: Opcode,
    mask: [u8; 4],
    payload_len: u64,
    /// How many bytes the header itself has.
    len: usize,
}

enum Parsed {
    Header(Header),
    /// So many bytes are needed to say more.
    Wants(usize),
}

impl Header {
    /// Everything that two bytes can be wrong about is found in the first two bytes.
    fn parse(bytes: &[u8], role: Role) -> Result<Parsed, WsError> {
        let &[first, second, ref rest @ ..] = bytes else { return Ok(Parsed::Wants(2)) };
        // With permessage-deflate, RSV1 in the first frame of a message will say that the message is compressed.
        if first & 0x70 != 0 {
            return Err(WsError::ReservedBits);
        }
        let last = first & 0x80 != 0;
        let number = first & 0x0f;
        let opcode = Opcode::from_number(number).ok_or(WsError::ReservedOpcode(number))?;
        let short_len = second & 0x7f;
        if opcode.is_control() {
            // "All control frames MUST have a payload length of 125 bytes or less and MUST NOT be fragmented."
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
            // No mask at all is one of zeros.
            (Role::Client, _) => [0; 4],
            (Role::Server, &[a, b, c, d, ..]) => [a, b, c, d],
            (Role::Server, _) => return Ok(Parsed::Wants(len)),
        };
        Ok(Parsed::Header(Self { last, opcode, mask, payload_len, len }))
    }

    /// How much of the frame has to be there before it is looked at: control frames are short and come whole.
    fn buffered_len(&self) -> usize {
        // The payload of a control frame was found to be at most 125 bytes.
        self.len + if self.opcode.is_control() { self.payload_len as usize } else { 0 }
    }
}

/// A message whose end has not arrived.
#[derive(Debug)]
struct Partial {
    is_text: bool,
    fragments: u32,
    /// How many bytes are known to be UTF-8, in a text message.
    valid: usize,
    data: Vec<u8>,
}

impl Partial {
    /// Adds an unmasked part of a payload. `ending` is how many bytes are left of the message, with these, if that
    /// is known.
    fn append(&mut self, chunk: &[u8], ending: Option<usize>, max: usize) -> Result<(), WsError> {
        let len = self.data.len() + chunk.len();
        if len > self.data.capacity() {
            // A length costs a peer nothing, so memory follows what has arrived. Twice that keeps the copying
            // linear, and the true end makes the last buffer exact.
            let end = ending.map_or(max, |ending| self.data.len() + ending);
            let capacity = len.saturating_mul(2).min(end.max(len));
            self.data.reserve_exact(capacity - self.data.len());
        }
        self.data.extend_from_slice(chunk);
        if !self.is_text {
            return Ok(());
        }
        match std::str::from_utf8(&self.data[self.valid..]) {
            Ok(_) => self.valid = len,
            // A character that is cut off goes on in the next part.
            Err(error) if error.error_len().is_none() => self.valid += error.valid_up_to(),
            Err(_) => return Err(WsError::InvalidUtf8),
        }
        Ok(())
    }

    fn finish(self) -> Result<Event, WsError> {
        if !self.is_text {
            return Ok(Event::Binary(self.data.into()));
        }
        if self.valid < self.data.len() {
            return Err(WsError::InvalidUtf8);
        }
        Ok(Event::Text(Text::from_checked(self.data.into())))
    }
}

fn text(bytes: Bytes) -> Result<Text, WsError> {
    std::str::from_utf8(&bytes).map_err(|_| WsError::InvalidUtf8)?;
    Ok(Text::from_checked(bytes))
}

fn control(header: Header, payload: &mut [u8]) -> Result<Event, WsError> {
    apply_mask(payload, header.mask);
    match (header.opcode, &*payload) {
        (Opcode::Ping, payload) => Ok(Event::Ping(Bytes::copy_from_slice(payload))),
        (Opcode::Close, []) => Ok(Event::Close { code: None, reason: Text::new() }),
        (Opcode::Close, &[high, low, ref reason @ ..]) => {
            let code = CloseCode(u16::from_be_bytes([high, low]));
            if !code.is_sendable() {
                return Err(WsError::InvalidCloseCode(code.0));
            }
            Ok(Event::Close { code: Some(code), reason: text(Bytes::copy_from_slice(reason))? })
        }
        (Opcode::Close, _) => Err(WsError::InvalidClose),
        _ => Ok(Event::Pong),
    }
}
