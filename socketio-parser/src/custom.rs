//! Parsers of an application's own, beside the built-in ones: how a connection encodes its packets.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::attachments::Attachments;
use crate::json;
use crate::limits::Limit;
use crate::{DecodeError, Decoder, EncodeError, Limits, Packet, PacketType, Parser, RawArgs, RawValue};

/// Encoding of the packets of a connection: by a built-in [`Parser`], or by one of the application.
///
/// A built-in parser costs no virtual call.
#[derive(Clone)]
#[non_exhaustive]
pub enum ConnectionParser {
    /// A built-in parser.
    BuiltIn(Parser),
    /// A parser of the application.
    Custom(Arc<dyn CustomParser>),
}

/// A parser of the application, such as for another serialization format. Both sides must use it.
///
/// It sees packets after the application's values were serialized: the arguments of a [`Packet`] are in the encoding
/// of a built-in parser, and [`RawArg::value`](crate::RawArg::value) reads them with their binary data. A custom
/// decoder creates arguments from JSON with [`Event::from_json_array`](crate::Event::from_json_array),
/// [`RawArgs::from_json_array`](crate::RawArgs::from_json_array) and
/// [`RawValue::from_json`](crate::RawValue::from_json).
///
/// A server calls it while it holds locks, so it must neither block nor use the server.
pub trait CustomParser: Send + Sync + 'static {
    /// Encodes a packet, for one connection or for all receivers of a broadcast that use this parser.
    fn encode(&self, packet: &Packet) -> Result<Encoded, EncodeError>;

    /// A decoder for the messages of one connection.
    fn decoder(&self, limits: Limits) -> Box<dyn CustomDecoder>;
}

/// Decodes the messages of one connection.
///
/// The memory that a peer can occupy must be limited, by the [`Limits`] or in another way. After an error the
/// connection is closed.
pub trait CustomDecoder: Send + 'static {
    /// Decodes a text message; `None` while further messages are missing. The message is valid UTF-8.
    fn text(&mut self, message: Bytes) -> Result<Option<Packet>, DecodeError>;

    /// Decodes a binary message; `None` while further messages are missing.
    fn binary(&mut self, message: Bytes) -> Result<Option<Packet>, DecodeError>;

    /// Number of bytes of a packet whose other messages are missing: see [`Decoder::buffered`]. Default 0.
    fn buffered(&self) -> usize {
        0
    }

    /// Whether a packet waits for further messages, for which the owner of the connection limits the time. Default:
    /// whether bytes are buffered.
    fn is_pending(&self) -> bool {
        self.buffered() > 0
    }
}

/// The messages of one packet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Encoded {
    /// A text message, followed by binary messages.
    Text(String, Vec<Bytes>),
    /// One binary message.
    Binary(Bytes),
}

/// Decoder of a connection's messages, by a [`ConnectionParser`].
pub enum ConnectionDecoder {
    /// Of a built-in parser.
    BuiltIn(Decoder),
    /// Of the application.
    Custom(Box<dyn CustomDecoder>),
}

impl ConnectionParser {
    /// A decoder for packets of this parser.
    pub fn decoder(&self, limits: Limits) -> ConnectionDecoder {
        match self {
            Self::BuiltIn(parser) => ConnectionDecoder::BuiltIn(Decoder::new(*parser, limits)),
            Self::Custom(parser) => ConnectionDecoder::Custom(parser.decoder(limits)),
        }
    }
}

impl RawArgs {
    /// Arguments from a JSON array, as in the payload of an ACK packet. The placeholders in the text refer to
    /// `attachments`. The arguments are slices of `text`; nothing is copied.
    ///
    /// The limits are those of a decoder, except for the number and the size of the attachments.
    pub fn from_json_array(
        text: Bytes,
        attachments: Vec<Bytes>,
        limits: &Limits,
    ) -> Result<Self, DecodeError> {
        let array = json::whole_array(&text, &attachments, PacketType::Ack, limits)?;
        Ok(Self::new(text, array.spans, 0, attachments.into(), Parser::Json))
    }
}

impl RawValue {
    /// A value from JSON, such as the payload of a CONNECT packet. The value is a slice of `text`; nothing is copied.
    pub fn from_json(text: &Bytes, limits: &Limits) -> Result<Self, DecodeError> {
        if text.len() > limits.packet_bytes() {
            return Err(DecodeError::Limit(Limit::PacketBytes));
        }
        let span = json::scan::single(text, 0, limits)?;
        Ok(Self::new(text, span, Attachments::default(), Parser::Json))
    }
}

impl From<Parser> for ConnectionParser {
    fn from(parser: Parser) -> Self {
        Self::BuiltIn(parser)
    }
}

impl PartialEq for ConnectionParser {
    /// Custom parsers are equal if they are the same.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::BuiltIn(one), Self::BuiltIn(other)) => one == other,
            (Self::Custom(one), Self::Custom(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl Eq for ConnectionParser {}

impl fmt::Debug for ConnectionParser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn(parser) => parser.fmt(f),
            Self::Custom(_) => f.write_str("Custom"),
        }
    }
}

impl ConnectionDecoder {
    /// Decodes a text message.
    #[inline]
    pub fn text(&mut self, message: Bytes) -> Result<Option<Packet>, DecodeError> {
        match self {
            Self::BuiltIn(decoder) => decoder.text(message),
            Self::Custom(decoder) => decoder.text(message),
        }
    }

    /// Decodes a binary message.
    #[inline]
    pub fn binary(&mut self, message: Bytes) -> Result<Option<Packet>, DecodeError> {
        match self {
            Self::BuiltIn(decoder) => decoder.binary(message),
            Self::Custom(decoder) => decoder.binary(message),
        }
    }

    /// Whether a packet waits for further messages: see [`Decoder::is_pending`].
    #[inline]
    pub fn is_pending(&self) -> bool {
        match self {
            Self::BuiltIn(decoder) => decoder.is_pending(),
            Self::Custom(decoder) => decoder.is_pending(),
        }
    }

    /// Number of bytes of a packet that waits for further messages: see [`Decoder::buffered`].
    pub fn buffered(&self) -> usize {
        match self {
            Self::BuiltIn(decoder) => decoder.buffered(),
            Self::Custom(decoder) => decoder.buffered(),
        }
    }
}

impl fmt::Debug for ConnectionDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn(decoder) => decoder.fmt(f),
            Self::Custom(_) => f.write_str("Custom"),
        }
    }
}
