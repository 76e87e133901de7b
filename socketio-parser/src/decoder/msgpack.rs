//! Decoding of a msgpack message into a packet, which is one map `{type, nsp, data, id}`.

use bytes::Bytes;

use crate::attachments::Attachments;
use crate::header::MAX_ACK_ID;
use crate::json::spans::{Span, Spans};
use crate::json::text::js_number;
use crate::limits::Limit;
use crate::msgpack::scan::{malformed, skip};
use crate::msgpack::token::{Token, token};
use crate::{DecodeError, Event, Limits, Namespace, Packet, PacketType, Parser, Payload, RawArgs, RawValue};

/// The members of the packet's map found so far. Of several equal keys the last one counts.
#[derive(Default)]
struct Fields {
    kind: Option<Span>,
    namespace: Option<Span>,
    data: Option<Span>,
    /// Positions of the elements, if the data is an array.
    elements: Option<Spans>,
    id: Option<Span>,
}

pub(crate) fn decode(message: Bytes, limits: &Limits) -> Result<Packet, DecodeError> {
    if message.len() > limits.packet_bytes() {
        return Err(DecodeError::Limit(Limit::PacketBytes));
    }
    let fields = fields(&message, limits)?;
    let kind = kind(&message, fields.kind).ok_or(DecodeError::MsgpackType)?;
    let namespace = namespace(&message, fields.namespace, limits)?;
    let ack_id = ack_id(&message, fields.id)?;
    let data = fields.data.filter(|span| !matches!(at(&message, *span), Some(Token::Undefined)));
    let payload = payload(message, kind, data, fields.elements)?;
    Ok(Packet { namespace, ack_id, payload })
}

impl Event {
    /// An event from a msgpack array: its name and then its arguments, as in the `data` of an EVENT packet. The
    /// event is a slice of `bytes`; nothing is copied. The name may be a reserved one, since events between
    /// servers may have it.
    ///
    /// ```
    /// use socketio_parser::{Event, Limits};
    ///
    /// let event = Event::from_msgpack_array(b"\x92\xa4news\x07".as_slice().into(), &Limits::default())?;
    /// assert_eq!((event.name(), event.args().parse::<u8>(0).unwrap()), ("news", 7));
    /// # Ok::<(), socketio_parser::DecodeError>(())
    /// ```
    pub fn from_msgpack_array(bytes: Bytes, limits: &Limits) -> Result<Self, DecodeError> {
        if bytes.len() > limits.packet_bytes() {
            return Err(DecodeError::Limit(Limit::PacketBytes));
        }
        let Some((Token::Array(length), first)) = token(&bytes, 0) else {
            return Err(DecodeError::Shape(PacketType::Event));
        };
        let (spans, end) = array(&bytes, length, first, limits)?;
        if end != bytes.len() {
            return Err(malformed(end));
        }
        let name = name(&bytes, spans.get(0))?;
        let args = RawArgs::new(bytes, spans, 1, Attachments::default(), Parser::Msgpack);
        Ok(Self::from_msgpack(name, args))
    }
}

fn fields(message: &[u8], limits: &Limits) -> Result<Fields, DecodeError> {
    let mut fields = Fields::default();
    let Some((Token::Map(entries), mut next)) = token(message, 0) else { return Err(malformed(0)) };
    for _ in 0..entries {
        let Some((key, start)) = token(message, next) else { return Err(malformed(next)) };
        let Token::Str(key) = key else { return Err(malformed(next)) };
        // The argument list is the first level, as in JSON; the surrounding map does not count.
        let mut elements = None;
        next = match token(message, start) {
            Some((Token::Array(length), first)) if key == b"data" => {
                let (spans, end) = array(message, length, first, limits)?;
                elements = Some(spans);
                end
            }
            _ => skip(message, start, 0, limits.depth())?,
        };
        let span = Some(Span { start: start as u32, end: next as u32 });
        match key {
            b"type" => fields.kind = span,
            b"nsp" => fields.namespace = span,
            b"data" => (fields.data, fields.elements) = (span, elements),
            b"id" => fields.id = span,
            _ => {}
        }
    }
    if next == message.len() { Ok(fields) } else { Err(malformed(next)) }
}

fn at(message: &[u8], span: Span) -> Option<Token<'_>> {
    token(message, span.start as usize).map(|(token, _)| token)
}

/// A non-negative integer in any encoding.
fn whole(token: Token<'_>) -> Option<u64> {
    match token {
        Token::Unsigned(number) => Some(number),
        Token::Float(number) if number.fract() == 0.0 && (0.0..=MAX_ACK_ID as f64).contains(&number) => {
            Some(number as u64)
        }
        _ => None,
    }
}

