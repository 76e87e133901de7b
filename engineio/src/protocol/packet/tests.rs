//! Packets in text and in binary form, in both revisions.

use super::*;

fn encoded(packet: &Packet, protocol: Protocol) -> String {
    let mut out = b"before".to_vec();
    encode_text(packet, protocol, &mut out);
    assert_eq!(out.len() - 6, text_len(packet, protocol));
    String::from_utf8(out.split_off(6)).unwrap()
}

fn text(data: &'static str, protocol: Protocol) -> Result<Packet, ParseError> {
    decode_text(data.into(), protocol)
}

fn message(message: impl Into<Message>) -> Packet {
    Packet::Message(message.into())
}

/// EIO-PARSER-01
#[test]
fn every_type_is_a_digit_and_its_data() {
    for (packet, wire) in [
        (Packet::Open("{}".into()), "0{}"),
        (Packet::Close, "1"),
        (Packet::Ping(Text::new()), "2"),
        (Packet::Ping("probe".into()), "2probe"),
        (Packet::Pong("probe".into()), "3probe"),
        (message("test"), "4test"),
        (message("\u{20ac}\u{1f600}"), "4\u{20ac}\u{1f600}"),
        (message(""), "4"),
        (Packet::Upgrade, "5"),
        (Packet::Noop, "6"),
    ] {
        for protocol in [Protocol::V3, Protocol::V4] {
            assert_eq!(encoded(&packet, protocol), wire);
            assert_eq!(text(wire, protocol), Ok(packet.clone()));
        }
        assert_eq!(packet.kind().digit(), wire.as_bytes()[0]);
    }
}

/// EIO-PARSER-02
#[test]
fn anything_else_is_an_error() {
    for protocol in [Protocol::V3, Protocol::V4] {
        assert_eq!(text("", protocol), Err(ParseError::Empty));
        for wire in ["a123", "7", "9", "/", ":", " 4", "\u{20ac}", "\u{664}", "\0"] {
            assert_eq!(text(wire, protocol), Err(ParseError::UnknownType), "{wire:?}");
        }
    }
}

#[test]
fn data_behind_a_packet_that_has_none_is_dropped() {
    assert_eq!(text("1bye", Protocol::V4), Ok(Packet::Close));
    assert_eq!(text("5x", Protocol::V4), Ok(Packet::Upgrade));
    assert_eq!(text("6x", Protocol::V3), Ok(Packet::Noop));
}

/// EIO-PARSER-20
#[test]
fn binary_is_the_bare_message() {
    let data = Bytes::from(vec![1, 2, 3, 4]);
    let mut out = Vec::new();
    encode_binary(&data, Protocol::V4, &mut out);
    assert_eq!(out, [1, 2, 3, 4]);
    let Packet::Message(Message::Binary(decoded)) = decode_binary(data.clone(), Protocol::V4).unwrap() else {
        panic!("not binary");
    };
    assert_eq!(decoded.as_ptr(), data.as_ptr());
    assert_eq!(decode_binary(Bytes::new(), Protocol::V4), Ok(message(Bytes::new())));
}

/// EIO-PARSER-21
#[test]
fn binary_in_text_is_base64() {
    let packet = message(vec![1, 2, 3, 4]);
    assert_eq!(encoded(&packet, Protocol::V4), "bAQIDBA==");
    assert_eq!(text("bAQIDBA==", Protocol::V4), Ok(packet.clone()));
    assert_eq!(text("bAQIDBA", Protocol::V4), Ok(packet.clone()));
    assert_eq!(encoded(&packet, Protocol::V3), "b4AQIDBA==");
    assert_eq!(text("b4AQIDBA==", Protocol::V3), Ok(packet.clone()));
    assert_eq!(text("b4AQIDBA", Protocol::V3), Ok(packet));
    assert_eq!(text("b", Protocol::V4), Ok(message(vec![])));
    assert_eq!(text("b4", Protocol::V3), Ok(message(vec![])));
    assert_eq!(encoded(&message(vec![]), Protocol::V4), "b");
}

#[test]
fn garbage_is_not_base64() {
    for wire in ["bA", "bA===", "b****", "bAQID BA==", "bAQ-_", "b=", "b\u{20ac}"] {
        assert_eq!(text(wire, Protocol::V4), Err(ParseError::Base64), "{wire:?}");
    }
    assert_eq!(text("b", Protocol::V3), Err(ParseError::Empty));
    assert_eq!(text("b9AQ==", Protocol::V3), Err(ParseError::UnknownType));
    assert_eq!(text("b4*", Protocol::V3), Err(ParseError::Base64));
}

#[test]
fn revision_3_puts_the_type_in_front_of_binary() {
    let mut out = Vec::new();
    encode_binary(&[1, 2], Protocol::V3, &mut out);
    assert_eq!(out, [4, 1, 2]);
    assert_eq!(decode_binary(out.into(), Protocol::V3), Ok(message(vec![1, 2])));
    let binary = |bytes: &'static [u8]| decode_binary(Bytes::from_static(bytes), Protocol::V3);
    assert_eq!(binary(b"\x02probe"), Ok(Packet::Ping(Text::new())));
    assert_eq!(binary(b""), Err(ParseError::Empty));
    assert_eq!(binary(b"\x07x"), Err(ParseError::UnknownType));
    assert_eq!(binary(b"4x"), Err(ParseError::UnknownType));
}

#[test]
fn decoding_text_does_not_copy() {
    let wire = Text::from(String::from("4some text"));
    let Ok(Packet::Message(Message::Text(data))) = decode_text(wire.clone(), Protocol::V4) else {
        panic!("no text")
    };
    assert_eq!(data.as_bytes().as_ptr(), wire.as_bytes()[1..].as_ptr());
}
