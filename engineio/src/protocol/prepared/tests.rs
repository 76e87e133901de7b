//! The wire forms of a prepared message.

use super::*;
use crate::protocol::packet::Protocol;

fn wire(prepared: &Prepared) -> Vec<u8> {
    prepared.frames().flatten().copied().collect()
}

#[test]
fn text_is_framed_in_front_and_sliced_for_polling() {
    let prepared = Prepared::text("hi");
    assert_eq!(wire(&prepared), b"\x81\x034hi");
    assert_eq!(prepared.text_packet(), "4hi");
    assert_eq!(prepared.wire_len(), 5);
}

#[test]
fn every_header_size_ends_where_the_packet_begins() {
    for (len, header) in [(124, 2), (125, 4), (65_534, 4), (65_535, 10)] {
        let prepared = Prepared::text(&"x".repeat(len));
        assert_eq!(prepared.header, header, "{len}");
        assert_eq!(prepared.text_packet().len(), len + 1);
        assert_eq!(prepared.wire_len(), len + 1 + usize::from(header));
    }
}

#[test]
fn attachments_follow_their_text_without_a_copy() {
    let data = Bytes::from(vec![1, 2, 3]);
    let mut buf = TextBuf::with_capacity(0);
    buf.buffer().extend_from_slice(b"51-[]");
    let prepared = buf.finish_with([data.clone()]);
    assert_eq!(wire(&prepared), b"\x81\x06451-[]\x82\x03\x01\x02\x03");
    assert_eq!(prepared.frames().last().unwrap().as_ptr(), data.as_ptr());
}

#[test]
fn other_dialects_get_binary_in_their_dress() {
    let prepared = Prepared::binary(Bytes::from_static(&[1, 2, 3, 4]));
    assert_eq!(wire(&prepared), b"\x82\x04\x01\x02\x03\x04");
    let dressed = |protocol, base64| wire(&prepared.clone().into_dialect(Dialect { protocol, base64 }));
    assert_eq!(dressed(Protocol::V4, false), b"\x82\x04\x01\x02\x03\x04");
    assert_eq!(dressed(Protocol::V3, false), b"\x82\x05\x04\x01\x02\x03\x04");
    assert_eq!(dressed(Protocol::V4, true), b"\x81\x09bAQIDBA==");
    assert_eq!(dressed(Protocol::V3, true), b"\x81\x0ab4AQIDBA==");
}

#[test]
fn a_ping_needs_no_memory_of_its_own() {
    assert_eq!(wire(&Prepared::ping()), wire(&Prepared::control(PacketType::Ping, b"")));
    assert_eq!(Prepared::ping().kind(), PacketType::Ping);
}
