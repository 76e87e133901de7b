//! The msgpack parser: encoding, strictness, and notepack.io's own forms.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use socketio_parser::{
    Args, Binary, DecodeError, Decoder, Limits, Packet, PacketType, Parser, Payload, RawArgs, Revision, Then,
    ToArgs, Value,
};

use crate::common::{affordable, event};

pub(crate) fn try_decode(bytes: &[u8]) -> Result<Packet, DecodeError> {
    let mut decoder = Parser::Msgpack.decoder(Limits::default());
    decoder.binary(Bytes::copy_from_slice(bytes)).map(|packet| packet.expect("one message is one packet"))
}

fn encode(args: &(impl ToArgs + ?Sized)) -> Vec<u8> {
    let mut out = Vec::new();
    assert!(Parser::Msgpack.encode_event(&mut out, "/", None, "a", args).unwrap().is_empty());
    out
}

/// The bytes of an event with one argument in msgpack.
pub(crate) fn event_with(argument: &[u8]) -> Vec<u8> {
    [b"\x83\xa4type\x02\xa4data\x92\xa1a", argument, b"\xa3nsp\xa1/"].concat()
}

fn argument(bytes: &[u8]) -> RawArgs {
    event(try_decode(&event_with(bytes)).unwrap()).into_args()
}

#[test]
fn the_bytes_of_the_official_encoder() {
    assert_eq!(encode(&1), b"\x83\xa4type\x02\xa4data\x92\xa1a\x01\xa3nsp\xa1/");
    let mut out = Vec::new();
    Parser::Msgpack.encode_event(&mut out, "/chat", Some(300), "a", &Args(())).unwrap();
    assert_eq!(out, b"\x84\xa4type\x02\xa4data\x91\xa1a\xa2id\xcd\x01\x2c\xa3nsp\xa5/chat");
    out.clear();
    Parser::Msgpack.encode_ack(&mut out, "/", 7, &Args((true, ()))).unwrap();
    assert_eq!(out, b"\x84\xa2id\x07\xa4type\x03\xa4data\x92\xc3\xc0\xa3nsp\xa1/");
    out.clear();
    Parser::Msgpack.encode_connect(&mut out, "/", Some(&BTreeMap::from([("sid", "x")]))).unwrap();
    assert_eq!(out, b"\x83\xa4type\x00\xa4data\x81\xa3sid\xa1x\xa3nsp\xa1/");
    out.clear();
    Parser::Msgpack.encode_disconnect(&mut out, "/").unwrap();
    assert_eq!(out, b"\x82\xa4type\x01\xa3nsp\xa1/");
    out.clear();
    Parser::Msgpack.encode_connect_error::<()>(&mut out, Revision::V5, "/", "no", None).unwrap();
    assert_eq!(out, b"\x83\xa4type\x04\xa4data\x81\xa7message\xa2no\xa3nsp\xa1/");
}

#[test]
fn numbers_have_the_shortest_form() {
    for (value, bytes) in [
        (0i64, &b"\x00"[..]),
        (127, b"\x7f"),
        (128, b"\xcc\x80"),
        (256, b"\xcd\x01\x00"),
        (65_536, b"\xce\x00\x01\x00\x00"),
        (4_294_967_296, b"\xcf\x00\x00\x00\x01\x00\x00\x00\x00"),
        (-1, b"\xff"),
        (-32, b"\xe0"),
        (-33, b"\xd0\xdf"),
        (-129, b"\xd1\xff\x7f"),
        (-32_769, b"\xd2\xff\xff\x7f\xff"),
        (-2_147_483_649, b"\xd3\xff\xff\xff\xff\x7f\xff\xff\xff"),
    ] {
        assert_eq!(encode(&value), event_with(bytes), "{value}");
        assert_eq!(argument(bytes).parse::<i64>(0).unwrap(), value);
    }
    // JavaScript has one number type.
    assert_eq!(encode(&3.0), event_with(b"\x03"));
    assert_eq!(encode(&-0.0), event_with(b"\x00"));
    assert_eq!(encode(&1.5), event_with(b"\xcb\x3f\xf8\0\0\0\0\0\0"));
    assert_eq!(argument(b"\xca\x3f\xc0\0\0").parse::<f32>(0).unwrap(), 1.5);
    assert_eq!(argument(b"\x03").parse::<f64>(0).unwrap(), 3.0);
}

