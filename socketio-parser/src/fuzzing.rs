//! Bodies of the fuzz targets. They live in this crate so that ordinary builds compile them, and use only the
//! public API.
//!
//! A panic is a finding: each body asserts properties that must hold for any input.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use serde::de::IgnoredAny;
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use crate::value::Kind;
use crate::{Args, Binary, DecodeError, Decoder, Limits, Packet, Parser, Payload, RawArgs, Value, ValueRef};

/// Calls `check` with each seed of a target: the files of `fuzz/<project>/seeds/<target>` in the repository.
///
/// # Panics
///
/// Panics if there are no seeds.
pub fn each_seed(project: &str, target: &str, check: impl Fn(&[u8])) {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz").join(project).join("seeds").join(target);
    let files = fs::read_dir(folder).expect("the folder of the seeds");
    let read = files.map(|file| fs::read(file.expect("a file").path()).expect("a seed"));
    assert!(read.map(|seed| check(&seed)).count() > 0, "there are no seeds");
}

/// One text message: an accepted packet is valid for serde_json, can be inspected, and is forwarded
/// unchanged.
pub fn decode(data: &[u8]) {
    let limits = Limits { max_depth: 100, ..Limits::default() };
    let mut decoder = Decoder::new(Parser::Json, limits);
    let answer = decoder.text(Bytes::copy_from_slice(data));
    match answer {
        Ok(Some(packet)) => {
            look(&packet);
            let mut text = Vec::new();
            let attachments = Parser::Json.encode_packet(&mut text, &packet).expect("what was received");
            assert!(attachments.is_empty(), "a text packet has no attachments");
            // The header has several notations, the payload must be identical.
            if let Payload::Event(event) = &packet.payload {
                let raw = event.args().as_bytes();
                assert!(data.windows(raw.len().max(1)).any(|window| window == raw) || raw.is_empty());
                assert!(text.windows(raw.len().max(1)).any(|window| window == raw) || raw.is_empty());
            }
            let again = Decoder::default().text(text.into()).expect("what was written").expect("complete");
            assert_same(&packet, &again);
        }
        Ok(None) => assert!(decoder.is_pending(), "what is incomplete waits"),
        Err(DecodeError::Json { at }) => {
            // serde_json also rejects the text, wherever the payload starts.
            assert!(at as usize <= data.len());
            let begin = data.iter().position(|&byte| matches!(byte, b'[' | b'{'));
            if let (Some(begin), Some(b'2' | b'3')) = (begin, data.first()) {
                if begin == 1 {
                    serde_json::from_slice::<IgnoredAny>(&data[1..]).expect_err("only we refuse it");
                }
            }
        }
        Err(_) => {}
    }
}

/// Several messages, text and binary: the first byte of each encodes its kind and length.
pub fn decode_sequence(data: &[u8]) {
    let limits = Limits { max_attachments: 5, max_attachment_bytes: 200, max_depth: 20, ..Limits::default() };
    let mut decoder = Decoder::new(Parser::Json, limits);
    let mut rest = data;
    while let Some((&head, more)) = rest.split_first() {
        let length = usize::from(head >> 1).min(more.len());
        let (message, more) = more.split_at(length);
        rest = more;
        let message = Bytes::copy_from_slice(message);
        let was_pending = decoder.is_pending();
        let answer = if head & 1 == 0 { decoder.text(message) } else { decoder.binary(message) };
        match answer {
            Ok(Some(packet)) => {
                assert!(!decoder.is_pending());
                look(&packet);
                let mut text = Vec::new();
                let attachments = Parser::Json.encode_packet(&mut text, &packet).expect("what was received");
                let mut again = Decoder::default();
                let mut answer = again.text(text.into()).expect("what was written");
                for attachment in attachments {
                    assert!(answer.is_none());
                    answer = again.binary(attachment).expect("announced");
                }
                assert_same(&packet, &answer.expect("complete"));
            }
            Ok(None) => assert!(decoder.is_pending()),
            Err(error) => {
                assert!(!decoder.is_pending());
                assert!(was_pending || error != DecodeError::UnexpectedText);
            }
        }
    }
}

