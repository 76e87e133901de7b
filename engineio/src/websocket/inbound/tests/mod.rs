//! The WebSocket decoder against the cases of RFC 6455, against itself with other cuts, and against
//! tungstenite.

#[cfg(feature = "compression")]
mod deflate;
mod tungstenite;

use std::io::{self, Cursor, Read, Write};

use bytes::Bytes;
use proptest::prelude::*;
use tokio_tungstenite::tungstenite::error::Error as TungsteniteError;
use tokio_tungstenite::tungstenite::protocol::{Message, Role, WebSocketConfig, WebSocketContext};

use super::{DEFAULT_MAX_FRAGMENTS, Event, Inbound, Progress, WsError};
use crate::protocol::frame::{CloseCode, Opcode, header_len, write_header};
use crate::protocol::text::Text;

const MAX: usize = 2000;
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame as a client sends it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        len @ 0..=125 => out.push(0x80 | len as u8),
        len @ 126..=0xffff => {
            out.push(0x80 | 126);
            out.extend((len as u16).to_be_bytes());
        }
        len => {
            out.push(0x80 | 127);
            out.extend((len as u64).to_be_bytes());
        }
    }
    out.extend(MASK);
    out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    out
}

fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(0x88, &[&code.to_be_bytes(), reason].concat())
}

fn text(text: &'static str) -> Event {
    Event::Text(text.into())
}

fn binary(bytes: &'static [u8]) -> Event {
    Event::Binary(Bytes::from_static(bytes))
}

type Outcome = Vec<Result<Event, WsError>>;

/// Decodes a stream in pieces, cut at `cuts`.
fn decode_in(inbound: &mut Inbound, stream: &[u8], cuts: impl IntoIterator<Item = usize>) -> Outcome {
    let mut outcome = Vec::new();
    let mut rest = stream;
    for len in cuts.into_iter().chain([usize::MAX]) {
        let (piece, tail) = rest.split_at(len.min(rest.len()));
        let mut piece = piece.to_vec();
        let mut progress = Progress::default();
        outcome.extend(inbound.decode(&mut piece, &mut progress));
        assert_eq!(progress.consumed(), rest.len() - tail.len());
        rest = tail;
    }
    outcome
}

/// Checks a stream whole and byte by byte.
#[track_caller]
fn check(frames: &[Vec<u8>], expected: &[Result<Event, WsError>]) {
    let stream = frames.concat();
    assert_eq!(decode_in(&mut Inbound::new(MAX), &stream, []), expected, "whole");
    let bytewise = std::iter::repeat_n(1, stream.len());
    assert_eq!(decode_in(&mut Inbound::new(MAX), &stream, bytewise), expected, "byte by byte");
}