fn kind(message: &[u8], span: Option<Span>) -> Option<PacketType> {
    // The types 5 and 6 do not exist in msgpack, because binary data is in place.
    match whole(at(message, span?)?)? {
        0 => Some(PacketType::Connect),
        1 => Some(PacketType::Disconnect),
        2 => Some(PacketType::Event),
        3 => Some(PacketType::Ack),
        4 => Some(PacketType::ConnectError),
        _ => None,
    }
}

fn namespace(message: &Bytes, span: Option<Span>, limits: &Limits) -> Result<Namespace, DecodeError> {
    match span.and_then(|span| at(message, span)) {
        Some(Token::Str(b"/")) => Ok(Namespace::root()),
        Some(Token::Str(name)) if name.len() > limits.max_namespace_bytes => {
            Err(DecodeError::Limit(Limit::NamespaceBytes))
        }
        Some(Token::Str(name)) => Namespace::from_wire(message.slice_ref(name)),
        _ => Err(DecodeError::MsgpackNamespace),
    }
}

fn ack_id(message: &[u8], span: Option<Span>) -> Result<Option<u64>, DecodeError> {
    match span.and_then(|span| at(message, span)) {
        None | Some(Token::Undefined) => Ok(None),
        Some(token) => match whole(token) {
            Some(id) if id <= MAX_ACK_ID => Ok(Some(id)),
            Some(_) => Err(DecodeError::Limit(Limit::AckId)),
            None => Err(DecodeError::MsgpackId),
        },
    }
}

fn payload(
    message: Bytes,
    kind: PacketType,
    data: Option<Span>,
    elements: Option<Spans>,
) -> Result<Payload, DecodeError> {
    let found = data.and_then(|span| at(&message, span));
    let value = |span: Option<Span>| {
        span.map(|span| RawValue::new(&message, span, Attachments::default(), Parser::Msgpack))
    };
    match (kind, found) {
        (PacketType::Connect, None | Some(Token::Map(_))) => Ok(Payload::Connect(value(data))),
        (PacketType::Disconnect, None) => Ok(Payload::Disconnect),
        (PacketType::ConnectError, Some(Token::Str(_) | Token::Map(_))) => {
            Ok(Payload::ConnectError(value(data)))
        }
        (PacketType::Event | PacketType::Ack, Some(Token::Array(_))) => {
            let spans = elements.unwrap_or_default();
            let name = match kind {
                PacketType::Event => Some(name(&message, spans.get(0))?),
                _ => None,
            };
            let skip = u8::from(name.is_some());
            let args = RawArgs::new(message, spans, skip, Attachments::default(), Parser::Msgpack);
            match name {
                Some(name) => {
                    let event = Event::from_msgpack(name, args);
                    if event.reserved_name().is_some() {
                        Err(DecodeError::ReservedEvent)
                    } else {
                        Ok(Payload::Event(event))
                    }
                }
                None => Ok(Payload::Ack(args)),
            }
        }
        _ => Err(DecodeError::Shape(kind)),
    }
}

/// Positions of the elements of the argument list, and its end.
fn array(message: &[u8], length: u64, first: usize, limits: &Limits) -> Result<(Spans, usize), DecodeError> {
    if length > u64::from(limits.max_arguments) {
        return Err(DecodeError::Limit(Limit::Arguments));
    }
    if limits.depth() == 0 {
        return Err(DecodeError::Limit(Limit::Depth));
    }
    let mut spans = Spans::default();
    let mut next = first;
    for _ in 0..length {
        let end = skip(message, next, 1, limits.depth())?;
        spans.push(Span { start: next as u32, end: end as u32 });
        next = end;
    }
    Ok((spans, next))
}

/// The name of an event, with the same rules as in JSON; the official msgpack parser accepts any value.
fn name(message: &[u8], span: Option<Span>) -> Result<Box<str>, DecodeError> {
    match span.and_then(|span| at(message, span)) {
        Some(Token::Str(name)) => std::str::from_utf8(name).map(Box::from).map_err(|_| DecodeError::Unicode),
        // A number as a name is printed as JavaScript prints it, as a double.
        Some(Token::Unsigned(number)) => Ok(js_number(number as f64).into()),
        Some(Token::Signed(number)) => Ok(js_number(number as f64).into()),
        Some(Token::Float(number)) => Ok(js_number(number).into()),
        _ => Err(DecodeError::EventName),
    }
}
