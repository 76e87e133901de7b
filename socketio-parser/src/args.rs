//! Arguments of an event or an acknowledgement, which stay undecoded until the application requests a type.

use std::fmt;

use bytes::{Bytes, BytesMut};
use serde::de::{Deserialize, IntoDeserializer};

use crate::arg_list::ArgList;
use crate::attachments::{self, Attachments, Source};
use crate::json::spans::{Span, Spans};
use crate::value::Value;
use crate::{ArgError, Parser};

/// The arguments of a received packet: slices of it, validated but not deserialized.
///
/// Forwarding arguments copies their bytes unchanged, so integers beyond 2^53, the order of keys and every
/// other detail survive. All arguments, or single ones, can be passed wherever arguments are sent; their
/// attachments are sent with them. A clone shares the packet.
///
/// ```
/// use socketio_parser::{Decoder, Parser, Payload};
///
/// let packet = Decoder::default().text(r#"2["say",{"id": 12345678901234567890},1.0]"#.into())?.unwrap();
/// let Payload::Event(event) = packet.payload else { panic!("an event") };
/// let args = event.args();
///
/// let mut text = Vec::new();
/// Parser::Json.encode_event(&mut text, "/room", None, "said", args)?;
/// assert_eq!(text, br#"2/room,["said",{"id": 12345678901234567890},1.0]"#);
///
/// text.clear();
/// Parser::Json.encode_event(&mut text, "/room", None, "said", &args.get(0).expect("an argument"))?;
/// assert_eq!(text, br#"2/room,["said",{"id": 12345678901234567890}]"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct RawArgs {
    /// The whole packet.
    packet: Bytes,
    /// Positions of the elements of the argument list, including the event name.
    spans: Spans,
    /// Number of elements before the first argument: 1 with an event name, otherwise 0.
    skip: u8,
    attachments: Attachments,
    parser: Parser,
}

impl RawArgs {
    pub(crate) fn new(
        packet: Bytes,
        spans: Spans,
        skip: u8,
        attachments: Attachments,
        parser: Parser,
    ) -> Self {
        Self { packet, spans, skip, attachments, parser }
    }

    /// An empty argument list.
    pub fn empty() -> Self {
        Self::new(Bytes::new(), Spans::default(), 0, Attachments::default(), Parser::Json)
    }

    /// Number of arguments, without the event name.
    pub fn len(&self) -> usize {
        self.spans.len().saturating_sub(usize::from(self.skip))
    }

