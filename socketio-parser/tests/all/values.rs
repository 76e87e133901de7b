//! [`Value`](socketio_parser::Value) compared with serde_json's.

use crate::common::{decode, decode_all, event};
use socketio_parser::value::Kind;
use socketio_parser::{Binary, Parser, Value, ValueRef};

fn value(json: &str) -> Value {
    event(decode(&format!("2[\"a\",{json}]"))).args().get(0).unwrap().value().unwrap()
}

const SAMPLES: [&str; 16] = [
    "null",
    "true",
    "false",
    "0",
    "-12",
    "18446744073709551615",
    "1.5e3",
    r#""""#,
    r#""plain""#,
    r#""a\"b\\c\u00e9\ud83d\ude00 and a bit more of it""#,
    "[]",
    "{}",
    "[1,[2,[3,{}],[]],4]",
    r#"{"a":{"b":{"c":[1,2,{"d":null}]}},"e\n":"f\t","g":[]}"#,
    r#" [ 1 , { "a" : "b" , "c" : [ true , false ] } ] "#,
    r#"{"_placeholder":true,"num":0}"#,
];

#[test]
fn values_equal_those_of_serde_json() {
    for json in SAMPLES {
        let expected: serde_json::Value = serde_json::from_str(json).unwrap();
        let value = value(json);
        same(value.view(), &expected);
        assert_eq!(value.view().to_json().unwrap(), expected);
    }
}

fn same(ours: ValueRef<'_>, theirs: &serde_json::Value) {
    use serde_json::Value as Json;
    match theirs {
        Json::Null => assert!(ours.is_null()),
        Json::Bool(expected) => assert_eq!(ours.as_bool(), Some(*expected)),
        Json::Number(expected) => {
            assert_eq!(ours.kind(), Kind::Number);
            assert_eq!((ours.as_u64(), ours.as_i64()), (expected.as_u64(), expected.as_i64()));
            assert_eq!(ours.as_f64(), expected.as_f64());
        }
        Json::String(expected) => assert_eq!(ours.as_str(), Some(expected.as_str())),
        Json::Array(expected) => {
            assert_eq!((ours.kind(), ours.len()), (Kind::Array, expected.len()));
            for (index, expected) in expected.iter().enumerate() {
                same(ours.at(index), expected);
            }
            assert!(ours.at(expected.len()).is_missing());
        }
        Json::Object(expected) => {
            assert_eq!((ours.kind(), ours.len()), (Kind::Object, expected.len()));
            for (key, expected) in expected {
                same(ours.get(key), expected);
            }
            assert!(ours.get("no such key").is_missing());
        }
    }
}

#[test]
fn it_is_sent_on_exactly() {
    for json in SAMPLES {
        let mut out = Vec::new();
        Parser::Json.encode_event(&mut out, "/", None, "a", &value(json)).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), format!("2[\"a\",{}]", json.trim()));
    }
    let number = value("[1.0,12345678901234567890123,1e5,-0]");
    let mut out = Vec::new();
    Parser::Json.encode_event(&mut out, "/", None, "a", &(number.at(0), number.at(1), number.at(9))).unwrap();
    assert_eq!(out, br#"2["a",[1.0,12345678901234567890123,null]]"#);
}

