//! The packets of the official parser's test suite, and the payloads that it rejects.

use crate::common::{decode, decode_all, event, refused, round_trip};
use socketio_parser::{
    Args, DecodeError, Decoder, EncodeError, Limit, Limits, PacketType, Parser, Payload, RESERVED_EVENTS,
    Revision,
};

/// SIO-PARSER-01
#[test]
fn packet_types_have_the_numbers_of_the_protocol() {
    let types = [
        PacketType::Connect,
        PacketType::Disconnect,
        PacketType::Event,
        PacketType::Ack,
        PacketType::ConnectError,
        PacketType::BinaryEvent,
        PacketType::BinaryAck,
    ];
    for (number, kind) in (0u8..).zip(types) {
        assert_eq!(kind as u8, number);
        assert_eq!(kind.digit(), b'0' + number);
        assert_eq!(PacketType::from_digit(b'0' + number), Some(kind));
    }
    assert_eq!(PacketType::from_digit(b'7'), None);
}

/// SIO-PARSER-02
#[test]
fn connect_carries_credentials() {
    let mut out = Vec::new();
    let auth = serde_json::json!({"token": "123"});
    Parser::Json.encode_connect(&mut out, "/woot", Some(&auth)).unwrap();
    assert_eq!(out, br#"0/woot,{"token":"123"}"#);
    let packet = round_trip(&out);
    assert_eq!((packet.kind(), packet.namespace.as_str()), (PacketType::Connect, "/woot"));
    let Payload::Connect(Some(data)) = packet.payload else { panic!("no credentials") };
    assert_eq!(data.as_json(), Some(r#"{"token":"123"}"#));
    assert_eq!(data.parse::<serde_json::Value>().unwrap(), auth);
}

#[test]
fn connect_may_be_empty() {
    for text in ["0", "0/", "0/,", "0/woot", "0/woot,"] {
        let packet = decode(text);
        assert!(matches!(packet.payload, Payload::Connect(None)), "{text}");
    }
    assert_eq!(decode("0/woot").namespace, "/woot");
    assert!(decode("0/,").namespace.is_root());
}

/// SIO-PARSER-03
#[test]
fn disconnect_has_no_payload() {
    let mut out = Vec::new();
    Parser::Json.encode_disconnect(&mut out, "/woot").unwrap();
    assert_eq!(out, b"1/woot,");
    let packet = round_trip(&out);
    assert!(matches!(packet.payload, Payload::Disconnect));
    assert_eq!(packet.namespace, "/woot");
}

/// SIO-PARSER-04
#[test]
fn event_in_the_default_namespace() {
    let mut out = Vec::new();
    let args = Args((1, serde_json::json!({})));
    assert!(Parser::Json.encode_event(&mut out, "/", None, "a", &args).unwrap().is_empty());
    assert_eq!(out, br#"2["a",1,{}]"#);
    let packet = round_trip(&out);
    assert_eq!(packet.ack_id, None);
    let event = event(packet);
    assert_eq!((event.name(), event.args().len()), ("a", 2));
    assert_eq!(event.args().parse_all::<(u8, serde_json::Value)>().unwrap(), (1, serde_json::json!({})));
}

/// SIO-PARSER-05
#[test]
fn an_event_name_may_be_a_number() {
    let event = event(decode(r#"2[1,"a",{}]"#));
    assert_eq!((event.name(), event.args().len()), ("1", 2));
    for (text, name) in [("2[-0]", "0"), ("2[1.50]", "1.5"), ("2[1e300]", "1e+300"), ("2[-1]", "-1")] {
        assert_eq!(crate::common::event(decode(text)).name(), name);
    }
}

/// SIO-PARSER-06
#[test]
fn event_with_an_ack_id() {
    let mut out = Vec::new();
    Parser::Json.encode_event(&mut out, "/test", Some(1), "a", &Args((1, ()))).unwrap();
    assert_eq!(out, br#"2/test,1["a",1,null]"#);
    let packet = round_trip(&out);
    assert_eq!((packet.namespace.as_str(), packet.ack_id), ("/test", Some(1)));
}

/// SIO-PARSER-07
#[test]
fn ack_with_its_id() {
    let mut out = Vec::new();
    Parser::Json.encode_ack(&mut out, "/", 123, &Args(("a", 1, serde_json::json!({})))).unwrap();
    assert_eq!(out, br#"3123["a",1,{}]"#);
    let packet = round_trip(&out);
    assert_eq!((packet.kind(), packet.ack_id), (PacketType::Ack, Some(123)));
    let Payload::Ack(args) = packet.payload else { panic!("no answer") };
    assert_eq!(args.parse_all::<(String, u8, serde_json::Value)>().unwrap().0, "a");
}

/// SIO-PARSER-08
#[test]
fn connect_error_with_a_string() {
    let mut out = Vec::new();
    Parser::Json.encode_connect_error::<()>(&mut out, Revision::V4, "/", "Unauthorized", None).unwrap();
    assert_eq!(out, br#"4"Unauthorized""#);
    let Payload::ConnectError(Some(data)) = round_trip(&out).payload else { panic!("no error") };
    assert_eq!(data.parse::<String>().unwrap(), "Unauthorized");
}

/// SIO-PARSER-09
#[test]
fn connect_error_with_an_object() {
    let mut out = Vec::new();
    Parser::Json.encode_connect_error::<()>(&mut out, Revision::V5, "/", "Unauthorized", None).unwrap();
    assert_eq!(out, br#"4{"message":"Unauthorized"}"#);
    assert!(matches!(round_trip(&out).payload, Payload::ConnectError(Some(_))));

    out.clear();
    Parser::Json.encode_connect_error(&mut out, Revision::V5, "/a", "no", Some(&[1])).unwrap();
    assert_eq!(out, br#"4/a,{"message":"no","data":[1]}"#);
    out.clear();
    Parser::Json.encode_connect_error(&mut out, Revision::V4, "/a", "no", Some(&[1])).unwrap();
    assert_eq!(out, b"4/a,[1]");
}

/// SIO-PARSER-11
#[test]
fn a_binary_packet_needs_its_attachment_count() {
    let error = refused("5");
    assert_eq!(error, DecodeError::AttachmentCount);
    assert!(error.to_string().contains("Illegal"));
}

/// SIO-PARSER-12
#[test]
fn too_many_attachments() {
    let mut decoder = Decoder::new(Parser::Json, Limits { max_attachments: 2, ..Limits::default() });
    let text = r#"53-["hello",{"_placeholder":true,"num":0}]"#;
    let error = decoder.text(text.into()).unwrap_err();
    assert_eq!(error, DecodeError::Limit(Limit::Attachments));
    assert!(error.to_string().contains("too many attachments"));
    assert_eq!(refused("511-[\"a\"]"), DecodeError::Limit(Limit::Attachments));
    assert_eq!(refused("5999999999999-[\"a\"]"), DecodeError::Limit(Limit::Attachments));
}

/// SIO-PARSER-15
#[test]
fn payloads_of_the_wrong_shape() {
    for text in [
        r#"442["some","data""#,
        r#"0/admin,"invalid""#,
        "0[]",
        "1/admin,{}",
        r#"2/admin,"invalid"#,
        "2/admin,{}",
        r#"2[{"toString":"foo"}]"#,
        r#"2[true,"foo"]"#,
        r#"2[null,"bar"]"#,
        r#"2["connect"]"#,
        r#"2["disconnect","123"]"#,
        "2[]",
        "2[[\"a\"]]",
        "0null",
        "4[]",
        "3{}",
        "2\"echo\"",
        "2[\"echo\",",
        "2[\"echo\",1]xyz",
        "2[\"echo\",1,]",
        "2[\"echo\"/*x*/]",
        "2['echo']",
        "2[\"echo\",NaN]",
        "2[\"echo\",Infinity]",
        "2[\"echo\",010]",
        "2[\"echo\",\"a\nb\"]",
        "2[\"echo\",\"\\u12G4\"]",
        "2[\"echo\",\"\\x\"]",
        "2[\"echo\" 1]",
        "2[\"echo\",{1:2}]",
        "2[\"echo\",{\"a\" 2}]",
        "2[\"echo\",{\"a\":2,}]",
        "2[\"echo\",[1}]",
        "2[\"echo\",{\"a\":1]]",
        "2[\"echo\",1.]",
        "2[\"echo\",.1]",
        "2[\"echo\",+1]",
        "2[\"echo\",1e]",
        "2[\"echo\",-]",
        "2[\"echo\",tru]",
        "2[\"echo\",nulll]",
        "2,[\"echo\"]",
        "2-1[\"ack\",5]",
        "21e3[\"ack\",5]",
        "2١[\"ack\",5]",
        "2//,,[\"echo\"]",
    ] {
        let error = refused(text);
        assert!(error.to_string().starts_with("invalid payload"), "{text}: {error}");
    }
    for text in ["5", "51", "5a-", "51.23-", "5-", "5-1-", "5+1-", "51e0-", "50-[\"a\"]", "5١-", "6-"] {
        assert_eq!(refused(text), DecodeError::AttachmentCount, "{text}");
    }
    assert_eq!(refused("999").to_string(), "unknown packet type 9");
    assert_eq!(refused(""), DecodeError::Empty);
    assert_eq!(refused("\u{e9}"), DecodeError::UnknownType(0xc3));
}

/// SIO-PARSER-16
#[test]
fn a_reset_decoder_starts_afresh() {
    let mut decoder = Decoder::default();
    let text = r#"51-["hello",{"_placeholder":true,"num":0}]"#;
    assert!(decoder.text(text.into()).unwrap().is_none());
    assert!(decoder.is_pending());
    decoder.reset();
    let packet = decoder.text(r#"2["hello"]"#.into()).unwrap().unwrap();
    assert_eq!(event(packet).name(), "hello");
}

/// SIO-PARSER-17
///
/// The predicate of the official package checks packets that a program has built. The types of this crate
/// exclude invalid packets, except for the name, the namespace and the ack id, which the encoder checks.
#[test]
fn invalid_packets_are_refused_by_the_encoder() {
    let mut out = b"head".to_vec();
    for reserved in RESERVED_EVENTS {
        let error = Parser::Json.encode_event(&mut out, "/", None, reserved, &1).unwrap_err();
        assert!(matches!(error, EncodeError::ReservedEvent(name) if name == reserved));
        assert_eq!(refused(&format!("2[{reserved:?}]")), DecodeError::ReservedEvent);
        assert_eq!(refused(&format!("23[{reserved:?},1]")), DecodeError::ReservedEvent);
    }
    assert_eq!(refused(r#"2["\u0063onnect"]"#), DecodeError::ReservedEvent);
    for namespace in ["", "chat", "/a,b"] {
        let error = Parser::Json.encode_event(&mut out, namespace, None, "a", &1).unwrap_err();
        assert!(matches!(error, EncodeError::Namespace));
        assert!(matches!(Parser::Json.encode_disconnect(&mut out, namespace), Err(EncodeError::Namespace)));
    }
    let error = Parser::Json.encode_event(&mut out, "/", Some(1 << 53), "a", &1).unwrap_err();
    assert!(matches!(error, EncodeError::AckId));
    assert_eq!(out, b"head", "nothing is left behind");
    assert!(matches!(decode("0").payload, Payload::Connect(None)));
    for (packet, error) in [
        (r#"0"invalid""#, DecodeError::Shape(PacketType::Connect)),
        ("0[]", DecodeError::Shape(PacketType::Connect)),
        ("1{}", DecodeError::Shape(PacketType::Disconnect)),
        (r#"2"invalid""#, DecodeError::Shape(PacketType::Event)),
        ("2{}", DecodeError::Shape(PacketType::Event)),
        (r#"2[true,"foo"]"#, DecodeError::EventName),
        (r#"2[null,"bar"]"#, DecodeError::EventName),
    ] {
        assert_eq!(refused(packet), error, "{packet}");
    }
    // Similar names that are not reserved.
    for name in ["connection", "connected", "disconnected", "newlistener", "", "Connect", "error"] {
        Parser::Json.encode_event(&mut out, "/", None, name, &1).unwrap();
    }
}

/// SIO-PARSER-23
#[test]
fn an_unexpected_attachment_is_an_error() {
    let error = Decoder::default().binary("abc".into()).unwrap_err();
    assert_eq!(error.to_string(), "got binary data when not reconstructing a packet");
    // A complete packet is not pending either.
    let mut decoder = Decoder::default();
    decoder.text(r#"51-["a",{"_placeholder":true,"num":0}]"#.into()).unwrap();
    decoder.binary("abc".into()).unwrap().unwrap();
    assert_eq!(decoder.binary("abc".into()).unwrap_err(), DecodeError::UnexpectedBinary);
}

/// SIO-PARSER-24
#[test]
fn a_text_before_the_last_attachment_is_an_error() {
    let mut decoder = Decoder::default();
    let text = r#"51-["hello",{"_placeholder":true,"num":0}]"#;
    decoder.text(text.into()).unwrap();
    let error = decoder.text(r#"2["hello"]"#.into()).unwrap_err();
    assert_eq!(error.to_string(), "got plaintext data when reconstructing a packet");
    assert!(!decoder.is_pending());
}

#[test]
fn packets_without_a_payload_are_accepted_like_officially() {
    assert!(matches!(decode("2").payload, Payload::EmptyEvent));
    assert!(matches!(decode("2/a,12").payload, Payload::EmptyEvent));
    assert!(matches!(decode("4").payload, Payload::ConnectError(None)));
    let Payload::Ack(args) = decode("31").payload else { panic!("no answer") };
    assert!(args.is_empty());
    let packets = decode_all("51-", &[b"abc"]);
    assert!(matches!(packets.payload, Payload::EmptyEvent));
}

#[test]
fn names_with_escapes_and_names_of_object_members() {
    for (text, name) in [
        (r#"2["\u0065cho",7]"#, "echo"),
        (r#"2["",1]"#, ""),
        (r#"2["\u0000",1]"#, "\0"),
        (r#"2["__proto__"]"#, "__proto__"),
        (r#"2["constructor"]"#, "constructor"),
        (r#"2["é\ud83d\ude00"]"#, "é😀"),
    ] {
        assert_eq!(event(decode(text)).name(), name);
    }
    assert_eq!(refused(r#"2["\ud800",1]"#), DecodeError::Unicode);
}

#[test]
fn bytes_that_are_not_utf8() {
    for message in [
        &b"2[\"a\xff\"]"[..],
        b"2[\"a\",\"\xc3\x28\"]",
        b"2[\"abcdefgh\",\"abcdefghijklmnopqrstuvwxyz\xed\xa0\x80abcdefghijklmnopqrstuvwxyz\"]",
        b"2/\xff,[\"a\"]",
        b"0{\"\xff\":1}",
    ] {
        let error = Decoder::default().text(message.to_vec().into()).unwrap_err();
        assert_eq!(error, DecodeError::Unicode);
    }
    for message in
        [&b"\xff"[..], b"2\xff", b"2[\xff]", b"2[\"a\"]\xff", b"2[\"\\\xff\"]", b"5\xff-", b"2[\"a\",1\xff]"]
    {
        Decoder::default().text(message.to_vec().into()).unwrap_err();
    }
}

#[test]
fn white_space_in_the_header_is_refused() {
    for text in ["2 [\"a\"]", "21 [\"a\"]", "2/a, [\"a\"]", "2\n[\"a\"]", "0 "] {
        assert_eq!(refused(text), DecodeError::HeaderSpace, "{text}");
    }
    assert!(matches!(refused("2\u{feff}[\"a\",1]"), DecodeError::Json { .. }));
    // White space inside and after the payload is part of the JSON.
    let event = event(decode("2[ \"a\" ,\t1 , { \"b\" : [ ] } \r\n] \n"));
    assert_eq!(
        event.args().iter().map(|arg| arg.as_json().unwrap()).collect::<Vec<_>>(),
        ["1", "{ \"b\" : [ ] }"]
    );
}

#[test]
fn a_query_in_the_namespace() {
    let packet = decode("0/chat?token=a%20b&x=?,");
    assert_eq!(packet.namespace, "/chat?token=a%20b&x=?");
    assert_eq!((packet.namespace.path(), packet.namespace.query()), ("/chat", Some("token=a%20b&x=?")));
    assert_eq!((decode("0").namespace.path(), decode("0").namespace.query()), ("/", None));
}

/// Found by fuzzing: an ack id has no meaning for these types, but is forwarded.
#[test]
fn ack_ids_of_other_types_are_forwarded() {
    for text in ["13", "1/a,3", "03{\"a\":1}", "43\"no\"", "23"] {
        assert_eq!(round_trip(text.as_bytes()).ack_id, Some(3), "{text}");
    }
}