    /// Whether there are no arguments.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The argument with this index, undecoded.
    pub fn get(&self, index: usize) -> Option<RawArg<'_>> {
        self.spans.get(index + usize::from(self.skip)).map(|span| RawArg { args: self, span, index })
    }

    /// All arguments, undecoded.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = RawArg<'_>> {
        let skip = usize::from(self.skip);
        (0..self.len()).map(move |index| RawArg {
            args: self,
            span: self.spans.get(index + skip).unwrap_or_default(),
            index,
        })
    }

    /// Deserializes one argument. A missing argument is read as `null`, like `undefined` in JavaScript; if
    /// the type does not accept `null`, the error is [`ArgError::Missing`].
    ///
    /// ```
    /// # use socketio_parser::{Decoder, Payload};
    /// # let packet = Decoder::default().text(r#"2["move",{"x":1,"y":2}]"#.into())?.unwrap();
    /// # let Payload::Event(event) = packet.payload else { panic!() };
    /// #[derive(serde::Deserialize)]
    /// struct Point { x: i32, y: i32 }
    ///
    /// let point: Point = event.args().parse(0)?;
    /// let speed: Option<f64> = event.args().parse(1)?;
    /// assert_eq!((point.x, point.y, speed), (1, 2, None));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn parse<'a, T: Deserialize<'a>>(&'a self, index: usize) -> Result<T, ArgError> {
        match self.get(index) {
            Some(arg) => arg.parse(),
            None => {
                let nothing: serde::de::value::UnitDeserializer<serde::de::value::Error> =
                    ().into_deserializer();
                T::deserialize(nothing).map_err(|_| ArgError::Missing { index })
            }
        }
    }

    /// Deserializes all arguments at once, into a tuple or a `Vec` for instance.
    ///
    /// ```
    /// # use socketio_parser::{Decoder, Payload};
    /// # let packet = Decoder::default().text(r#"2["move",1,"left"]"#.into())?.unwrap();
    /// # let Payload::Event(event) = packet.payload else { panic!() };
    /// let (steps, direction): (u32, String) = event.args().parse_all()?;
    /// # assert_eq!((steps, direction.as_str()), (1, "left"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// Missing arguments of a tuple are read as `null`.
    pub fn parse_all<'a, T: Deserialize<'a>>(&'a self) -> Result<T, ArgError> {
        self.read(|args| match args.parser {
            Parser::Json => {
                let mut list: ArgList<'a, serde_json::Error> = self.list();
                T::deserialize(&mut list).map_err(|source| ArgError::Json { index: list.current(), source })
            }
            #[cfg(feature = "msgpack")]
            Parser::Msgpack => {
                let mut list: ArgList<'a, crate::ValueError> = self.list();
                T::deserialize(&mut list)
                    .map_err(|source| ArgError::Msgpack { index: list.current(), source })
            }
        })
    }

    /// The attachments that the placeholders in the text refer to. A msgpack packet holds its binary data in
    /// place and has no attachments.
    pub fn attachments(&self) -> &Attachments {
        &self.attachments
    }

    /// Encoding of these arguments.
    pub fn parser(&self) -> Parser {
        self.parser
    }

    /// All arguments as received: for JSON the text between the brackets, without the event name.
    pub fn as_bytes(&self) -> &[u8] {
        let first = self.spans.get(usize::from(self.skip));
        let last = self.spans.get(self.spans.len().wrapping_sub(1));
        match (first, last) {
            (Some(first), Some(last)) => Span { start: first.start, end: last.end }.of(&self.packet),
            _ => &[],
        }
    }

    /// The bytes of the event name; for a string without its quotes.
    #[inline]
    pub(crate) fn name_bytes(&self) -> &[u8] {
        let name = self.spans.get(0).unwrap_or_default().of(&self.packet);
        match name {
            [b'"', inside @ .., b'"'] => inside,
            number => number,
        }
    }

    fn list<E>(&self) -> ArgList<'_, E> {
        ArgList::new(&self.packet, &self.spans, usize::from(self.skip))
    }

    /// The same list with the event name as its first argument.
    pub(crate) fn with_name(&self) -> Self {
        if self.spans.are_adjacent(&self.packet) {
            return Self { skip: 0, ..self.clone() };
        }
        let (packet, spans) = self.spans.joined(&self.packet);
        Self { packet: packet.into(), spans, skip: 0, ..self.clone() }
    }

    pub(crate) fn set_attachments(&mut self, attachments: Attachments) {
        self.attachments = attachments;
    }

    /// Runs `parse` with the attachments of this packet in scope.
    #[inline]
    fn read<R>(&self, parse: impl FnOnce(&Self) -> R) -> R {
        attachments::reading(source(self.parser, &self.packet, &self.attachments), || parse(self))
    }
}

impl Default for RawArgs {
    fn default() -> Self {
        Self::empty()
    }
}

impl fmt::Debug for RawArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// One argument, undecoded.
#[derive(Clone, Copy)]
pub struct RawArg<'a> {
    args: &'a RawArgs,
    span: Span,
    index: usize,
}

impl<'a> RawArg<'a> {
    /// The bytes as received.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.span.of(&self.args.packet)
    }

    /// The JSON text as received; `None` for a msgpack packet.
    pub fn as_json(&self) -> Option<&'a str> {
        as_json(self.args.parser, self.as_bytes())
    }

    /// Encoding of this argument.
    pub fn parser(&self) -> Parser {
        self.args.parser
    }

    /// The attachments of the packet, which the placeholders in the text refer to.
    pub fn attachments(&self) -> &'a Attachments {
        &self.args.attachments
    }

    /// Deserializes the argument.
    #[inline]
    pub fn parse<T: Deserialize<'a>>(&self) -> Result<T, ArgError> {
        let (bytes, index) = (self.as_bytes(), self.index);
        self.args.read(|args| parse(args.parser, bytes, index))
    }

    /// Reads the argument as a value of any shape.
    pub fn value(&self) -> Result<Value, ArgError> {
        self.to_owned().value_at(self.index)
    }

    /// The argument as an owned value, which shares the packet.
    pub fn to_owned(&self) -> RawValue {
        RawValue::new(&self.args.packet, self.span, self.args.attachments.clone(), self.args.parser)
    }
}

impl fmt::Debug for RawArg<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug(self.args.parser, self.as_bytes(), f)
    }
}

