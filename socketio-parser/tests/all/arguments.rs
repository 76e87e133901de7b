//! Arguments: one or several when sent, undecoded until a type is requested when received.

use crate::common::{affordable, decode, event};
use serde::Deserialize;
use socketio_parser::{ArgError, Args, Parser, RawArgs, Then, ToArgs};

fn encode(args: &(impl ToArgs + ?Sized)) -> String {
    let mut out = Vec::new();
    assert!(Parser::Json.encode_event(&mut out, "/", None, "a", args).unwrap().is_empty());
    String::from_utf8(out).unwrap()
}

#[test]
fn one_value_is_one_argument() {
    assert_eq!(encode(&1), r#"2["a",1]"#);
    assert_eq!(encode("text"), r#"2["a","text"]"#);
    assert_eq!(encode(&vec![1, 2]), r#"2["a",[1,2]]"#);
    assert_eq!(encode(&(1, "b")), r#"2["a",[1,"b"]]"#);
    assert_eq!(encode(&()), r#"2["a",null]"#);
    assert_eq!(encode(&None::<u8>), r#"2["a",null]"#);
    assert_eq!(encode(&serde_json::json!([1])), r#"2["a",[1]]"#);
}

#[test]
fn several_are_said_explicitly() {
    assert_eq!(encode(&Args(())), r#"2["a"]"#);
    assert_eq!(encode(&Args((1,))), r#"2["a",1]"#);
    assert_eq!(encode(&Args((1, "b", [2]))), r#"2["a",1,"b",[2]]"#);
    assert_eq!(encode(&Args((1, 2, 3, 4, 5, 6, 7, 8))), r#"2["a",1,2,3,4,5,6,7,8]"#);
    assert_eq!(encode(&Args(vec![1, 2])), r#"2["a",1,2]"#);
    assert_eq!(encode(&Args(&[1, 2][..])), r#"2["a",1,2]"#);
    assert_eq!(encode(&Then(Args((1, 2)), 3)), r#"2["a",1,2,3]"#);
    assert_eq!(encode(&Then(RawArgs::empty(), 3)), r#"2["a",3]"#);
    let mut out = Vec::new();
    Parser::Json.encode_ack(&mut out, "/", 1, &Args(())).unwrap();
    Parser::Json.encode_ack(&mut out, "/", 2, &RawArgs::empty()).unwrap();
    assert_eq!(out, b"31[]32[]");
    for (args, count) in
        [(&Args((1, 2)) as &dyn ToArgs, 2), (&1, 1), (&Args(()), 0), (&Then(1, Args((2, 3))), 3)]
    {
        assert_eq!(args.count(), count);
    }
}

#[test]
fn raw_arguments_are_slices_of_the_packet() {
    let text = bytes::Bytes::from_static(br#"2["a", 1.0 ,{"z":1,"a":12345678901234567890}, "x" ,null,[ ]]"#);
    let packet = socketio_parser::Decoder::default().text(text.clone()).unwrap().unwrap();
    let event = event(packet);
    let raw: Vec<&str> = event.args().iter().map(|arg| arg.as_json().unwrap()).collect();
    assert_eq!(raw, ["1.0", r#"{"z":1,"a":12345678901234567890}"#, r#""x""#, "null", "[ ]"]);
    assert!(text.as_ptr_range().contains(&raw[1].as_ptr()));
    assert_eq!(event.args().len(), 5);
    assert!(event.args().get(5).is_none());
    let owned = event.args().get(1).unwrap().to_owned();
    assert_eq!(owned.as_bytes().as_ptr(), raw[1].as_ptr());
    assert_eq!(format!("{:?}", event.args()), format!("[{}]", raw.join(", ")));
}

#[test]
fn typed_arguments() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Point<'a> {
        x: i32,
        name: &'a str,
    }
    let first = event(decode(r#"2["a",{"x":1,"name":"p"},"two",3]"#));
    let args = first.args();
    assert_eq!(args.parse::<Point<'_>>(0).unwrap(), Point { x: 1, name: "p" });
    assert_eq!(args.parse::<&str>(1).unwrap(), "two");
    assert_eq!(args.parse_all::<(Point<'_>, &str, u8)>().unwrap().2, 3);
    // Fewer arguments than were sent are accepted, as by a JavaScript function; more, if they are optional.
    assert_eq!(args.parse_all::<(Point<'_>,)>().unwrap().0.x, 1);
    let all = args.parse_all::<(serde_json::Value, String, u8, Option<u8>, ())>().unwrap();
    assert_eq!(all.3, None);
    assert_eq!(args.parse::<Option<u8>>(9).unwrap(), None);
    assert_eq!(args.parse_all::<Vec<serde_json::Value>>().unwrap().len(), 3);

    #[derive(Deserialize)]
    struct All(serde_json::Value, String, #[serde(default)] Option<u8>);
    let all: All = args.parse_all().unwrap();
    assert_eq!((all.0["x"].as_i64(), all.1.as_str(), all.2), (Some(1), "two", Some(3)));
}

/// SIO-PARSER-13, SIO-PARSER-14: what a reviver of JavaScript does, the type of the argument does.
#[test]
fn a_type_can_change_the_values_that_it_reads() {
    fn upper<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
        String::deserialize(deserializer).map(|text| text.to_uppercase())
    }

    #[derive(Deserialize)]
    struct Upper(#[serde(deserialize_with = "upper")] String);

    let event = event(decode(r#"2["a",{"b":"val"},["val"]]"#));
    let (object, list): (std::collections::BTreeMap<String, Upper>, [Upper; 1]) =
        event.args().parse_all().unwrap();
    assert_eq!((object["b"].0.as_str(), list[0].0.as_str()), ("VAL", "VAL"));
}

#[test]
fn errors_name_the_argument() {
    let event = event(decode(r#"2["a",1,"two"]"#));
    let error = event.args().parse::<u8>(1).unwrap_err();
    assert!(matches!(error, ArgError::Json { index: 1, .. }));
    assert!(error.to_string().starts_with("argument 1: invalid type: string"), "{error}");
    assert!(matches!(event.args().parse::<u8>(2), Err(ArgError::Missing { index: 2 })));
    let error = event.args().parse_all::<(u8, u8)>().unwrap_err();
    assert!(matches!(error, ArgError::Json { index: 1, .. }), "{error}");
    let error = event.args().parse_all::<(u8, String, u8)>().unwrap_err();
    assert!(matches!(error, ArgError::Json { index: 2, .. }), "{error}");
    event.args().parse_all::<u8>().unwrap_err();
}

/// The requested type decides whether it can hold a value; the packet itself is valid.
#[test]
fn numbers_and_strings_beyond_rust() {
    let event = event(decode(r#"2["a",1e999,"\ud800",-0,123456789012345678901234567890]"#));
    let args = event.args();
    args.parse::<f64>(0).unwrap_err();
    args.parse::<String>(1).unwrap_err();
    args.parse::<u64>(3).unwrap_err();
    assert!(args.parse::<f64>(2).unwrap().is_sign_negative());
    assert_eq!(encode(args), r#"2["a",1e999,"\ud800",-0,123456789012345678901234567890]"#);
    let value = args.get(1).unwrap().value().unwrap();
    assert_eq!((value.view().as_str(), value.view().as_json()), (None, Some(r#""\ud800""#)));
    value.view().to_json().unwrap_err();
    args.get(0).unwrap().value().unwrap().view().to_json().unwrap_err();
}

#[test]
fn half_a_million_arguments() {
    let many = if affordable(&490_000) { 490_000 } else { 490 };
    let text = format!("2[\"a\"{}]", ",1".repeat(many));
    let event = event(decode(&text));
    assert_eq!(event.args().len(), many);
    assert_eq!(event.args().iter().map(|arg| arg.parse::<usize>().unwrap()).sum::<usize>(), many);
    assert_eq!(encode(event.args()), text);
}

#[test]
fn errors_are_small() {
    assert!(size_of::<socketio_parser::DecodeError>() <= 8);
    assert!(size_of::<ArgError>() <= 32);
    assert!(size_of::<socketio_parser::EncodeError>() <= 32);
}