#[test]
fn the_examples_of_the_rfc() {
    // Section 5.7.
    check(&[b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58".to_vec()], &[Ok(text("Hello"))]);
    check(&[b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58".to_vec()], &[Ok(Event::Pong)]);
    check(&[frame(0x01, b"Hel"), frame(0x80, b"lo")], &[Ok(text("Hello"))]);
    check(&[frame(0x89, b"Hello")], &[Ok(Event::Ping(Bytes::from_static(b"Hello")))]);
}

/// A client reads the same frames without masks.
#[test]
fn a_client_takes_plain_frames_only() {
    let decode = |stream: &[u8], cuts: &[usize]| {
        decode_in(
            &mut Inbound::with_role(crate::protocol::frame::Role::Client, 70_000),
            stream,
            cuts.iter().copied(),
        )
    };
    for len in [0, 1, 125, 126, 65_535, 65_536] {
        let payload: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
        let mut stream = vec![0; header_len(len)];
        write_header(&mut stream, Opcode::Binary, len);
        stream.extend(&payload);
        stream.extend(b"\x81\x04next\x89\x01p\x88\x02\x03\xe8");
        let expected = [
            Ok(Event::Binary(payload.into())),
            Ok(text("next")),
            Ok(Event::Ping(Bytes::from_static(b"p"))),
            Ok(Event::Close { code: Some(CloseCode::NORMAL), reason: Text::new() }),
        ];
        for cuts in [&[][..], &[1], &[2, 1, 1, 3], &[len + 3, 2], &[len + 9, 3]] {
            assert_eq!(decode(&stream, cuts), expected, "{len} cut at {cuts:?}");
        }
    }
    assert_eq!(decode(&frame(0x81, b"x"), &[]), [Err(WsError::Masked)]);
}

#[test]
fn every_form_of_length() {
    for len in [0, 1, 15, 16, 17, 125, 126, 127, 1024, 65_535, 65_536, 70_001] {
        let payload: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
        let stream = [frame(0x82, &payload), frame(0x81, b"next")].concat();
        let expected = [Ok(Event::Binary(payload.into())), Ok(text("next"))];
        for cut in [0, 1, 2, 3, 5, 7, 9, 13, 14, 15, 100, len + 5, len + 9] {
            assert_eq!(
                decode_in(&mut Inbound::new(len.max(4)), &stream, [cut]),
                expected,
                "{len} cut at {cut}"
            );
        }
    }
}

#[test]
fn lengths_in_more_bytes_than_needed_are_accepted() {
    check(&[b"\x82\xfe\x00\x01\0\0\0\0x".to_vec()], &[Ok(binary(b"x"))]);
    check(&[b"\x82\xff\0\0\0\0\0\0\0\x01\0\0\0\0x".to_vec()], &[Ok(binary(b"x"))]);
}

#[test]
fn control_frames_come_between_fragments() {
    check(
        &[
            frame(0x02, b"a"),
            frame(0x89, b"p"),
            frame(0x00, b""),
            frame(0x8a, b""),
            frame(0x80, b"b"),
            frame(0x81, b"c"),
        ],
        &[Ok(Event::Ping(Bytes::from_static(b"p"))), Ok(Event::Pong), Ok(binary(b"ab")), Ok(text("c"))],
    );
    check(
        &[frame(0x01, b"a"), close(1000, b"")],
        &[Ok(Event::Close { code: Some(CloseCode::NORMAL), reason: Text::new() })],
    );
}

#[test]
fn empty_messages_are_messages() {
    check(&[frame(0x81, b""), frame(0x82, b"")], &[Ok(text("")), Ok(binary(b""))]);
    check(&[frame(0x01, b""), frame(0x00, b""), frame(0x80, b"")], &[Ok(text(""))]);
    check(&[frame(0x89, b"")], &[Ok(Event::Ping(Bytes::new()))]);
}

#[test]
fn broken_frames_are_errors() {
    for (first, error) in [
        (0xc1, WsError::ReservedBits),
        (0xa1, WsError::ReservedBits),
        (0x91, WsError::ReservedBits),
        (0xc9, WsError::ReservedBits),
        (0x83, WsError::ReservedOpcode(3)),
        (0x87, WsError::ReservedOpcode(7)),
        (0x8b, WsError::ReservedOpcode(11)),
        (0x8f, WsError::ReservedOpcode(15)),
        (0x09, WsError::FragmentedControl),
        (0x08, WsError::FragmentedControl),
        (0x80, WsError::UnexpectedContinuation),
        (0x00, WsError::UnexpectedContinuation),
    ] {
        check(
            &[frame(0x81, b"before"), frame(first, b"x"), frame(0x81, b"after")],
            &[Ok(text("before")), Err(error)],
        );
        assert_eq!(error.close_code(), CloseCode::PROTOCOL_ERROR);
    }
    check(&[b"\x81\x01x".to_vec()], &[Err(WsError::NotMasked)]);
    check(&[b"\x88\x00".to_vec()], &[Err(WsError::NotMasked)]);
    check(&[frame(0x89, &[0; 125])], &[Ok(Event::Ping(Bytes::from_static(&[0; 125])))]);
    check(&[frame(0x89, &[0; 126])], &[Err(WsError::ControlTooLong)]);
    check(&[frame(0x88, &[0; 70_000])], &[Err(WsError::ControlTooLong)]);
    for first in [0x01, 0x02, 0x81, 0x82] {
        check(&[frame(0x01, b"a"), frame(first, b"b")], &[Err(WsError::ExpectedContinuation)]);
    }
}

#[test]
fn errors_are_found_in_the_first_two_bytes() {
    for start in [*b"\xc1\x80", *b"\x83\x80", *b"\x09\x80", *b"\x89\xfe", *b"\x81\x00"] {
        assert!(matches!(decode_in(&mut Inbound::new(MAX), &start, [])[..], [Err(_)]), "{start:?}");
    }
}

#[test]
fn too_much_is_refused_when_it_is_announced() {
    let too_big = [Err(WsError::MessageTooBig)];
    let header = |first: u8, len: u64| [&[first, 0x80 | 127][..], &len.to_be_bytes(), &MASK].concat();
    for len in [MAX as u64 + 1, 1 << 32, u64::MAX >> 1, 1 << 63, u64::MAX] {
        let mut inbound = Inbound::new(MAX);
        assert_eq!(decode_in(&mut inbound, &header(0x82, len), []), too_big, "{len}");
        assert_eq!(inbound.buffered(), 0);
    }
    let full = vec![b'x'; MAX];
    check(&[frame(0x82, &full)], &[Ok(Event::Binary(full.clone().into()))]);
    check(&[frame(0x02, &full), frame(0x80, b"")], &[Ok(Event::Binary(full.clone().into()))]);
    check(&[frame(0x02, &full), header(0x80, 1)], &too_big);
    check(&[frame(0x02, &full), header(0x80, u64::MAX)], &too_big);
    // Control frames and earlier messages do not count.
    check(
        &[frame(0x02, &full), frame(0x8a, b"x"), frame(0x80, b""), frame(0x81, b"x")],
        &[Ok(Event::Pong), Ok(Event::Binary(full.into())), Ok(text("x"))],
    );
    assert_eq!(WsError::MessageTooBig.close_code(), CloseCode::MESSAGE_TOO_BIG);
}

#[test]
fn too_many_fragments_are_refused() {
    let fragments = |count: u32| {
        [frame(0x02, b""), frame(0x00, b"").repeat(count as usize - 2), frame(0x80, b"")].concat()
    };
    let decode = |stream: &[u8]| decode_in(&mut Inbound::new(MAX), stream, []);
    assert_eq!(decode(&fragments(DEFAULT_MAX_FRAGMENTS)), [Ok(binary(b""))]);
    assert_eq!(decode(&fragments(DEFAULT_MAX_FRAGMENTS + 1)), [Err(WsError::TooManyFragments)]);
    // The count restarts with each message.
    assert_eq!(decode(&fragments(DEFAULT_MAX_FRAGMENTS).repeat(2)), [Ok(binary(b"")), Ok(binary(b""))]);
    let limited = |limit, stream: &[u8]| decode_in(&mut Inbound::new(MAX).max_fragments(limit), stream, []);
    assert_eq!(limited(65_536, &fragments(65_536)), [Ok(binary(b""))]);
    assert_eq!(limited(65_536, &fragments(65_537)), [Err(WsError::TooManyFragments)]);
    for limit in [0, 1] {
        assert_eq!(limited(limit, &fragments(2)), [Err(WsError::TooManyFragments)]);
        // A message in one frame that arrives in two reads.
        let one = frame(0x82, b"abc");
        let cut = decode_in(&mut Inbound::new(MAX).max_fragments(limit), &one, [4]);
        assert_eq!(cut, [Ok(binary(b"abc"))]);
    }
    assert_eq!(WsError::TooManyFragments.close_code(), CloseCode::POLICY_VIOLATION);
}

#[test]
fn text_is_utf8_across_fragments() {
    let euro = "\u{20ac}".as_bytes();
    check(
        &[frame(0x01, &euro[..1]), frame(0x89, b""), frame(0x00, &euro[1..2]), frame(0x80, &euro[2..])],
        &[Ok(Event::Ping(Bytes::new())), Ok(text("\u{20ac}"))],
    );
    let invalid = [Err(WsError::InvalidUtf8)];
    for bytes in [&b"\xff"[..], b"a\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", &euro[..2]] {
        check(&[frame(0x81, bytes)], &invalid);
        check(&[frame(0x01, bytes), frame(0x80, b"")], &invalid);
    }
    check(&[frame(0x01, &euro[..2]), frame(0x80, b"x")], &invalid);
    check(&[frame(0x82, b"\xff")], &[Ok(binary(b"\xff"))]);
    assert_eq!(WsError::InvalidUtf8.close_code(), CloseCode::INVALID_DATA);
}

#[test]
fn wrong_text_fails_before_its_message_ends() {
    let stream = frame(0x81, &[b'a', 0xff, b'b', b'c']);
    assert_eq!(
        decode_in(&mut Inbound::new(MAX), &stream[..stream.len() - 2], []),
        [Err(WsError::InvalidUtf8)]
    );
}

#[test]
fn close_frames_are_checked() {
    let closed = |code, reason: &'static str| [Ok(Event::Close { code, reason: reason.into() })];
    check(&[frame(0x88, b""), frame(0x81, b"after")], &closed(None, ""));
    check(
        &[close(1001, b"bye \xe2\x82\xac"), b"\xff\xff".to_vec()],
        &closed(Some(CloseCode(1001)), "bye \u{20ac}"),
    );
    for code in [1000, 1003, 1007, 1014, 3000, 4999] {
        check(&[close(code, b"")], &closed(Some(CloseCode(code)), ""));
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65_535] {
        check(&[close(code, b"")], &[Err(WsError::InvalidCloseCode(code))]);
    }
    check(&[frame(0x88, b"\x03")], &[Err(WsError::InvalidClose)]);
    check(&[close(1000, b"\xff")], &[Err(WsError::InvalidUtf8)]);
    check(
        &[close(1000, &[b'x'; 123])],
        &[Ok(Event::Close { code: Some(CloseCode::NORMAL), reason: "x".repeat(123).into() })],
    );
}

#[test]
fn a_caller_may_stop_between_two_events() {
    let mut stream = [frame(0x81, b"a"), frame(0x02, b"b"), frame(0x80, b"c"), frame(0x89, b"")].concat();
    let mut inbound = Inbound::new(MAX);
    let mut progress = Progress::default();
    let mut events = Vec::new();
    while let Some(event) = inbound.decode(&mut stream, &mut progress).next() {
        events.push(event.unwrap());
    }
    assert_eq!(events, [text("a"), binary(b"bc"), Event::Ping(Bytes::new())]);
    assert_eq!(progress.consumed(), stream.len());
}

/// One allocation per read, however many messages it contains. The frame headers between the messages do no
/// harm.
#[test]
fn messages_of_one_read_share_a_buffer() {
    let stream = [
        frame(0x81, b"one"),
        frame(0x82, b"two"),
        frame(0x01, b"th"),
        frame(0x80, b"ree"),
        frame(0x81, b"four"),
        frame(0x89, b"ping"),
        frame(0x81, b"five"),
        frame(0x81, b"cut off"),
    ]
    .concat();
    let mut inbound = Inbound::new(MAX);
    let mut progress = Progress::default();
    let mut input = stream[..stream.len() - 1].to_vec();
    let events: Vec<_> = inbound.decode(&mut input, &mut progress).map(Result::unwrap).collect();
    let expected =
        [text("one"), binary(b"two"), text("three"), text("four"), Event::Ping("ping".into()), text("five")];
    assert_eq!(events, expected);
    let place = |at: usize| match &events[at] {
        Event::Text(text) => text.as_bytes().as_ptr() as usize,
        Event::Binary(data) => data.as_ptr() as usize,
        _ => unreachable!(),
    };
    // The messages are one behind the other, with the frame headers in between.
    assert_eq!((place(1) - place(0), place(3) - place(1)), (3 + 6, 3 + 6 + 2 + 6 + 3 + 6));
    let mut rest = stream[stream.len() - 1..].to_vec();
    let last: Vec<_> = inbound.decode(&mut rest, &mut Progress::default()).collect();
    assert_eq!(last, [Ok(text("cut off"))]);
}

#[test]
fn an_idle_connection_holds_no_buffer() {
    let mut inbound = Inbound::new(MAX);
    let stream =
        [frame(0x01, b"ab"), frame(0x80, b"cd"), frame(0x89, b"ef"), frame(0x82, &[0; 300])].concat();
    for byte in &stream[..stream.len() - 1] {
        inbound.decode(&mut [*byte], &mut Progress::default()).for_each(drop);
    }
    assert!(inbound.is_mid_message() && inbound.buffered() > 0);
    assert_eq!(inbound.decode(&mut stream[stream.len() - 1..].to_vec(), &mut Progress::default()).count(), 1);
    assert!(!inbound.is_mid_message());
    assert_eq!(inbound.buffered(), 0);
    // A connection that failed in the middle of a message holds no buffers either.
    inbound.decode(&mut frame(0x01, b"ab"), &mut Progress::default()).for_each(drop);
    assert_eq!(
        inbound.decode(&mut frame(0x81, b"cd"), &mut Progress::default()).last(),
        Some(Err(WsError::ExpectedContinuation))
    );
    assert_eq!(inbound.buffered(), 0);
}

#[test]
fn memory_follows_what_has_arrived_and_ends_exact() {
    let len = 1_000_000;
    let stream = frame(0x82, &vec![7; len]);
    let mut inbound = Inbound::new(len);
    let (mut arrived, mut growths, mut before) = (0, 0, 0);
    let mut pieces = stream.chunks(1000).peekable();
    while let Some(piece) = pieces.next() {
        let events = inbound.decode(&mut piece.to_vec(), &mut Progress::default()).count();
        arrived += piece.len();
        assert_eq!(events, usize::from(pieces.peek().is_none()));
        assert!(inbound.buffered() <= 2 * arrived && inbound.buffered() <= len);
        growths += usize::from(inbound.buffered() > before);
        before = inbound.buffered();
    }
    // Doubling: a kilobyte becomes a megabyte in ten steps.
    assert!(growths <= 11, "{growths}");
}