/// A single value of a packet, undecoded: the payload of a CONNECT packet, or an argument that is kept.
#[derive(Clone)]
pub struct RawValue {
    bytes: Bytes,
    attachments: Attachments,
    parser: Parser,
}

impl RawValue {
    pub(crate) fn new(packet: &Bytes, span: Span, attachments: Attachments, parser: Parser) -> Self {
        // All spans of a packet lie inside it.
        let inside = span.start <= span.end && span.end as usize <= packet.len();
        let bytes = if inside { packet.slice(span.start as usize..span.end as usize) } else { Bytes::new() };
        Self { bytes, attachments, parser }
    }

    /// The bytes as received.
    pub fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The JSON text as received; `None` for a msgpack packet.
    pub fn as_json(&self) -> Option<&str> {
        as_json(self.parser, &self.bytes)
    }

    /// Encoding of this value.
    pub fn parser(&self) -> Parser {
        self.parser
    }

    /// The attachments that the placeholders in the text refer to.
    pub fn attachments(&self) -> &Attachments {
        &self.attachments
    }

    /// A copy of the value in a buffer of its own. A value shares the receive buffer with its packet and with
    /// neighbouring packets; a value that is kept for long should not keep that buffer alive.
    pub fn detach(self) -> Self {
        Self { bytes: Bytes::copy_from_slice(&self.bytes), ..self }
    }

    /// As [`detach`](Self::detach), with the copy in a buffer that it shares with those before and after it: for many
    /// small values that are kept for about as long. `buffer` stays empty, and loses the capacity that is used.
    pub fn detach_into(self, buffer: &mut BytesMut) -> Self {
        buffer.extend_from_slice(&self.bytes);
        Self { bytes: buffer.split().freeze(), ..self }
    }

    /// Deserializes the value.
    pub fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, ArgError> {
        attachments::reading(source(self.parser, &self.bytes, &self.attachments), || {
            parse(self.parser, &self.bytes, 0)
        })
    }

    /// Reads the value as a value of any shape.
    pub fn value(&self) -> Result<Value, ArgError> {
        self.value_at(0)
    }

    /// As [`value`](Self::value), for JSON, where it cannot fail.
    pub(crate) fn json_value(&self) -> Value {
        Value::from_json(self.bytes.clone(), self.attachments.clone())
    }

    fn value_at(&self, index: usize) -> Result<Value, ArgError> {
        match self.parser {
            Parser::Json => {
                let _ = index;
                Ok(self.json_value())
            }
            #[cfg(feature = "msgpack")]
            Parser::Msgpack => {
                let (json, attachments) = crate::msgpack::json::to_json(&self.bytes)
                    .map_err(|source| ArgError::Msgpack { index, source })?;
                Ok(Value::from_json(json.into(), attachments.into()))
            }
        }
    }
}

impl fmt::Debug for RawValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug(self.parser, &self.bytes, f)
    }
}

#[inline]
fn source(parser: Parser, packet: &Bytes, attachments: &Attachments) -> Source {
    match parser {
        Parser::Json => {
            let _ = packet;
            Source::Attachments(attachments.clone())
        }
        #[cfg(feature = "msgpack")]
        Parser::Msgpack => Source::Packet(packet.clone()),
    }
}

#[inline]
fn parse<'a, T: Deserialize<'a>>(parser: Parser, bytes: &'a [u8], index: usize) -> Result<T, ArgError> {
    match parser {
        Parser::Json => parse_json(bytes).map_err(|source| ArgError::Json { index, source }),
        #[cfg(feature = "msgpack")]
        Parser::Msgpack => {
            crate::msgpack::de::from_slice(bytes).map_err(|source| ArgError::Msgpack { index, source })
        }
    }
}

/// One UTF-8 check of the whole text is cheaper than one per string, as in `from_slice`.
#[inline]
fn parse_json<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> serde_json::Result<T> {
    match std::str::from_utf8(bytes) {
        Ok(text) => serde_json::from_str(text),
        // The decoder has validated the text; this branch keeps serde_json's own error.
        Err(_) => serde_json::from_slice(bytes),
    }
}

fn as_json(parser: Parser, bytes: &[u8]) -> Option<&str> {
    match parser {
        Parser::Json => std::str::from_utf8(bytes).ok(),
        #[cfg(feature = "msgpack")]
        Parser::Msgpack => None,
    }
}

fn debug(parser: Parser, bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match as_json(parser, bytes) {
        Some(json) => f.write_str(json),
        None => write!(f, "msgpack({})", bytes.escape_ascii()),
    }
}
