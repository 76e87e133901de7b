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

mod event;
mod header;
mod partial;
#[cfg(test)]
mod tests;

use std::iter::FusedIterator;
use std::mem;

use bytes::{Buf, Bytes};

pub use self::event::{Event, WsError};
use self::header::{Header, Parsed};
use self::partial::Partial;
use crate::frame::{CloseCode, Opcode, Role, apply_mask};
use crate::text::Text;

/// How many frames a message may come in, unless [`Inbound::max_fragments`] says otherwise. `ws` has the same limit.
pub const DEFAULT_MAX_FRAGMENTS: u32 = 16_384;

/// The reading side of one connection.
#[derive(Debug)]
pub struct Inbound {
    /// What we are: it says whether frames have to be masked.
    role: Role,
    max_fragments: u32,
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
        let max_fragments = DEFAULT_MAX_FRAGMENTS;
        Self { role, max_fragments, max_message, state: State::Header, partial: Vec::new(), message: None }
    }

    /// How many frames a message may come in. Default [`DEFAULT_MAX_FRAGMENTS`]; with 0 as with 1 a message has to be one
    /// frame.
    #[must_use]
    pub const fn max_fragments(mut self, fragments: u32) -> Self {
        self.max_fragments = fragments;
        self
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

    /// The progress in a copy of the input that begins where this one stands.
    #[cfg(feature = "server")]
    pub(crate) fn rebase(mut self) -> Self {
        if self.at >= self.end {
            return Self::default();
        }
        self.shared.advance(self.at - self.start);
        Self { at: 0, start: 0, end: self.end - self.at, shared: self.shared }
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
                if message.fragments > inbound.max_fragments {
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