/// One msgpack packet: an accepted packet can be inspected, is forwarded unchanged, and survives conversion
/// to JSON and back.
pub fn msgpack(data: &[u8]) {
    let limits = Limits { max_depth: 100, ..Limits::default() };
    let Ok(Some(packet)) = Parser::Msgpack.decoder(limits).binary(Bytes::copy_from_slice(data)) else {
        return;
    };
    look(&packet);
    let mut forwarded = Vec::new();
    Parser::Msgpack.encode_packet(&mut forwarded, &packet).expect("what was received");
    let again = Parser::Msgpack.decoder(limits).binary(forwarded.into()).expect("what was written");
    assert_same(&packet, &again.expect("complete"));

    let mut text = Vec::new();
    let Ok(attachments) = Parser::Json.encode_packet(&mut text, &packet) else { return };
    // A map may look like a JSON placeholder; with attachments in the same packet, the converted packet
    // differs.
    let unlimited = Limits { max_attachments: u32::MAX, max_packet_bytes: usize::MAX, ..Limits::default() };
    let mut decoder = Parser::Json.decoder(unlimited);
    let mut answer = decoder.text(text.into());
    for attachment in attachments {
        assert!(matches!(answer, Ok(None)), "attachments are announced");
        answer = decoder.binary(attachment);
    }
    match answer {
        Ok(packet) => look(&packet.expect("complete")),
        Err(error) => assert_eq!(error, DecodeError::Placeholder),
    }
}

/// A value generated from the input, through both parsers and back.
pub fn round_trip(data: &[u8]) {
    let mut maker = Maker { data };
    let name = maker.string();
    let value = maker.value(0);
    let args = Args((value.clone(), 7u8));
    for parser in [Parser::Json, Parser::Msgpack] {
        let mut out = b"head".to_vec();
        let ack_id = Some(u64::from(maker.byte()));
        let Ok(attachments) = parser.encode_event(&mut out, "/n", ack_id, &name, &args) else {
            assert_eq!(out, b"head", "nothing is left behind");
            continue;
        };
        let message = Bytes::from(out).slice(4..);
        let limits = Limits { max_attachments: u32::MAX, ..Limits::default() };
        let mut decoder = parser.decoder(limits);
        let mut answer = match parser {
            Parser::Json => decoder.text(message),
            Parser::Msgpack => decoder.binary(message),
        };
        for attachment in attachments {
            assert!(matches!(answer, Ok(None)));
            answer = decoder.binary(attachment);
        }
        let packet = answer.expect("what was written").expect("complete");
        let Payload::Event(event) = &packet.payload else { panic!("no event") };
        assert_eq!((event.name(), event.args().len(), packet.ack_id), (name.as_str(), 2, ack_id));
        assert_eq!(event.args().parse::<u8>(1).expect("a number"), 7);
        let back = event.args().get(0).expect("an argument").value().expect("a value");
        value.assert_is(back.view());
        value.assert_is(event.args().parse::<Value>(0).expect("a value").view());
        value.assert_is(Value::from_serialize(&back).expect("a value").view());
    }
}

/// Accesses every part of a packet.
fn look(packet: &Packet) {
    let _ = (packet.namespace.path(), packet.namespace.query(), format!("{packet:?}").len());
    match &packet.payload {
        Payload::Event(event) => {
            assert!(crate::reserved_event(event.name()).is_none());
            look_at(event.args());
        }
        Payload::Ack(args) => look_at(args),
        Payload::Connect(Some(data)) | Payload::ConnectError(Some(data)) => {
            let _ = data.value().map(|value| walk(value.view()));
            let _ = data.parse::<serde_json::Value>();
        }
        _ => {}
    }
}