#[test]
fn header_size_depends_on_the_length() {
    for length in [0, 1, 15, 16, 31, 32, 255, 256, 65_535, 65_536].into_iter().filter(affordable) {
        let text = "x".repeat(length);
        let list = vec![1u8; length];
        let map: BTreeMap<usize, bool> = (0..length).map(|key| (key, true)).collect();
        let binary = Binary::from(vec![7; length]);
        let message = encode(&Args((&text, &list, &map, &binary)));
        let args = event(try_decode(&message).unwrap()).into_args();
        type All = (String, Vec<u8>, BTreeMap<usize, bool>, Binary);
        assert_eq!(args.parse_all::<All>().unwrap(), (text, list, map, binary));
    }
}

#[test]
fn lengths_that_serde_does_not_know_are_put_right() {
    #[derive(Serialize)]
    struct Flat {
        a: u8,
        #[serde(flatten)]
        rest: BTreeMap<String, u8>,
    }
    struct Lazy(usize);
    impl Serialize for Lazy {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            use serde::ser::SerializeSeq;
            // A wrong length hint: zero for a non-empty sequence.
            let mut seq = serializer.serialize_seq(Some(1))?;
            for number in 0..self.0 {
                seq.serialize_element(&number)?;
            }
            seq.end()
        }
    }
    let flat = Flat { a: 1, rest: (0..20).map(|key| (format!("k{key}"), key)).collect() };
    let args = event(try_decode(&encode(&flat)).unwrap()).into_args();
    let back: BTreeMap<String, u8> = args.parse(0).unwrap();
    assert_eq!((back.len(), back["a"], back["k19"]), (21, 1, 19));
    for length in [0, 1, 2, 15, 16, 70_000].into_iter().filter(affordable) {
        let args = event(try_decode(&encode(&Args((Lazy(length), "behind")))).unwrap()).into_args();
        let (list, behind): (Vec<usize>, String) = args.parse_all().unwrap();
        assert_eq!((list, behind.as_str()), ((0..length).collect(), "behind"));
    }
}

#[test]
fn every_way_in_which_serde_can_lay_out_a_type() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum External {
        Unit,
        New(Binary),
        Tuple(Binary, u8),
        Struct { b: Binary, o: Option<u8> },
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "type")]
    enum Internal {
        Struct { b: Binary },
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "t", content = "c")]
    enum Adjacent {
        New(Binary),
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        Number(i8),
        Bytes(Binary),
        Text(String),
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Flat {
        id: u8,
        #[serde(flatten)]
        rest: BTreeMap<String, Binary>,
        c: char,
        n: (),
        #[serde(with = "socketio_parser::attachment")]
        raw: Bytes,
    }
    #[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
    enum Key {
        First,
    }
    fn check<T: Serialize + for<'de> Deserialize<'de> + PartialEq + std::fmt::Debug>(value: &T) {
        let message = encode(value);
        let args = event(try_decode(&message).unwrap()).into_args();
        assert_eq!(&args.parse::<T>(0).unwrap(), value);
    }
    let bin = || Binary::from_static(b"\x00\xff");
    check(&[
        External::Unit,
        External::New(bin()),
        External::Tuple(bin(), 1),
        External::Struct { b: bin(), o: None },
    ]);
    check(&Internal::Struct { b: bin() });
    check(&Adjacent::New(bin()));
    check(&[Untagged::Number(-1), Untagged::Bytes(bin()), Untagged::Text("t".to_owned())]);
    let rest = [("x".to_owned(), bin()), ("y".to_owned(), bin())].into();
    check(&Flat { id: 1, rest, c: 'é', n: (), raw: Bytes::from_static(b"raw") });
    check(&BTreeMap::from([(Key::First, 1u8)]));
    check(&BTreeMap::from([(-5i32, Some(1.5f32))]));
    check(&(true, "text".to_owned(), Some(Box::new(1u64)), [1u8; 3]));
}

