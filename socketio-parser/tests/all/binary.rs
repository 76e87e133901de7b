//! Binary data: from a type into attachments, and from attachments into a type.

use std::collections::BTreeMap;

use crate::common::{decode, decode_all, event, try_decode};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use socketio_parser::{Args, Binary, DecodeError, EncodeError, Parser, Payload, Then, ToArgs};

fn encode(args: &impl ToArgs) -> (String, Vec<Bytes>) {
    let mut out = Vec::new();
    let attachments = Parser::Json.encode_event(&mut out, "/", None, "a", args).unwrap();
    (String::from_utf8(out).unwrap(), attachments)
}

fn bin(bytes: &'static [u8]) -> Binary {
    Binary::from_static(bytes)
}

/// A round trip through the wire, with the same type.
fn there_and_back<T: Serialize + for<'de> Deserialize<'de> + PartialEq + std::fmt::Debug>(
    value: &T,
) -> usize {
    let (text, attachments) = encode(value);
    let parts: Vec<&[u8]> = attachments.iter().map(|part| &part[..]).collect();
    let packet = if parts.is_empty() { decode(&text) } else { decode_all(&text, &parts) };
    let event = event(packet);
    assert_eq!(event.args().len(), 1, "{text}");
    assert_eq!(&event.args().parse::<T>(0).unwrap(), value, "{text}");
    attachments.len()
}

/// SIO-PARSER-18
#[test]
fn an_event_with_one_attachment() {
    let mut out = Vec::new();
    let attachments = Parser::Json.encode_event(&mut out, "/cool", Some(23), "a", &bin(b"abc")).unwrap();
    assert_eq!(out, br#"51-/cool,23["a",{"_placeholder":true,"num":0}]"#);
    assert_eq!(attachments, [&b"abc"[..]]);
    let packet = decode_all(std::str::from_utf8(&out).unwrap(), &[b"abc"]);
    assert_eq!((packet.kind() as u8, packet.namespace.as_str(), packet.ack_id), (2, "/cool", Some(23)));
    assert_eq!(event(packet).args().parse::<Binary>(0).unwrap(), bin(b"abc"));
}

/// SIO-PARSER-19
#[test]
fn binary_in_an_object_in_an_array() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Item {
        a: Binary,
    }
    assert_eq!(there_and_back(&vec![Item { a: bin(b"xxx") }, Item { a: bin(b"") }]), 2);
}

