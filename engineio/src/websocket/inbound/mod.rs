//! The reading side of a WebSocket: bytes in, messages out (RFC 6455, sections 5 and 7). No I/O.
//!
//! A server accepts only masked frames, and a client only unmasked ones.
//!
//! The driver reads into a scratch buffer that all its connections share, and passes the filled part.
//! Payloads are unmasked in place. The complete messages of a read are copied together: they are slices of
//! one buffer of exact size. Only incomplete frames and messages are kept here, so a connection that waits
//! for a message owns no buffer.
//!
//! Differences from the text of the RFC:
//!
//! - A length in more bytes than it needs is accepted. The RFC requires the shortest form of senders and says
//!   nothing to receivers; `ws` and tungstenite accept it too, and nothing depends on it.
//! - A length with the top bit set, which the RFC forbids, counts as too large, as in `ws`.
//! - Text that is not UTF-8 fails at its first invalid byte, which the RFC allows and Autobahn requires.

mod event;
mod header;
mod inflating;
mod partial;
#[cfg(test)]
mod tests;

use std::iter::FusedIterator;
use std::mem;

use bytes::{Buf, Bytes};

pub use self::event::{Event, WsError};
use self::header::{Header, Parsed};
use self::partial::Partial;
use crate::deflate::Contexts;
use crate::protocol::frame::{CloseCode, Opcode, Role, apply_mask};
use crate::protocol::text::Text;

/// The default of [`Inbound::max_fragments`], as in `ws`.
pub const DEFAULT_MAX_FRAGMENTS: u32 = 16_384;

/// The reading side of one connection.
#[derive(Debug)]
pub struct Inbound {
    /// The side of this connection. It decides whether frames have to be masked.
    role: Role,
    max_fragments: u32,
    /// Whether messages may be compressed.
    deflate: bool,
    /// Whether a compressed message may refer to the ones before.
    with_context: bool,
    max_message: usize,
    state: State,
    /// The raw bytes of an incomplete header or control frame.
    partial: Vec<u8>,
    /// The incomplete message.
    message: Option<Partial>,
    /// The contexts of compressed messages in both directions, so that most connections hold one empty field.
    contexts: Option<Box<Contexts>>,
}

/// The position in the stream: the meaning of the next byte.
#[derive(Clone, Copy, Debug)]
enum State {
    /// The header of a frame, or a control frame.
    Header,
    /// The payload of a data frame: `remaining` bytes of it, the first of which has the first byte of `mask`.
    Payload { last: bool, mask: [u8; 4], remaining: usize },
    /// The end: the peer sent a close frame or violated the protocol.
    Closed,
}

impl Inbound {
    /// The server's side of a connection, right after the handshake. A message of more than `max_message`
    /// bytes is an error.
    pub const fn new(max_message: usize) -> Self {
        Self::with_role(Role::Server, max_message)
    }

    /// Either side of a connection; [`new`](Self::new) is the server's.
    pub const fn with_role(role: Role, max_message: usize) -> Self {
        let max_fragments = DEFAULT_MAX_FRAGMENTS;
        Self {
            role,
            max_fragments,
            deflate: false,
            with_context: false,
            max_message,
            state: State::Header,
            partial: Vec::new(),
            message: None,
            contexts: None,
        }
    }

    /// The largest number of frames in one message. Default [`DEFAULT_MAX_FRAGMENTS`]; with 0 or 1, a message
    /// has to be one frame.
    #[must_use]
    pub const fn max_fragments(mut self, fragments: u32) -> Self {
        self.max_fragments = fragments;
        self
    }

    /// Decodes the bytes of one read, from the position of `progress`; each read needs a new progress. The
    /// bytes are unmasked in place and must not be used otherwise.
    ///
    /// The iterator ends when it needs more bytes; all of `input` is then consumed. It may be dropped before
    /// and created again with the same input and progress. No event follows a close frame or an error.
    pub fn decode<'a>(&'a mut self, input: &'a mut [u8], progress: &'a mut Progress) -> Decode<'a> {
        Decode { inbound: self, input, progress }
    }

    /// Whether a frame or a message is incomplete.
    pub fn is_mid_message(&self) -> bool {
        !self.partial.is_empty() || self.message.is_some()
    }

    /// The number of bytes in the buffers of this connection.
    pub fn buffered(&self) -> usize {
        self.partial.capacity() + self.message.as_ref().map_or(0, |message| message.data.capacity())
    }

    /// Discards the incomplete message. No event follows.
    pub(crate) fn close(&mut self) {
        self.state = State::Closed;
        self.partial = Vec::new();
        self.message = None;
        self.contexts = None;
    }
}