#[test]
fn binary_is_a_slice_of_the_packet() {
    let message = Bytes::from(encode(&Binary::from(vec![9u8; 500])));
    let packet = Parser::Msgpack.decoder(Limits::default()).binary(message.clone()).unwrap().unwrap();
    let args = event(packet).into_args();
    let binary: Binary = args.parse(0).unwrap();
    assert!(message.as_ptr_range().contains(&binary.as_ptr()));
    let error = args.parse::<String>(0).unwrap_err().to_string();
    assert!(error.starts_with("argument 0: invalid type: byte array, expected a string"), "{error}");
    let error = argument(b"\xa4text").parse::<Binary>(0).unwrap_err().to_string();
    assert!(error.contains("invalid type: string \"text\", expected binary data"), "{error}");
}

/// A value of any shape takes its bytes from the packet, also as a field that serde buffers.
#[test]
fn values_of_any_shape_keep_binary_data() {
    #[derive(Serialize, Deserialize)]
    struct Envelope {
        source: String,
        #[serde(flatten)]
        fields: BTreeMap<String, Value>,
    }
    let sent = BTreeMap::from([("a", Binary::from_static(b"one")), ("b", Binary::from_static(b"two"))]);
    let sent = Value::from_serialize(&(sent, "x", 1.5, -1, None::<u8>)).unwrap();
    let received = |packet: &[u8]| event(try_decode(packet).unwrap()).into_args();
    let args = received(&encode(&sent));
    let whole: Value = args.parse(0).unwrap();
    assert_eq!(whole.at(0).get("b").as_binary(), Some(Binary::from_static(b"two")));
    assert_eq!(encode(&whole), encode(&sent));
    let fields = BTreeMap::from([("file".to_owned(), whole)]);
    let read: Envelope = received(&encode(&Envelope { source: "x".to_owned(), fields })).parse(0).unwrap();
    assert_eq!(read.fields["file"].at(0).get("a").parse::<Binary>().unwrap(), Binary::from_static(b"one"));
    // In JSON the same bytes are attachments.
    let mut text = Vec::new();
    let attachments = Parser::Json.encode_event(&mut text, "/", None, "a", &read).unwrap();
    assert_eq!(attachments, [&b"one"[..], b"two"]);
}

#[test]
fn the_forms_of_notepack() {
    // undefined
    assert_eq!(argument(b"\xd4\x00\x00").parse::<Option<u8>>(0).unwrap(), None);
    argument(b"\xd4\x00\x00").parse::<()>(0).unwrap();
    // Date
    let date = argument(b"\xd7\x00\x00\x00\x01\x8d\xf4\x91\x94\x95");
    assert_eq!(date.parse::<i64>(0).unwrap(), 1_709_205_197_973);
    assert_eq!(date.parse::<f64>(0).unwrap(), 1_709_205_197_973.0);
    assert_eq!(date.parse::<String>(0).unwrap(), "2024-02-29T11:13:17.973Z");
    let never = argument(b"\xd7\x00\x7f\xff\xff\xff\xff\xff\xff\xff");
    assert_eq!(never.parse::<serde_json::Value>(0).unwrap(), serde_json::Value::Null);
    // ArrayBuffer
    for bytes in [&b"\xc7\x02\x00hi"[..], b"\xc8\x00\x02\x00hi", b"\xc9\x00\x00\x00\x02\x00hi"] {
        assert_eq!(argument(bytes).parse::<Binary>(0).unwrap(), Binary::from_static(b"hi"));
    }
    // Any other extension is read as an array of its type and its bytes.
    for bytes in [&b"\xd5\x05hi"[..], b"\xc7\x02\x05hi"] {
        let (kind, content): (i8, Binary) = argument(bytes).parse(0).unwrap();
        assert_eq!((kind, &content[..]), (5, &b"hi"[..]));
    }
    let (kind, content): (i8, Binary) = argument(b"\xd5\x00hi").parse(0).unwrap();
    assert_eq!((kind, content.len()), (0, 2));
}