fn look_at(args: &RawArgs) {
    assert_eq!(args.iter().count(), args.len());
    let _ = args.parse_all::<Vec<serde_json::Value>>();
    let _ = args.parse_all::<(Option<Binary>, Option<String>)>();
    for arg in args.iter() {
        let value = arg.value().expect("what was checked");
        walk(value.view());
        let _ = arg.parse::<Value>().map(|value| walk(value.view()));
        if let (Some(json), Ok(ours)) = (arg.as_json(), value.view().to_json()) {
            let theirs: serde_json::Value = serde_json::from_str(json).expect("JSON");
            assert!(alike(&ours, &theirs), "{ours} is not {theirs}");
        }
    }
}

/// Equality except for the last bit of a float: serde_json rounds some floats differently by default.
fn alike(ours: &serde_json::Value, theirs: &serde_json::Value) -> bool {
    use serde_json::Value as Json;
    match (ours, theirs) {
        (Json::Number(a), Json::Number(b)) => {
            let close = |a: f64, b: f64| (a - b).abs() <= a.abs() * 1e-15 + f64::MIN_POSITIVE;
            a == b || a.as_f64().zip(b.as_f64()).is_some_and(|(a, b)| close(a, b))
        }
        (Json::Array(a), Json::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(ours, theirs)| alike(ours, theirs))
        }
        (Json::Object(a), Json::Object(b)) => {
            let same = |(key, ours): (&String, &Json)| b.get(key).is_some_and(|theirs| alike(ours, theirs));
            a.len() == b.len() && a.iter().all(same)
        }
        _ => ours == theirs,
    }
}

fn walk(view: ValueRef<'_>) -> usize {
    let inside: usize = match view.kind() {
        Kind::Array => view.elements().map(walk).sum(),
        Kind::Object => view.entries().map(|(key, value)| key.len() + walk(value)).sum(),
        _ => 0,
    };
    let _ = (view.as_str(), view.as_f64(), view.as_binary(), view.at(0).is_missing());
    inside + 1
}

fn assert_same(one: &Packet, other: &Packet) {
    assert_eq!((one.kind(), &one.namespace, one.ack_id), (other.kind(), &other.namespace, other.ack_id));
    match (&one.payload, &other.payload) {
        (Payload::Event(one), Payload::Event(other)) => {
            assert_eq!(one.name(), other.name());
            assert_eq!(one.args().as_bytes(), other.args().as_bytes());
            assert_eq!(**one.args().attachments(), **other.args().attachments());
        }
        (Payload::Ack(one), Payload::Ack(other)) => assert_eq!(one.as_bytes(), other.as_bytes()),
        (Payload::Connect(one), Payload::Connect(other))
        | (Payload::ConnectError(one), Payload::ConnectError(other)) => {
            let bytes =
                |value: &Option<crate::RawValue>| value.as_ref().map(|value| value.as_bytes().clone());
            assert_eq!(bytes(one), bytes(other));
        }
        (Payload::Disconnect, Payload::Disconnect) | (Payload::EmptyEvent, Payload::EmptyEvent) => {}
        other => panic!("two packets: {other:?}"),
    }
}

/// A value of a user-defined type.
#[derive(Debug, Clone)]
enum Made {
    Null,
    Bool(bool),
    Number(f64),
    String(String),
    Binary(Bytes),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
}

impl Made {
    fn assert_is(&self, view: ValueRef<'_>) {
        match self {
            Self::Null => assert!(view.is_null()),
            Self::Bool(value) => assert_eq!(view.as_bool(), Some(*value)),
            Self::Number(value) => assert_eq!(view.as_f64(), Some(*value)),
            Self::String(value) => assert_eq!(view.as_str(), Some(value.as_str())),
            Self::Binary(value) => assert_eq!(view.as_binary().as_deref(), Some(value)),
            Self::List(list) => {
                assert_eq!((view.kind(), view.len()), (Kind::Array, list.len()));
                list.iter().zip(view.elements()).for_each(|(made, view)| made.assert_is(view));
            }
            Self::Map(entries) => {
                assert_eq!((view.kind(), view.len()), (Kind::Object, entries.len()));
                for ((key, made), (name, view)) in entries.iter().zip(view.entries()) {
                    assert_eq!(key, name);
                    made.assert_is(view);
                }
            }
        }
    }
}

