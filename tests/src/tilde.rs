//! A parser of an application.

use bytes::Bytes;
use socketio_parser::{
    CustomDecoder, CustomParser, DecodeError, Decoder, EncodeError, Encoded, Limits, Packet, Parser, Payload,
};

/// JSON packets behind a tilde. It refuses to encode the event "not for all".
pub struct Tilde;

struct TildeDecoder(Decoder);

impl CustomParser for Tilde {
    fn encode(&self, packet: &Packet) -> Result<Encoded, EncodeError> {
        if matches!(&packet.payload, Payload::Event(event) if event.name() == "not for all") {
            return Err(EncodeError::Custom("no tilde for this one".into()));
        }
        let mut text = b"~".to_vec();
        let attachments = Parser::Json.encode_packet(&mut text, packet)?;
        let text = String::from_utf8(text).map_err(|error| EncodeError::Custom(error.to_string().into()))?;
        Ok(Encoded::Text(text, attachments))
    }

    fn decoder(&self, limits: Limits) -> Box<dyn CustomDecoder> {
        Box::new(TildeDecoder(Decoder::new(Parser::Json, limits)))
    }
}

impl CustomDecoder for TildeDecoder {
    fn text(&mut self, message: Bytes) -> Result<Option<Packet>, DecodeError> {
        match message.first() {
            Some(b'~') => self.0.text(message.slice(1..)),
            _ => Err(DecodeError::Custom(1)),
        }
    }

    fn binary(&mut self, message: Bytes) -> Result<Option<Packet>, DecodeError> {
        self.0.binary(message)
    }

    fn buffered(&self) -> usize {
        self.0.buffered()
    }
}
