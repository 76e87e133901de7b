//! Decoding of messages into packets: a text message, then as many binary messages as it announces.

#[cfg(feature = "msgpack")]
mod msgpack;

use bytes::Bytes;

use crate::attachments::Attachments;
use crate::header::{self, Header};
use crate::json::{placeholders, scan};
use crate::limits::Limit;
use crate::{DecodeError, Event, Limits, Namespace, Packet, PacketType, Parser, Payload, RawArgs, RawValue};

/// Assembles the messages of one connection into packets.
///
/// The decoder must receive every message in the order of arrival. [`text`](Self::text) and
/// [`binary`](Self::binary) return `Ok(Some(packet))` for a complete packet, and `Ok(None)` while attachments
/// are missing. On an error the connection must be closed, as the official server does; the decoder itself
/// resets to its initial state.
///
/// ```
/// use socketio_parser::{Binary, Decoder, Payload};
///
/// let mut decoder = Decoder::default();
/// let header = r#"51-/files,7["upload",{"content":{"_placeholder":true,"num":0}}]"#;
/// assert!(decoder.text(header.into())?.is_none());
/// let packet = decoder.binary(vec![1, 2, 3].into())?.expect("the only attachment");
///
/// assert_eq!(packet.namespace, "/files");
/// assert_eq!(packet.ack_id, Some(7));
/// let Payload::Event(event) = packet.payload else { panic!("an event") };
///
/// #[derive(serde::Deserialize)]
/// struct Upload { content: Binary }
/// let upload: Upload = event.args().parse(0)?;
/// assert_eq!(&upload.content[..], [1, 2, 3]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct Decoder {
    parser: Parser,
    limits: Limits,
    pending: Option<Box<Pending>>,
}

/// A packet whose attachments are incomplete.
#[derive(Debug)]
struct Pending {
    packet: Packet,
    /// The text of the packet, for the validation of its placeholders.
    text: Bytes,
    payload: usize,
    announced: usize,
    attachments: Vec<Bytes>,
    bytes: usize,
}

impl Decoder {
    /// A decoder for packets of this parser.
    pub fn new(parser: Parser, limits: Limits) -> Self {
        Self { parser, limits, pending: None }
    }

    /// Decodes a text message.
    pub fn text(&mut self, message: Bytes) -> Result<Option<Packet>, DecodeError> {
        if self.pending.take().is_some() {
            return Err(DecodeError::UnexpectedText);
        }
        if message.len() > self.limits.packet_bytes() {
            return Err(DecodeError::Limit(Limit::PacketBytes));
        }
        match self.parser {
            Parser::Json => self.json(message),
            #[cfg(feature = "msgpack")]
            Parser::Msgpack => Err(DecodeError::Msgpack { at: 0 }),
        }
    }

    /// Decodes a binary message: the next attachment, or with the msgpack parser a whole packet.
    pub fn binary(&mut self, message: Bytes) -> Result<Option<Packet>, DecodeError> {
        #[cfg(feature = "msgpack")]
        if self.parser == Parser::Msgpack {
            return msgpack::decode(message, &self.limits).map(Some);
        }
        let Some(mut pending) = self.pending.take() else {
            return Err(DecodeError::UnexpectedBinary);
        };
        pending.bytes = pending.bytes.saturating_add(message.len());
        if pending.bytes > self.limits.max_attachment_bytes {
            return Err(DecodeError::Limit(Limit::AttachmentBytes));
        }
        pending.attachments.push(message);
        if pending.attachments.len() == pending.announced {
            return pending.complete().map(Some);
        }
        self.pending = Some(pending);
        Ok(None)
    }

    /// Whether a packet waits for attachments. The owner of the connection must limit the duration.
    pub fn is_pending(&self) -> bool {
        self.pending.is_some()
    }

    /// Number of bytes of the packet that waits for attachments, with the attachments so far. 0 if none
    /// waits.
    pub fn buffered(&self) -> usize {
        self.pending.as_ref().map_or(0, |pending| pending.text.len() + pending.bytes)
    }