impl Serialize for Made {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_none(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(value) => serializer.serialize_f64(*value),
            Self::String(value) => serializer.serialize_str(value),
            Self::Binary(value) => Binary(value.clone()).serialize(serializer),
            Self::List(list) => {
                // Sometimes without a length hint.
                let len = (list.len() % 2 == 0).then_some(list.len());
                let mut seq = serializer.serialize_seq(len)?;
                list.iter().try_for_each(|made| seq.serialize_element(made))?;
                seq.end()
            }
            Self::Map(entries) => {
                let mut map = serializer.serialize_map(None)?;
                entries.iter().try_for_each(|(key, made)| map.serialize_entry(key, made))?;
                map.end()
            }
        }
    }
}

/// Generates values from bytes; after the end of the input, from zeros.
struct Maker<'a> {
    data: &'a [u8],
}

impl Maker<'_> {
    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.data.split_first() else { return 0 };
        self.data = rest;
        first
    }

    fn bytes(&mut self) -> &[u8] {
        let length = usize::from(self.byte()).min(self.data.len());
        let (taken, rest) = self.data.split_at(length);
        self.data = rest;
        taken
    }

    fn string(&mut self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }

    fn value(&mut self, depth: u32) -> Made {
        match self.byte() % if depth > 20 { 6 } else { 8 } {
            0 => Made::Null,
            1 => Made::Bool(self.byte() % 2 == 0),
            2 => Made::Number(f64::from(self.byte()) - 128.0),
            3 => {
                let mut bits = [0; 8];
                bits.fill_with(|| self.byte());
                let number = f64::from_be_bytes(bits);
                Made::Number(if number.is_finite() { number } else { 0.5 })
            }
            4 => Made::String(self.string()),
            5 => Made::Binary(Bytes::copy_from_slice(self.bytes())),
            6 => Made::List((0..self.byte() % 20).map(|_| self.value(depth + 1)).collect()),
            _ => {
                let mut entries: Vec<(String, Made)> = Vec::new();
                for _ in 0..self.byte() % 20 {
                    let key = self.string();
                    // An object in the shape of a placeholder is read as a placeholder.
                    if key != "_placeholder" && entries.iter().all(|(name, _)| *name != key) {
                        let made = self.value(depth + 1);
                        entries.push((key, made));
                    }
                }
                Made::Map(entries)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_seed_keeps_the_promises() {
        let seeds = |target, check: fn(&[u8])| super::each_seed("socketio-parser", target, check);
        seeds("decode", super::decode);
        seeds("decode_sequence", super::decode_sequence);
        seeds("msgpack", super::msgpack);
        seeds("round_trip", super::round_trip);
    }

    /// The bodies run on the interesting inputs of the other tests, so that they are known to work before
    /// fuzzing.
    #[test]
    fn bodies() {
        for text in [
            "",
            "2[\"a\",1,{}]",
            "2/chat,12[\"n\\u0061me\",{\"k\":[1,2.5,null,true,\"x\"]}]",
            "2[\"a\",1e999,\"\\ud800\"]",
            "51-[\"a\",{\"_placeholder\":true,\"num\":0}]",
            "0{\"token\":1}",
            "4\"x\"",
            "2[",
        ] {
            super::decode(text.as_bytes());
            let mut messages = vec![(text.len() as u8) << 1];
            messages.extend_from_slice(text.as_bytes());
            messages.extend_from_slice(b"\x07abc");
            super::decode_sequence(&messages);
        }
        super::msgpack(b"\x83\xa4type\x02\xa4data\x93\xa1a\x81\xa1b\xc4\x01x\xd4\0\0\xa3nsp\xa1/");
        let mut bytes = Vec::new();
        for number in 0..2000u32 {
            bytes.push(number.wrapping_mul(2_654_435_761).to_be_bytes()[0]);
            super::round_trip(&bytes);
        }
    }
}
