//! Shared helpers of the tests.

use bytes::Bytes;
use socketio_parser::{DecodeError, Decoder, Event, Packet, Parser, Payload};

/// The packet of one text message.
pub(crate) fn decode(text: &str) -> Packet {
    match Decoder::default().text(text.to_owned().into()) {
        Ok(Some(packet)) => packet,
        other => panic!("{text}: {other:?}"),
    }
}

/// The packet of a text message and its attachments.
pub(crate) fn decode_all(text: &str, attachments: &[&[u8]]) -> Packet {
    try_decode(text, attachments).unwrap()
}

/// The error of [`decode_all`].
pub(crate) fn try_decode(text: &str, attachments: &[&[u8]]) -> Result<Packet, DecodeError> {
    let mut decoder = Decoder::default();
    let mut packet = decoder.text(text.to_owned().into())?;
    for attachment in attachments {
        assert!(packet.is_none(), "{text} is complete too early");
        packet = decoder.binary(Bytes::copy_from_slice(attachment))?;
    }
    Ok(packet.expect("complete"))
}

/// The error of a text message.
pub(crate) fn refused(text: &str) -> DecodeError {
    match Decoder::default().text(text.to_owned().into()) {
        Err(error) => error,
        Ok(packet) => panic!("{text} was taken as {packet:?}"),
    }
}

/// The packet of a text message, whose encoding must equal the text.
pub(crate) fn round_trip(text: &[u8]) -> Packet {
    let packet = decode(std::str::from_utf8(text).unwrap());
    let mut again = Vec::new();
    assert!(Parser::Json.encode_packet(&mut again, &packet).unwrap().is_empty());
    assert_eq!(again, text);
    packet
}

/// The event of a packet.
pub(crate) fn event(packet: Packet) -> Event {
    match packet.payload {
        Payload::Event(event) => event,
        other => panic!("no event but {other:?}"),
    }
}

/// Whether this run can process an input of this size. Miri needs a minute for a millisecond of work, and
/// covers the same paths with small inputs.
pub(crate) fn affordable(items: &usize) -> bool {
    !cfg!(miri) || *items <= 512
}