#[test]
fn forwarding_changes_no_byte() {
    let forms = b"\x86\xa1u\xd4\x00\x00\xa1d\xd7\x00\0\0\0\0\0\0\0\x01\xa1b\xc7\x01\x00x\xa1f\xca\x3f\xc0\0\0\xa1n\xcb\x7f\xf8\0\0\0\0\0\0\xa1i\xcd\x00\x01";
    let message = event_with(forms);
    let packet = try_decode(&message).unwrap();
    let mut out = b"head".to_vec();
    Parser::Msgpack.encode_packet(&mut out, &packet).unwrap();
    assert_eq!(&out[4..], message);

    let event = event(packet);
    let one = encode(&event.args().get(0).unwrap());
    assert_eq!(one, [b"\x83\xa4type\x02\xa4data\x92\xa1a", &forms[..], b"\xa3nsp\xa1/"].concat());
    let appended = encode(&Then(event.args(), "offset"));
    let expected = [b"\x83\xa4type\x02\xa4data\x93\xa1a", &forms[..], b"\xa6offset\xa3nsp\xa1/"].concat();
    assert_eq!(appended, expected);

    // A client that uses JSON receives the result of JSON.stringify.
    let mut text = Vec::new();
    let attachments = Parser::Json.encode_event(&mut text, "/", None, "a", event.args()).unwrap();
    let expected = concat!(
        r#"51-["a",{"d":"1970-01-01T00:00:00.001Z","b":{"_placeholder":true,"num":0},"#,
        r#""f":1.5,"n":null,"i":1}]"#
    );
    assert_eq!(String::from_utf8(text).unwrap(), expected);
    assert_eq!(attachments, [&b"x"[..]]);
    let value = event.args().get(0).unwrap().value().unwrap();
    assert_eq!(value.get("b").as_binary(), Some(Binary::from_static(b"x")));
    assert_eq!(value.get("f").as_f64(), Some(1.5));
}

#[test]
fn from_json_to_msgpack() {
    let text = r#"52-/a,7["name",{"b":[{"_placeholder":true,"num":1},-1.5,null]},"x"]"#;
    let mut decoder = Decoder::default();
    decoder.text(text.into()).unwrap();
    decoder.binary("0".into()).unwrap();
    let packet = decoder.binary("1".into()).unwrap().unwrap();
    let mut out = Vec::new();
    Parser::Msgpack.encode_packet(&mut out, &packet).unwrap();
    let expected = b"\x84\xa4type\x02\xa4data\x93\xa4name\x81\xa1b\x93\xc4\x011\xcb\xbf\xf8\0\0\0\0\0\0\xc0\xa1x\xa2id\x07\xa3nsp\xa2/a";
    assert_eq!(out, expected);

    for text in [r#"0/a,{"t":[1]}"#, r#"4/a,{"message":"m"}"#, r#"4"m""#, "1/a,", "0", "31[]"] {
        let packet = Decoder::default().text(text.into()).unwrap().unwrap();
        let mut binary = Vec::new();
        Parser::Msgpack.encode_packet(&mut binary, &packet).unwrap();
        let packet = try_decode(&binary).unwrap();
        let mut again = Vec::new();
        Parser::Msgpack.encode_packet(&mut again, &packet).unwrap();
        assert_eq!(again, binary);
        let mut back = Vec::new();
        Parser::Json.encode_packet(&mut back, &packet).unwrap();
        assert_eq!(std::str::from_utf8(&back).unwrap(), text);
    }
}