#[test]
fn attachments_are_part_of_it() {
    let packet = decode_all(
        r#"52-["a",{"x":[{"_placeholder":true,"num":1},"s"],"y":{"num":0,"z":{},"_placeholder":true}}]"#,
        &[b"0", b"1"],
    );
    let value = event(packet).args().get(0).unwrap().value().unwrap();
    assert_eq!(value.get("x").at(0).as_binary(), Some(Binary::from_static(b"1")));
    assert_eq!(value.get("x").at(1).as_str(), Some("s"));
    assert_eq!(value.get("x").len(), 2);
    assert_eq!(value.get("y").kind(), Kind::Binary);
    assert_eq!(value.view().len(), 2);
    assert!(value.view().to_json().is_err());
    assert_eq!(format!("{value:?}"), r#"{"x": [b"1", "s"], "y": b"0"}"#);

    let mut out = Vec::new();
    let attachments = Parser::Json.encode_event(&mut out, "/", None, "a", &value).unwrap();
    let expected = r#"52-["a",{"x":[{"_placeholder":true,"num":0},"s"],"y":{"_placeholder":true,"num":1}}]"#;
    assert_eq!(String::from_utf8(out).unwrap(), expected);
    assert_eq!(attachments, [&b"1"[..], b"0"]);
}

#[test]
fn the_last_of_equal_keys_counts() {
    let value = value(r#"{"a":1,"\u0061":2}"#);
    assert_eq!(value.get("a").as_i64(), Some(2));
    assert_eq!(value.view().entries().count(), 2);
}

#[test]
fn scalars_have_no_members() {
    for json in ["null", "1", "\"a\"", "true"] {
        let value = value(json);
        assert!(value.get("a").at(0).get("b").is_missing());
        assert!(value.view().is_empty());
        assert_eq!(value.view().elements().count() + value.view().entries().count(), 0);
    }
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Envelope {
    source: String,
    #[serde(flatten)]
    fields: std::collections::BTreeMap<String, Value>,
}

/// Types with values of any shape forward binary data, also where serde buffers the input.
#[test]
fn a_value_in_a_type_keeps_its_attachments() {
    let text = r#"52-["a",{"source":"x","b":{"_placeholder":true,"num":1},"c":[1,{"_placeholder":true,"num":0}],"d":{}},{"_placeholder":true,"num":0}]"#;
    let event = event(decode_all(text, &[b"zero", b"one"]));
    let (whole, second): (Value, Value) = event.args().parse_all().unwrap();
    assert_eq!(whole.get("c").at(1).as_binary(), Some(Binary::from_static(b"zero")));
    assert_eq!(second.view().as_binary(), Some(Binary::from_static(b"zero")));
    assert_eq!(second.parse::<Binary>().unwrap(), Binary::from_static(b"zero"));
    for envelope in [event.args().parse::<Envelope>(0).unwrap(), whole.parse().unwrap()] {
        assert_eq!(envelope.fields["b"].parse::<Binary>().unwrap(), Binary::from_static(b"one"));
        let mut out = Vec::new();
        let attachments = Parser::Json.encode_event(&mut out, "/", None, "a", &envelope).unwrap();
        let expected = r#"52-["a",{"source":"x","b":{"_placeholder":true,"num":0},"c":[1,{"_placeholder":true,"num":1}],"d":{}}]"#;
        assert_eq!((String::from_utf8(out).unwrap().as_str(), attachments.len()), (expected, 2));
        assert_eq!(attachments, [&b"one"[..], b"zero"]);
    }
    // Outside of a packet there is no place for the bytes, and a placeholder is an ordinary object.
    assert!(serde_json::to_string(&whole).is_err());
    let alone: Value = serde_json::from_str(r#"{"_placeholder":true,"num":0}"#).unwrap();
    assert_eq!(serde_json::to_string(&alone).unwrap(), r#"{"_placeholder":true,"num":0}"#);
}

#[test]
fn values_of_every_shape_are_deserialized_and_serialized() {
    for json in SAMPLES {
        let expected: serde_json::Value = serde_json::from_str(json).unwrap();
        let read: Value = serde_json::from_str(json).unwrap();
        same(read.view(), &expected);
        same(Value::from_serialize(&expected).unwrap().view(), &expected);
        assert_eq!(read.parse::<serde_json::Value>().unwrap(), expected);
    }
    // Text is kept as it is, whatever a type of serde could not hold.
    for json in ["[1.0,12345678901234567890123,1e5,-0]", r#"{ "b" : "\ud800", "a": 1e999 }"#] {
        let event = event(decode(&format!("2[\"a\",[{json}]]")));
        let read: Vec<Value> = event.args().parse(0).unwrap();
        let mut out = Vec::new();
        Parser::Json.encode_event(&mut out, "/", None, "a", &read).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), format!("2[\"a\",[{json}]]"));
    }
    // Deep values would exhaust the stack of their readers.
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(serde_json::from_str::<Value>(&nested(1000)).is_ok());
    assert!(serde_json::from_str::<Value>(&nested(1001)).is_err());
    // A member of this name is no text of another value, even where serde has buffered the input.
    let forged = r#"{"source":"x","b":{"$serde_json::private::RawValue":"1,2"}}"#;
    let read: Envelope = serde_json::from_str(forged).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), forged);
    let plain = serde::de::value::MapDeserializer::<_, serde_json::Error>::new(
        [("$serde_json::private::RawValue", "1,2")].into_iter(),
    );
    assert!(<Value as serde::Deserialize>::deserialize(plain).is_err());
    let nothing = value("{}");
    assert_eq!(nothing.get("missing").parse::<Option<u8>>().unwrap(), None);
    assert!(nothing.parse::<u8>().is_err());
}
