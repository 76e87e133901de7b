//! Compressed messages, whole and in parts.

use bytes::Bytes;

use super::super::{Event, Inbound, Progress, WsError};
use crate::deflate::{Agreed, Compressor, Plan, deflate};
use crate::protocol::frame::{CloseCode, Opcode, Role, header_len, push_masked, write_header};

fn agreed(with_context: bool) -> Option<Agreed> {
    let plan = Plan::new(15, 6, 8, 0).unwrap();
    Some(Agreed { plan, writes_with_context: with_context, reads_with_context: with_context })
}

fn inbound(max: usize) -> Inbound {
    Inbound::with_role(Role::Client, max).deflate(agreed(false))
}

/// An unmasked frame with this first byte.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; header_len(payload.len())];
    write_header(&mut frame, Opcode::Text, payload.len());
    frame[0] = first;
    frame.extend_from_slice(payload);
    frame
}

fn compressed(message: &[u8]) -> Vec<u8> {
    deflate(agreed(false).unwrap().plan, message).unwrap()
}

/// The events of bytes that arrive in pieces of this length.
fn events(mut inbound: Inbound, bytes: &[u8], piece: usize) -> Vec<Result<Event, WsError>> {
    let mut bytes = bytes.to_vec();
    let pieces = bytes.chunks_mut(piece);
    pieces.flat_map(|piece| inbound.decode(piece, &mut Progress::default()).collect::<Vec<_>>()).collect()
}

#[test]
fn compressed_messages_are_read_between_others() {
    let long = "long text, ".repeat(1000);
    let stream = [
        frame(0x81, b"a"),
        frame(0xc1, &compressed(b"text")),
        frame(0x82, b"b"),
        frame(0xc2, &compressed(long.as_bytes())),
        frame(0xc1, &compressed(b"")),
        frame(0x81, b"c"),
    ]
    .concat();
    let expected = [
        Event::Text("a".into()),
        Event::Text("text".into()),
        Event::Binary(Bytes::from_static(b"b")),
        Event::Binary(Bytes::from(long.into_bytes())),
        Event::Text("".into()),
        Event::Text("c".into()),
    ];
    for piece in [1, 2, 3, 7, 100, 100_000] {
        let events: Vec<Event> =
            events(inbound(20_000), &stream, piece).into_iter().map(Result::unwrap).collect();
        assert_eq!(events, expected, "in pieces of {piece}");
    }
}

#[test]
fn masked_messages_are_read_too() {
    let message = compressed(b"text");
    let mut stream = Vec::new();
    let mut header = [0; 2];
    write_header(&mut header, Opcode::Text, message.len());
    header[0] |= 0x40;
    for _ in 0..2 {
        push_masked(&mut stream, &header, &message, [1, 2, 3, 4]);
    }
    for piece in [1, 5, 1000] {
        let inbound = Inbound::new(100).deflate(agreed(false));
        assert_eq!(
            events(inbound, &stream, piece),
            [Ok(Event::Text("text".into())), Ok(Event::Text("text".into()))]
        );
    }
}

#[test]
fn fragments_are_compressed_together() {
    let message = compressed("long text, ".repeat(100).as_bytes());
    let (first, second) = message.split_at(5);
    let stream = [frame(0x41, first), frame(0x89, b""), frame(0x00, b""), frame(0x80, second)].concat();
    for piece in [1, 4, 1000] {
        let events = events(inbound(2000), &stream, piece);
        assert_eq!(events[0], Ok(Event::Ping(Bytes::new())));
        assert!(matches!(&events[1..], [Ok(Event::Text(text))] if text.len() == 1100), "{events:?}");
    }
}

#[test]
fn context_belongs_to_the_connection() {
    let mut compressor = Compressor::new(agreed(true).unwrap().plan);
    let mut send = || frame(0xc1, &compressor.message(b"the same text").unwrap());
    let stream = [send(), send(), send()].concat();
    for piece in [1, 1000] {
        let with_context = inbound(100).deflate(agreed(true));
        assert!(with_context.contexts.is_none(), "an idle connection has none");
        let read = events(with_context, &stream, piece);
        assert_eq!(read, vec![Ok(Event::Text("the same text".into())); 3]);
        // Without context the second message refers to bytes that do not exist.
        assert_eq!(events(inbound(100), &stream, piece)[1], Err(WsError::InvalidDeflate));
    }
}

#[test]
fn the_bit_is_refused_where_it_does_not_belong() {
    let message = compressed(b"text");
    let refused = |inbound: Inbound, stream: &[u8]| events(inbound, stream, 1000).pop().unwrap().unwrap_err();
    let plain = Inbound::with_role(Role::Client, 100);
    assert_eq!(refused(plain, &frame(0xc1, &message)), WsError::ReservedBits);
    // Control frames, continuations, and the other reserved bits.
    for first in [0xc8, 0xc9, 0xca, 0xa1, 0x91, 0xe1, 0xd1] {
        assert_eq!(refused(inbound(100), &frame(first, b"")), WsError::ReservedBits, "{first:#x}");
    }
    let stream = [frame(0x41, &message[..1]), frame(0xc0, &message[1..])].concat();
    assert_eq!(refused(inbound(100), &stream), WsError::ReservedBits);
    assert_eq!(WsError::ReservedBits.close_code(), CloseCode::PROTOCOL_ERROR);
    assert_eq!(WsError::InvalidDeflate.close_code(), CloseCode::INVALID_DATA);
}

#[test]
fn limits_hold_for_both_lengths() {
    let bomb = compressed(&vec![b'x'; 10 << 20]);
    assert!(bomb.len() < 20_000);
    for piece in [1000, 100_000] {
        let mut inbound = inbound(1_000_000);
        let mut ended = 0;
        for piece in frame(0xc2, &bomb).chunks_mut(piece) {
            let events: Vec<_> = inbound.decode(piece, &mut Progress::default()).collect();
            ended += events.len();
            assert!(events.is_empty() || events == [Err(WsError::MessageTooBig)]);
            assert!(inbound.buffered() < 50_000);
        }
        assert_eq!((ended, inbound.buffered()), (1, 0), "nothing is held after the end");
    }
    let at_limit = |max| events(inbound(max), &frame(0xc2, &compressed(&[7; 1000])), 100_000).pop().unwrap();
    assert!(at_limit(1000).is_ok());
    assert_eq!(at_limit(999), Err(WsError::MessageTooBig));
    // The compressed bytes alone may exceed the limit.
    assert_eq!(events(inbound(100), &frame(0xc2, &[0; 101]), 1000), [Err(WsError::MessageTooBig)]);
    assert_eq!(WsError::MessageTooBig.close_code(), CloseCode::MESSAGE_TOO_BIG);
}

#[test]
fn broken_data_and_text_are_refused() {
    let message = compressed(b"a longer text, a longer text");
    for (first, payload, error) in [
        (0xc2, &[0xff; 10][..], WsError::InvalidDeflate),
        (0xc2, &message[..message.len() - 2], WsError::InvalidDeflate),
        (0xc1, &compressed(b"\xff\xff\xff")[..], WsError::InvalidUtf8),
    ] {
        for piece in [1, 1000] {
            assert_eq!(events(inbound(100), &frame(first, payload), piece), [Err(error)]);
        }
    }
}