/// The events of one read: see [`Inbound::decode`].
#[derive(Debug)]
pub struct Decode<'a> {
    inbound: &'a mut Inbound,
    input: &'a mut [u8],
    progress: &'a mut Progress,
}

/// The position in a read.
#[derive(Debug, Default)]
pub struct Progress {
    at: usize,
    /// The range of the whole frames whose payloads are unmasked.
    start: usize,
    end: usize,
    /// A copy of that range.
    shared: Bytes,
}

impl Progress {
    /// The number of consumed bytes of the input.
    pub fn consumed(&self) -> usize {
        self.at
    }

    /// The progress for a copy of the rest of the input.
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
        let (role, deflate) = (self.inbound.role, self.inbound.deflate);
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
                    let header = match Header::parse(rest, role, deflate)? {
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

    /// Appends bytes to those of the last read until they form a header or a control frame.
    fn complete_partial(&mut self) -> Result<Option<Header>, WsError> {
        let partial = &mut self.inbound.partial;
        loop {
            let wanted = match Header::parse(partial, self.inbound.role, self.inbound.deflate)? {
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

    /// Begins the payload of a data frame, and also ends it if the whole message is in the input.
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
            let compressed = header.compressed;
            inbound.message =
                Some(Partial { is_text, compressed, fragments: 1, unchecked: 0, data: Vec::new() });
        }
        inbound.state = State::Payload { last: header.last, mask: header.mask, remaining };
        Ok(None)
    }

    /// A message that is completely in the input.
    fn whole(&mut self, is_text: bool, header: Header, len: usize) -> Result<Event, WsError> {
        let end = self.progress.at + len;
        if header.compressed {
            return self.whole_compressed(is_text, header.mask, end);
        }
        if end > self.progress.end {
            self.share(header.mask, end);
        }
        let progress = &mut *self.progress;
        // The last message takes over the buffer.
        let mut payload =
            if end == progress.end { mem::take(&mut progress.shared) } else { progress.shared.clone() };
        payload.truncate(end - progress.start);
        payload.advance(progress.at - progress.start);
        progress.at = end;
        event(is_text, payload)
    }

    /// A compressed message that ends at `end` and is completely in the input.
    fn whole_compressed(&mut self, is_text: bool, mask: [u8; 4], end: usize) -> Result<Event, WsError> {
        let payload = &mut self.input[self.progress.at..end];
        self.progress.at = end;
        apply_mask(payload, mask);
        event(is_text, self.inbound.inflate(payload)?)
    }

    /// Copies the payload that ends at `end`, and the complete frames behind it.
    fn share(&mut self, mask: [u8; 4], mut end: usize) {
        let start = self.progress.at;
        apply_mask(&mut self.input[start..end], mask);
        // An error in a header is reported when its frame is decoded.
        let (role, deflate) = (self.inbound.role, self.inbound.deflate);
        while let Ok(Parsed::Header(header)) = Header::parse(&self.input[end..], role, deflate) {
            let Ok(len) = usize::try_from(header.payload_len) else { break };
            let rest = &mut self.input[end + header.len..];
            if header.opcode.is_control() || header.compressed || rest.len() < len {
                break;
            }
            apply_mask(&mut rest[..len], header.mask);
            end += header.len + len;
        }
        let shared = Bytes::copy_from_slice(&self.input[start..end]);
        *self.progress = Progress { at: start, start, end, shared };
    }

    /// Reads the available part of a payload. `None` means that more input is needed; an inner `None` means
    /// the end of the frame, but not of the message.
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
        let Some(message) = inbound.message.take() else { return Ok(Some(None)) };
        inbound.finish(message).map(|event| Some(Some(event)))
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

fn event(is_text: bool, payload: Bytes) -> Result<Event, WsError> {
    if is_text { text(payload).map(Event::Text) } else { Ok(Event::Binary(payload)) }
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