    /// Discards the packet that waits for attachments, if any.
    pub fn reset(&mut self) {
        self.pending = None;
    }

    #[inline]
    fn json(&mut self, message: Bytes) -> Result<Option<Packet>, DecodeError> {
        let header = header::scan(&message, &self.limits)?;
        let namespace = match &header.namespace {
            None => Namespace::root(),
            Some(range) => Namespace::from_wire(message.slice(range.clone()))?,
        };
        let ack_id = header.ack_id;
        let text = (header.attachments > 0).then(|| message.clone());
        let payload = payload(message, &header, &self.limits)?;
        let packet = Packet { namespace, ack_id, payload };
        let Some(text) = text else { return Ok(Some(packet)) };
        let announced = header.attachments as usize;
        self.pending = Some(Box::new(Pending {
            packet,
            text,
            payload: header.payload,
            announced,
            // Capacity for the announced number, capped at the default limit because the peer chose the
            // number.
            attachments: Vec::with_capacity(announced.min(16)),
            bytes: 0,
        }));
        Ok(None)
    }
}

impl Pending {
    fn complete(mut self: Box<Self>) -> Result<Packet, DecodeError> {
        let json = self.text.get(self.payload..).unwrap_or_default();
        placeholders::check(json, self.announced)?;
        let attachments = Attachments::from(self.attachments);
        match &mut self.packet.payload {
            Payload::Event(event) => event.set_attachments(attachments),
            Payload::Ack(args) => args.set_attachments(attachments),
            // An event without a payload has no place for attachments. They are dropped, as by the official
            // decoder.
            _ => {}
        }
        Ok(self.packet)
    }
}

/// The accepted shapes of a payload are those of the official decoder's `isPayloadValid`.
#[inline(always)]
fn payload(message: Bytes, header: &Header, limits: &Limits) -> Result<Payload, DecodeError> {
    let kind = header.kind;
    let first = message.get(header.payload).copied();
    match kind {
        PacketType::Event | PacketType::BinaryEvent | PacketType::Ack | PacketType::BinaryAck => {
            let is_event = matches!(kind, PacketType::Event | PacketType::BinaryEvent);
            match first {
                Some(b'[') => {}
                None if is_event => return Ok(Payload::EmptyEvent),
                None => return Ok(Payload::Ack(RawArgs::empty())),
                Some(_) => return Err(shape(&message, header, limits)),
            }
            let array = scan::array(&message, header.payload, limits)?;
            let args =
                RawArgs::new(message, array.spans, u8::from(is_event), Attachments::default(), Parser::Json);
            if is_event {
                Event::from_json::<false>(array.first, args).map(Payload::Event)
            } else {
                Ok(Payload::Ack(args))
            }
        }
        PacketType::Connect => match first {
            None => Ok(Payload::Connect(None)),
            Some(b'{') => value(&message, header, limits).map(Some).map(Payload::Connect),
            Some(_) => Err(shape(&message, header, limits)),
        },
        PacketType::ConnectError => match first {
            None => Ok(Payload::ConnectError(None)),
            Some(b'{' | b'"') => value(&message, header, limits).map(Some).map(Payload::ConnectError),
            Some(_) => Err(shape(&message, header, limits)),
        },
        PacketType::Disconnect => match first {
            None => Ok(Payload::Disconnect),
            Some(_) => Err(shape(&message, header, limits)),
        },
    }
}

fn value(message: &Bytes, header: &Header, limits: &Limits) -> Result<RawValue, DecodeError> {
    let span = scan::single(message, header.payload, limits)?;
    Ok(RawValue::new(message, span, Attachments::default(), Parser::Json))
}

/// Whether a payload of the wrong shape is valid JSON, which determines the more helpful error.
#[cold]
fn shape(message: &Bytes, header: &Header, limits: &Limits) -> DecodeError {
    match scan::single(message, header.payload, limits) {
        Ok(_) => DecodeError::Shape(header.kind),
        Err(error) => error,
    }
}
