//! Allocations of the hot path.

use allocation_counter::measure;
use bytes::Bytes;
use socketio_parser::{Args, Binary, Decoder, Parser, Payload, Then};

#[test]
fn encoding_a_text_event_allocates_nothing_but_its_buffer() {
    let value = serde_json::json!({"a": [1, 2.5, null, "text"], "b": {"c": true}});
    let mut out = Vec::with_capacity(1024);
    let allocations = measure(|| {
        Parser::Json.encode_event(&mut out, "/chat", Some(123), "name", &Args((&value, "more"))).unwrap();
        Parser::Json.encode_ack(&mut out, "/", 123, &value).unwrap();
        Parser::Json.encode_disconnect(&mut out, "/chat").unwrap();
    });
    assert_eq!(allocations.count_total, 0);
    assert!(out.starts_with(b"2/chat,123[\"name\",{"));
}

#[test]
fn receiving_and_forwarding_a_text_event_allocates_nothing() {
    let text = Bytes::from_static(br#"2/chat,7["name",{"a":[1,{"b":"c"}]},"second"]"#);
    let mut decoder = Decoder::default();
    let mut out = Vec::with_capacity(1024);
    let allocations = measure(|| {
        let packet = decoder.text(text).unwrap().unwrap();
        let Payload::Event(event) = &packet.payload else { panic!("an event") };
        assert_eq!((event.name(), event.args().len()), ("name", 2));
        assert_eq!(event.args().parse::<&str>(1).unwrap(), "second");
        Parser::Json.encode_event(&mut out, "/", None, event.name(), &Then(event.args(), "offset")).unwrap();
        Parser::Json.encode_packet(&mut out, &packet).unwrap();
    });
    assert_eq!(allocations.count_total, 0);
    assert!(out.starts_with(br#"2["name",{"a":[1,{"b":"c"}]},"second","offset"]"#));
}

#[test]
fn attachments_cost_their_list_and_not_their_bytes() {
    let value = vec![Binary::from(vec![1u8; 100_000]), Binary::from(vec![2u8; 100_000])];
    // The first clone of bytes from a vector allocates the shared header.
    let shared = value.clone();
    let mut out = Vec::with_capacity(1024);
    let allocations = measure(|| {
        let attachments = Parser::Json.encode_event(&mut out, "/", None, "a", &value).unwrap();
        assert_eq!(attachments.len(), 2);
    });
    assert!(allocations.bytes_total < 1000, "{allocations:?}");
    drop(shared);
}