/// SIO-PARSER-20
#[test]
fn an_answer_with_an_attachment() {
    let mut out = Vec::new();
    let attachments = Parser::Json.encode_ack(&mut out, "/back", 127, &Args(("a", bin(b"xxx"), ()))).unwrap();
    assert_eq!(out, br#"61-/back,127["a",{"_placeholder":true,"num":0},null]"#);
    assert_eq!(attachments.len(), 1);
    let packet = decode_all(std::str::from_utf8(&out).unwrap(), &[b"xxx"]);
    assert_eq!((packet.kind() as u8, packet.ack_id), (3, Some(127)));
    let Payload::Ack(args) = packet.payload else { panic!("no answer") };
    assert_eq!(args.parse_all::<(String, Binary, ())>().unwrap(), ("a".to_owned(), bin(b"xxx"), ()));
}

/// SIO-PARSER-21, SIO-PARSER-22
#[test]
fn placeholders_that_name_no_attachment() {
    for num in [r#""splice""#, "1", "-1", "0.5", "null", "[0]", "{}", "1e308", r#""__proto__""#] {
        let text = format!(r#"51-["hello",{{"_placeholder":true,"num":{num}}}]"#);
        let error = try_decode(&text, &[b"abc"]).unwrap_err();
        assert_eq!(error, DecodeError::Placeholder, "{num}");
        assert!(error.to_string().starts_with("illegal attachments"));
    }
    assert_eq!(
        try_decode(r#"51-["a",{"_placeholder":true}]"#, &[b"abc"]).unwrap_err(),
        DecodeError::Placeholder
    );
    assert_eq!(
        try_decode(r#"61-9[[[{"a":{"_placeholder":true,"num":1}}]]]"#, &[b"abc"]).unwrap_err(),
        DecodeError::Placeholder
    );
}

/// SIO-PARSER-28
#[test]
fn attachments_are_numbered_in_the_order_of_the_text() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Deep {
        why: Binary,
        a: (u8, Option<Binary>, Vec<Binary>),
        last: BTreeMap<String, Binary>,
    }
    let deep = Deep {
        why: bin(b"0"),
        a: (1, Some(bin(b"1")), vec![bin(b"2"), bin(b"3")]),
        last: [("x".to_owned(), bin(b"4")), ("y".to_owned(), bin(b"5"))].into(),
    };
    let mut out = Vec::new();
    let attachments = Parser::Json.encode_event(&mut out, "/deep", Some(999), "a", &deep).unwrap();
    assert!(out.starts_with(b"56-/deep,999[\"a\","));
    assert_eq!(attachments, [&b"0"[..], b"1", b"2", b"3", b"4", b"5"]);
    assert_eq!(there_and_back(&deep), 6);
}

/// SIO-PARSER-29
#[test]
fn null_beside_binary() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Mixed {
        a: Option<u8>,
        b: Binary,
        c: (),
        d: Option<Binary>,
    }
    assert_eq!(there_and_back(&Mixed { a: None, b: bin(b"xxx"), c: (), d: None }), 1);
}

/// SIO-PARSER-30
#[test]
fn encoding_leaves_the_value_alone() {
    let value = vec![bin(b"abc")];
    let before = value.clone();
    assert_eq!(encode(&value).0, encode(&value).0);
    assert_eq!(value, before);
    // The received value shares the bytes.
    assert_eq!(encode(&value).1[0].as_ptr(), value[0].as_ptr());
}

#[test]
fn every_way_in_which_serde_can_lay_out_a_type() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Inner {
        data: Binary,
        note: String,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Flat {
        id: u8,
        #[serde(flatten)]
        inner: Inner,
        #[serde(flatten)]
        rest: BTreeMap<String, Binary>,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum External {
        Unit,
        New(Binary),
        Tuple(Binary, u8),
        Struct { b: Binary },
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "type")]
    enum Internal {
        Struct { b: Binary },
        Wrapped(Inner),
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "t", content = "c")]
    enum Adjacent {
        New(Binary),
        Struct { b: Binary },
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        Number(u8),
        Text(String),
        Bytes(Binary),
        Many(Vec<Binary>),
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct New(Binary);
    let inner = || Inner { data: bin(b"in"), note: "n".to_owned() };

    let rest = [("x".to_owned(), bin(b"1")), ("y".to_owned(), bin(b"2"))].into();
    assert_eq!(there_and_back(&Flat { id: 1, inner: inner(), rest }), 3);
    for (value, count) in [
        (External::Unit, 0),
        (External::New(bin(b"1")), 1),
        (External::Tuple(bin(b"1"), 2), 1),
        (External::Struct { b: bin(b"1") }, 1),
    ] {
        assert_eq!(there_and_back(&value), count);
    }
    assert_eq!(there_and_back(&Internal::Struct { b: bin(b"1") }), 1);
    assert_eq!(there_and_back(&Internal::Wrapped(inner())), 1);
    assert_eq!(there_and_back(&Adjacent::New(bin(b"1"))), 1);
    assert_eq!(there_and_back(&Adjacent::Struct { b: bin(b"1") }), 1);
    for value in [
        Untagged::Number(1),
        Untagged::Text("t".to_owned()),
        Untagged::Bytes(bin(b"1")),
        Untagged::Many(vec![bin(b"1"), bin(b"2")]),
    ] {
        there_and_back(&value);
    }
    assert_eq!(there_and_back(&New(bin(b"1"))), 1);
    assert_eq!(there_and_back(&(bin(b"1"), [bin(b"2"), bin(b"3")], Box::new(bin(b"4")))), 4);
}

#[test]
fn fields_of_other_types() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Frame {
        #[serde(with = "socketio_parser::attachment")]
        pixels: Bytes,
        #[serde(with = "socketio_parser::attachment")]
        more: Vec<u8>,
        #[serde(with = "socketio_parser::attachment", default)]
        maybe: Option<Bytes>,
        #[serde(with = "socketio_parser::attachment")]
        list: Vec<Bytes>,
    }
    let frame = Frame {
        pixels: Bytes::from_static(b"1"),
        more: vec![2],
        maybe: None,
        list: vec![Bytes::from_static(b"3"), Bytes::from_static(b"4")],
    };
    assert_eq!(there_and_back(&frame), 4);
}

#[test]
fn attachments_are_shared_not_copied() {
    let attachment = Bytes::from(vec![7u8; 4096]);
    let mut decoder = socketio_parser::Decoder::default();
    let placeholder = r#"{"_placeholder":true,"num":0}"#;
    // Two references to the same attachment, and one unreferenced attachment: dropped, as by the official
    // decoder.
    decoder.text(format!(r#"52-["a",{placeholder},{{"b":{placeholder}}}]"#).into()).unwrap();
    decoder.binary(attachment.clone()).unwrap();
    let event = event(decoder.binary(Bytes::from_static(b"unused")).unwrap().unwrap());
    let (first, second): (Binary, BTreeMap<String, Binary>) = event.args().parse_all().unwrap();
    assert_eq!(first.as_ptr(), attachment.as_ptr());
    assert_eq!(second["b"].as_ptr(), attachment.as_ptr());
    assert_eq!(event.args().attachments().len(), 2);
}

#[test]
fn other_values_are_rejected_as_binary() {
    let refused = |text: &str| event(decode(text)).args().parse::<Binary>(0).unwrap_err().to_string();
    assert!(refused(r#"2["a","text"]"#).contains("invalid type: string \"text\", expected binary data"));
    assert!(refused(r#"2["a",1]"#).contains("expected binary data"));
    assert!(refused(r#"2["a",[1,2]]"#).contains("expected binary data"));
    assert!(refused(r#"2["a",{"b":1}]"#).contains("expected binary data"));
    assert!(refused(r#"2["a",{"_placeholder":false,"num":0}]"#).contains("expected binary data"));
    assert!(refused(r#"2["a",{"_placeholder":true,"num":0}]"#).contains("the packet has no attachment 0"));
    assert!(refused(r#"2["a"]"#).contains("argument 0 is missing"));

    #[derive(Debug, Deserialize)]
    struct Text {
        #[serde(rename = "b")]
        _b: String,
    }
    let packet = decode_all(r#"51-["a",{"b":{"_placeholder":true,"num":0}}]"#, &[b"x"]);
    let error = event(packet).args().parse::<Text>(0).unwrap_err().to_string();
    assert!(error.contains("invalid type: map, expected a string"), "{error}");
}

#[test]
fn outside_of_a_packet_there_is_no_binary() {
    let error = serde_json::to_string(&bin(b"abc")).unwrap_err().to_string();
    assert!(error.contains("part of a Socket.IO packet"), "{error}");
    let placeholder = r#"{"_placeholder":true,"num":0}"#;
    let error = serde_json::from_str::<Binary>(placeholder).unwrap_err().to_string();
    assert!(error.contains("argument of a Socket.IO packet"), "{error}");

    // Payloads without attachments reject binary data too, and the buffer stays unchanged.
    let mut out = Vec::new();
    assert!(matches!(
        Parser::Json.encode_connect(&mut out, "/", Some(&bin(b"x"))),
        Err(EncodeError::Json(_))
    ));
    assert!(out.is_empty());
    let Payload::Connect(Some(auth)) = decode(r#"0{"_placeholder":true,"num":0}"#).payload else { panic!() };
    auth.parse::<Binary>().unwrap_err();
}

#[test]
fn scopes_end_with_the_packet() {
    /// Serializes a packet during its own serialization.
    struct Nested;
    impl Serialize for Nested {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let (text, attachments) = encode(&bin(b"inner"));
            assert_eq!(attachments.len(), 1);
            serializer.serialize_str(&text)
        }
    }
    let (text, attachments) = encode(&Args((bin(b"1"), Nested, bin(b"2"))));
    assert_eq!(attachments, [&b"1"[..], b"2"]);
    assert!(text.ends_with(r#"{"_placeholder":true,"num":1}]"#), "{text}");

    /// Fails after it has added an attachment.
    struct Failing;
    impl Serialize for Failing {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("no"))
        }
    }
    let mut out = b"head".to_vec();
    Parser::Json.encode_event(&mut out, "/", None, "a", &Args((bin(b"1"), Failing))).unwrap_err();
    assert_eq!(out, b"head");
    assert_eq!(encode(&bin(b"x")).1.len(), 1);
    serde_json::to_string(&bin(b"abc")).unwrap_err();

    /// Panics during serialization.
    struct Panicking;
    impl Serialize for Panicking {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            panic!("a user's mistake")
        }
    }
    std::panic::catch_unwind(|| encode(&Panicking)).unwrap_err();
    serde_json::to_string(&bin(b"abc")).unwrap_err();
}

#[test]
fn a_single_argument_is_forwarded_too() {
    let event = event(decode_all(r#"2["a",{"big": 12345678901234567890} ,"second"]"#, &[]));
    let (text, attachments) = encode(&event.args().get(0).unwrap());
    assert_eq!(text, r#"2["a",{"big": 12345678901234567890}]"#);
    assert!(attachments.is_empty());
    let kept = event.args().get(1).unwrap().to_owned().detach();
    assert_eq!(encode(&Then(&kept, kept.clone())).0, r#"2["a","second","second"]"#);

    // Only the referenced attachments are sent, numbered from 0.
    let text = r#"52-["a",{"_placeholder":true,"num":0},[{"_placeholder":true,"num":1},1.0]]"#;
    let event = self::event(decode_all(text, &[b"zero", b"one"]));
    let (text, attachments) = encode(&event.args().get(1).unwrap());
    assert_eq!(text, r#"51-["a",[{"_placeholder":true,"num":0},1.0]]"#);
    assert_eq!(attachments, [&b"one"[..]]);
}

#[test]
fn forwarding_keeps_attachments_and_bytes() {
    let text = r#"52-/a,7["n\u0061me", {"b":{"_placeholder":true,"num":1}} ,12345678901234567890, 1.0]"#;
    let packet = decode_all(text, &[b"0", b"1"]);
    let mut out = Vec::new();
    let attachments = Parser::Json.encode_packet(&mut out, &packet).unwrap();
    assert_eq!(std::str::from_utf8(&out).unwrap(), text);
    assert_eq!(attachments, [&b"0"[..], b"1"]);

    let event = event(packet);
    let (text, attachments) = encode(&Then(event.args(), "offset"));
    assert_eq!(text, r#"52-["a",{"b":{"_placeholder":true,"num":1}} ,12345678901234567890, 1.0,"offset"]"#);
    assert_eq!(attachments, [&b"0"[..], b"1"]);

    // After other attachments the placeholders are renumbered; only referenced attachments are sent.
    let (text, attachments) = encode(&Then(bin(b"first"), event.args()));
    let expected = concat!(
        r#"52-["a",{"_placeholder":true,"num":0},{"b":{"_placeholder":true,"num":1}} ,"#,
        "12345678901234567890, 1.0]"
    );
    assert_eq!(text, expected);
    assert_eq!(attachments, [&b"first"[..], b"1"]);
}
