//! Msgpack packets that fuzzing has found.

use socketio_parser::Parser;

use crate::msgpack::try_decode;

/// In msgpack a namespace may be any text, which the JSON encoding cannot represent.
#[test]
fn namespaces_that_have_no_slash() {
    let packet = try_decode(b"\x84\xa4type\x00\xa4data\x80\xa2id\x05\xa3nsp\xa3a,b").unwrap();
    assert_eq!((packet.namespace.as_str(), packet.ack_id), ("a,b", Some(5)));
    let mut out = Vec::new();
    Parser::Msgpack.encode_packet(&mut out, &packet).unwrap();
    assert_eq!(out, b"\x84\xa4type\x00\xa4data\x80\xa2id\x05\xa3nsp\xa3a,b");
    out.clear();
    let error = Parser::Json.encode_packet(&mut out, &packet).unwrap_err();
    assert!(matches!(error, socketio_parser::EncodeError::Namespace));
    assert!(out.is_empty());
}

/// JSON has no such number, and its event names are not null.
#[test]
fn the_number_nan_as_an_event_name() {
    let packet = try_decode(b"\x83\xa4type\x02\xa4data\x91\xca\x7f\xc0\x00\x00\xa3nsp\xa1/").unwrap();
    let mut text = Vec::new();
    Parser::Json.encode_packet(&mut text, &packet).unwrap();
    assert_eq!(text, b"2[\"NaN\"]");
}
