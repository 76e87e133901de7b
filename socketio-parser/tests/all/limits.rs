//! Limits of the decoder, for both encodings.

use crate::common::{decode, event, refused};
#[cfg(feature = "msgpack")]
use crate::msgpack;
use socketio_parser::{DecodeError, Decoder, Limit, Limits, Parser};

#[test]
fn limits_are_named() {
    let refused_with =
        |limits: Limits, text: &str| match Decoder::new(Parser::Json, limits).text(text.to_owned().into()) {
            Err(DecodeError::Limit(limit)) => limit,
            other => panic!("{text}: {other:?}"),
        };
    let limits = Limits::default();
    assert_eq!(refused_with(Limits { max_packet_bytes: 4, ..limits }, r#"2["a"]"#), Limit::PacketBytes);
    assert_eq!(refused_with(Limits { max_arguments: 2, ..limits }, r#"2["a",1,2]"#), Limit::Arguments);
    assert_eq!(refused_with(Limits { max_namespace_bytes: 4, ..limits }, "0/abcd,"), Limit::NamespaceBytes);
    assert_eq!(refused_with(Limits { max_namespace_bytes: 4, ..limits }, "0/abcd"), Limit::NamespaceBytes);
    assert_eq!(refused_with(limits, "29007199254740992[\"a\"]"), Limit::AckId);
    assert_eq!(decode("29007199254740991[\"a\"]").ack_id, Some(9_007_199_254_740_991));
    assert_eq!(decode("2007[\"a\"]").ack_id, Some(7));
    let mut decoder = Decoder::new(Parser::Json, Limits { max_namespace_bytes: 4, ..limits });
    assert_eq!(decoder.text("0/abc,".into()).unwrap().unwrap().namespace, "/abc");
    assert_eq!(decoder.text("0/abc".into()).unwrap().unwrap().namespace, "/abc");

    let mut decoder = Decoder::new(Parser::Json, Limits { max_attachment_bytes: 4, ..limits });
    decoder.text("52-[\"a\"]".into()).unwrap();
    assert!(decoder.binary("abcd".into()).unwrap().is_none());
    assert_eq!(decoder.binary("e".into()).unwrap_err(), DecodeError::Limit(Limit::AttachmentBytes));
}

#[test]
fn depth_is_limited_and_costs_no_stack() {
    let nested = |depth: usize| format!("2[\"a\",{}{}]", "[".repeat(depth), "]".repeat(depth));
    let objects = |depth: usize| format!("2[\"a\",{}1{}]", "{\"k\":".repeat(depth), "}".repeat(depth));
    decode(&nested(127));
    decode(&objects(127));
    assert_eq!(refused(&nested(128)), DecodeError::Limit(Limit::Depth));
    assert_eq!(refused(&objects(128)), DecodeError::Limit(Limit::Depth));
    assert_eq!(refused(&format!("2[\"a\",{}", "[".repeat(400_000))), DecodeError::Limit(Limit::Depth));

    let mut decoder = Decoder::new(Parser::Json, Limits { max_depth: 5000, ..Limits::default() });
    let packet = decoder.text(nested(999).into()).unwrap().unwrap();
    assert!(decoder.text(nested(1000).into()).is_err(), "1000 is the ceiling");
    assert!(decoder.text(objects(999).into()).unwrap().is_some());
    // Leaving nested containers of both kinds restores the kind of the outer one.
    let mixed = format!("2[\"a\",{}1{}]", "[{\"k\":".repeat(400), "}]".repeat(400));
    decoder.text(mixed.into()).unwrap().unwrap();
    let crossed = format!("2[\"a\",{}1{}]", "[{\"k\":".repeat(400), "]}".repeat(400));
    assert!(decoder.text(crossed.into()).is_err());
    // A value of this depth can be built, dropped and forwarded without deep recursion.
    let value = event(packet).args().get(0).unwrap().value().unwrap();
    let mut out = Vec::new();
    Parser::Json.encode_event(&mut out, "/", None, "a", &value.at(0)).unwrap();
    assert_eq!(out, nested(998).as_bytes());
}

#[cfg(feature = "msgpack")]
#[test]
fn msgpack_limits_are_named() {
    let refused = |limits: Limits, bytes: &[u8]| {
        let error = Parser::Msgpack.decoder(limits).binary(bytes::Bytes::copy_from_slice(bytes)).unwrap_err();
        match error {
            DecodeError::Limit(limit) => limit,
            other => panic!("{other}"),
        }
    };
    let limits = Limits::default();
    let nested = |depth: usize| msgpack::event_with(&[&b"\x91".repeat(depth)[..], b"\xc0"].concat());
    msgpack::try_decode(&nested(127)).unwrap();
    assert_eq!(refused(limits, &nested(128)), Limit::Depth);
    assert_eq!(refused(limits, &nested(500_000)), Limit::Depth);
    let maps = |depth: usize| msgpack::event_with(&[&b"\x81\xa1k".repeat(depth)[..], b"\xc0"].concat());
    msgpack::try_decode(&maps(127)).unwrap();
    assert_eq!(refused(limits, &maps(128)), Limit::Depth);
    assert_eq!(refused(Limits { max_packet_bytes: 9, ..limits }, &nested(1)), Limit::PacketBytes);
    assert_eq!(refused(Limits { max_arguments: 1, ..limits }, &nested(1)), Limit::Arguments);
    let named = b"\x82\xa4type\x00\xa3nsp\xa5/abcd";
    assert_eq!(refused(Limits { max_namespace_bytes: 4, ..limits }, named), Limit::NamespaceBytes);
    let id = b"\x84\xa4type\x03\xa3nsp\xa1/\xa4data\x90\xa2id\xcf\x00\x20\0\0\0\0\0\0";
    assert_eq!(refused(limits, id), Limit::AckId);

    // Deserialization is limited to serde_json's depth; the rest of the packet is unaffected.
    let mut decoder = Parser::Msgpack.decoder(Limits { max_depth: 1000, ..limits });
    let packet = decoder.binary(nested(900).into()).unwrap().unwrap();
    let args = event(packet).into_args();
    args.parse::<serde_json::Value>(0).unwrap_err();
    let mut text = Vec::new();
    Parser::Json.encode_event(&mut text, "/", None, "a", &args).unwrap();
    assert_eq!(text.len(), "2[\"a\",null]".len() + 1800);
}