#[test]
fn packets_of_the_wrong_shape() {
    use DecodeError::{EventName, MsgpackId, MsgpackNamespace, MsgpackType, ReservedEvent, Shape, Unicode};
    for (bytes, expected) in [
        (&b"\x81\xa3nsp\xa1/"[..], MsgpackType),
        (b"\x82\xa4type\xa12\xa3nsp\xa1/", MsgpackType),
        (b"\x82\xa4type\x05\xa3nsp\xa1/", MsgpackType),
        (b"\x82\xa4type\xff\xa3nsp\xa1/", MsgpackType),
        (b"\x82\xa4type\xcb\x3f\xf8\0\0\0\0\0\0\xa3nsp\xa1/", MsgpackType),
        (b"\x81\xa4type\x00", MsgpackNamespace),
        (b"\x82\xa4type\x00\xa3nsp\x01", MsgpackNamespace),
        (b"\x82\xa4type\x00\xa3nsp\xa1\xff", Unicode),
        (b"\x83\xa4type\x00\xa3nsp\xa1/\xa4data\x90", Shape(PacketType::Connect)),
        (b"\x83\xa4type\x00\xa3nsp\xa1/\xa4data\xc0", Shape(PacketType::Connect)),
        (b"\x83\xa4type\x01\xa3nsp\xa1/\xa4data\x80", Shape(PacketType::Disconnect)),
        (b"\x82\xa4type\x02\xa3nsp\xa1/", Shape(PacketType::Event)),
        (b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x80", Shape(PacketType::Event)),
        (b"\x82\xa4type\x03\xa3nsp\xa1/", Shape(PacketType::Ack)),
        (b"\x82\xa4type\x04\xa3nsp\xa1/", Shape(PacketType::ConnectError)),
        (b"\x83\xa4type\x04\xa3nsp\xa1/\xa4data\x01", Shape(PacketType::ConnectError)),
        (b"\x84\xa4type\x03\xa3nsp\xa1/\xa4data\x90\xa2id\xc0", MsgpackId),
        (b"\x84\xa4type\x03\xa3nsp\xa1/\xa4data\x90\xa2id\xff", MsgpackId),
        (b"\x84\xa4type\x03\xa3nsp\xa1/\xa4data\x90\xa2id\xa11", MsgpackId),
        (b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x90", EventName),
        (b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x91\xc3", EventName),
        (b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x91\xa7connect", ReservedEvent),
    ] {
        assert_eq!(try_decode(bytes).unwrap_err(), expected, "{}", bytes.escape_ascii());
    }
    let mut decoder = Parser::Msgpack.decoder(Limits::default());
    decoder.text("2[\"a\"]".into()).unwrap_err();
}

#[test]
fn accepts_what_the_official_decoder_accepts() {
    // An integral float, undefined for missing values, unknown keys, the last of equal keys.
    for bytes in [
        &b"\x82\xa4type\xcb\0\0\0\0\0\0\0\0\xa3nsp\xa1/"[..],
        b"\x83\xa4type\x00\xa3nsp\xa1/\xa4data\xd4\x00\x00",
        b"\x83\xa4type\x00\xa3nsp\xa1/\xa2id\xd4\x00\x00",
        b"\x83\xa4type\x00\xa3nsp\xa1/\xa4more\x91\xc0",
        b"\x84\xa4type\x03\xa4type\x00\xa3nsp\xa2/a\xa3nsp\xa1/",
    ] {
        let packet = try_decode(bytes).unwrap();
        assert!(matches!(packet.payload, Payload::Connect(None)), "{}", bytes.escape_ascii());
        assert!(packet.namespace.is_root() && packet.ack_id.is_none());
    }
    let named = |name: &[u8]| {
        event(try_decode(&[b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x91", name].concat()).unwrap())
            .name()
            .to_owned()
    };
    assert_eq!(named(b"\x01"), "1");
    assert_eq!(named(b"\xff"), "-1");
    assert_eq!(named(b"\xcb\x3f\xf8\0\0\0\0\0\0"), "1.5");
}

#[test]
fn malformed_bytes_are_refused() {
    let message = event_with(b"\x82\xa1k\xc4\x02hi\xa1l\x92\xcd\x01\x00\xd7\x00\0\0\0\0\0\0\0\x01");
    try_decode(&message).unwrap();
    for length in 0..message.len() {
        assert!(matches!(try_decode(&message[..length]), Err(DecodeError::Msgpack { .. })), "{length}");
    }
    assert!(try_decode(&[&message[..], b"\xc0"].concat()).is_err());
    for argument in [
        &b"\xc1"[..],
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff\x05",
        b"\xa1\xff",
        b"\x81\xc0\xc0",
    ] {
        try_decode(&event_with(argument)).unwrap_err();
    }
}
