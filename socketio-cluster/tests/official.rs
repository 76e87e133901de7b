//! Everything that the official adapters and emitters publish is read, and written again byte for byte. The
//! records in `data` are made by the scripts in `record`.

// Helpers outside of test functions unwrap as well; a panic is how a test fails.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use socketio_cluster::classic::{self, RequestKind, Response};
use socketio_cluster::streams::{self, Session};
use socketio_cluster::{
    DecodeError, Envelope, Limits, Message, NodeId, Sender, Target, cluster, postgres, python,
};
use socketio_parser::{Binary, Event};

#[derive(Deserialize)]
struct Record {
    operation: String,
    channel: String,
    bytes: String,
}

impl Record {
    fn bytes(&self) -> Bytes {
        STANDARD.decode(&self.bytes).unwrap().into()
    }

    /// Whether the message has something that is written in another form: a room that is a number, an array
    /// in the headers, a text that is no Unicode.
    fn is_exception(&self, medium: &str) -> bool {
        match self.operation.as_str() {
            "emit to a numeric room" | "all rooms" => true,
            "emit lone surrogates" => {
                medium.starts_with("streams") || self.channel == "socket_io_attachments"
            }
            "fetch" | "persist a session" => true,
            _ => false,
        }
    }
}

fn records(medium: &str) -> Vec<Record> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/{medium}.json"));
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

fn limits() -> Limits {
    Limits::default()
}

fn sender(from: Option<&NodeId>) -> Sender<'_> {
    match from {
        Some(node) if !node.is_emitter() => Sender::Node(node),
        _ => Sender::Emitter,
    }
}

/// The decoded form of one record, and its encoded bytes.
struct Read {
    messages: Vec<Message>,
    written: Vec<u8>,
}

fn enveloped(envelope: Envelope, write: impl FnOnce(Sender<'_>, &str, &Message) -> Vec<u8>) -> Read {
    let namespace = envelope.namespace.as_deref().unwrap();
    let written = write(sender(envelope.from.as_ref()), namespace, &envelope.message);
    Read { messages: vec![envelope.message], written }
}

fn classic(record: &Record) -> Read {
    let bytes = record.bytes();
    if record.channel.contains("-request#") {
        let request = classic::decode_request(bytes, &limits()).unwrap();
        let RequestKind::Message(message) = request.kind else { panic!("{}", record.operation) };
        let written =
            classic::encode_request(sender(request.from.as_ref()), "/", &message, &limits()).unwrap();
        return Read { messages: vec![message], written };
    }
    if record.channel.contains("-response#") {
        let response = classic::decode_response(bytes, &limits()).unwrap();
        let written = classic::encode_response(&response, &limits()).unwrap();
        let Response::Message(message) = response else { panic!("{}", record.operation) };
        return Read { messages: vec![message], written };
    }
    let envelope = classic::decode_broadcast(bytes, &limits()).unwrap();
    let channels = classic::Channels::new("socket.io", envelope.namespace.as_deref().unwrap());
    enveloped(envelope, |sender, namespace, message| {
        let Message::Broadcast { target, flags, event, request: None } = message else { panic!() };
        assert_eq!(channels.broadcast(target), record.channel);
        classic::encode_broadcast(sender, namespace, target, *flags, event, &limits()).unwrap()
    })
}

fn sharded(record: &Record) -> Read {
    enveloped(cluster::decode(record.bytes(), &limits()).unwrap(), |sender, namespace, message| {
        cluster::encode_sharded(sender, namespace, message, &limits()).unwrap()
    })
}

fn streams(record: &Record) -> Read {
    if record.channel.starts_with("sio:session:") {
        let session = Session::decode(&record.bytes(), &limits()).unwrap();
        assert_eq!(session.data, json!({"user": "Zoé", "at": [1, 2.5, null, true]}));
        assert_eq!(record.channel, format!("sio:session:{}", session.pid));
        assert_eq!(session.rooms, [session.sid.as_str(), "r", "123", "x"].map(Into::into));
        let again = Session::decode(session.encode(&limits()).unwrap().as_bytes(), &limits()).unwrap();
        assert_eq!(again, session);
        return Read { messages: Vec::new(), written: Vec::new() };
    }
    if record.channel != "socket.io" {
        return enveloped(
            cluster::decode(record.bytes(), &limits()).unwrap(),
            |sender, namespace, message| {
                assert!(streams::is_ephemeral(message));
                cluster::encode_msgpack(sender, namespace, message, &limits()).unwrap()
            },
        );
    }
    let fields: BTreeMap<String, String> = serde_json::from_slice(&record.bytes()).unwrap();
    let fields = fields.into_iter().map(|(name, value)| (name, Bytes::from(value)));
    enveloped(streams::decode_entry(fields, &limits()).unwrap(), |sender, namespace, message| {
        let entry = streams::encode_entry(sender, namespace, message, false, &limits()).unwrap();
        let members: Vec<String> =
            entry.fields().map(|(name, value)| format!("{}:{}", json!(name), json!(value))).collect();
        format!("{{{}}}", members.join(",")).into_bytes()
    })
}

fn notified(record: &Record) -> Read {
    if record.channel == "socket_io_attachments" {
        return enveloped(
            cluster::decode(record.bytes(), &limits()).unwrap(),
            |sender, namespace, message| {
                match postgres::encode(sender, namespace, message, 8000, &limits()).unwrap() {
                    postgres::Payload::Row(row) => row,
                    // Not all rows have binary data.
                    postgres::Payload::Notification(_) => panic!("{}", record.operation),
                }
            },
        );
    }
    match postgres::decode(record.bytes(), &limits()).unwrap() {
        postgres::Notification::Row { from, id } => {
            let request = "x".into();
            let message = match id.as_str() {
                "8" => Message::BroadcastAck { request, answer: None },
                "9" => Message::ServerSideEmit { event: event(r#"["a"]"#), request: None },
                "10" => Message::ServerSideEmitResponse { request, answer: None },
                _ => Message::Broadcast {
                    target: Default::default(),
                    flags: Default::default(),
                    event: event(r#"["a"]"#),
                    request: None,
                },
            };
            let written = postgres::encode_reference(sender(from.as_ref()), &message, &id);
            Read { messages: Vec::new(), written }
        }
        postgres::Notification::Message(envelope) => enveloped(envelope, |sender, namespace, message| {
            assert_eq!(record.channel, postgres::channel("socket.io", namespace));
            match postgres::encode(sender, namespace, message, 8000, &limits()).unwrap() {
                postgres::Payload::Notification(text) => text,
                postgres::Payload::Row(_) => panic!("{}", record.operation),
            }
        }),
    }
}

fn event(text: &'static str) -> Event {
    Event::from_json_array(text.into(), Vec::new(), &Default::default()).unwrap()
}

/// The messages of a medium by operation.
fn read(medium: &str, read: fn(&Record) -> Read) -> BTreeMap<String, Vec<Message>> {
    let mut messages: BTreeMap<String, Vec<Message>> = BTreeMap::new();
    let records = records(medium);
    let mut identical = 0;
    for record in &records {
        let read = read(record);
        if !record.is_exception(medium) {
            let (ours, theirs) = (read.written.escape_ascii(), record.bytes());
            assert_eq!(ours.to_string(), theirs.escape_ascii().to_string(), "{medium}: {}", record.operation);
            identical += 1;
        }
        messages.entry(record.operation.clone()).or_default().extend(read.messages);
    }
    assert!(identical >= records.len() - 6, "{medium}: {identical} of {}", records.len());
    messages
}

fn broadcast<'a>(messages: &'a BTreeMap<String, Vec<Message>>, operation: &str) -> &'a Event {
    let Some(Message::Broadcast { event, .. }) = messages[operation].first() else { panic!("{operation}") };
    event
}

/// The decoded message equals the operation of the official server.
fn check_meaning(medium: &str, messages: &BTreeMap<String, Vec<Message>>) {
    let event = broadcast(messages, "emit");
    assert_eq!(event.name(), "hello", "{medium}");
    let (one, two, three): (u8, String, serde_json::Value) = event.args().parse_all().unwrap();
    assert_eq!((one, two.as_str(), three), (1, "two", json!({"three": [3, -4.5, null, true]})));

    let Message::Broadcast { target, .. } = &messages["emit to rooms, except"][0] else { panic!() };
    assert_eq!((&target.rooms[..], &target.except[..]), (&["r".into(), "s".into()][..], &["t".into()][..]));
    let Message::Broadcast { target, .. } = &messages["emit to a numeric room"][0] else { panic!() };
    assert_eq!(target.rooms, ["123".into()]);
    let Message::Broadcast { flags, .. } = &messages["emit volatile"][0] else { panic!() };
    assert!(flags.volatile && flags.compress);
    let Message::Broadcast { flags, .. } = &messages["emit uncompressed"][0] else { panic!() };
    assert!(!flags.volatile && !flags.compress);
    let Message::Broadcast { flags, request: Some(_), .. } = &messages["emit with acks"][0] else { panic!() };
    assert_eq!(flags.timeout, Some(Duration::from_millis(500)));

    let binary: Binary = broadcast(messages, "emit binary").args().parse(0).unwrap();
    assert_eq!(&binary[..], [0, 1, 255]);
    let dates = broadcast(messages, "emit dates").args();
    for (index, date) in ["2024-02-29T12:34:56.789Z", "1970-01-01T00:00:01.000Z", "1969-12-31T23:59:59.999Z"]
        .into_iter()
        .enumerate()
    {
        assert_eq!(dates.parse::<String>(index + 1).unwrap(), date, "{medium}");
    }
    let texts = broadcast(messages, "emit lone surrogates").args();
    assert!(texts.parse::<String>(2).unwrap().starts_with("x\u{fffd}"), "{medium}");

    let Message::BroadcastClientCount { count: 1, .. } = messages["emit with acks"][1] else { panic!() };
    let Message::BroadcastAck { answer: Some(answer), .. } = &messages["emit with acks"][2] else { panic!() };
    assert_eq!(answer.parse::<serde_json::Value>().unwrap(), json!({"x": 1}));

    let Message::FetchSocketsResponse { sockets, .. } = &messages["fetch"][1] else { panic!("{medium}") };
    let [socket] = &sockets[..] else { panic!("{medium}") };
    assert_eq!(socket.rooms(), [&**socket.id(), "r", "123", "x"].map(Into::into));
    assert_eq!(*socket.data(), json!({"user": "Zoé", "at": [1, 2.5, null, true]}));
    assert_eq!(socket.handshake().headers["set-cookie"], "a=1, b=2");
    assert_eq!(socket.handshake().query["x"], "2");
    assert_eq!(socket.handshake().auth["token"], "t");
    assert!(socket.handshake().issued > 1_700_000_000_000 && socket.handshake().address == "127.0.0.1");
}

#[test]
fn classic_adapter() {
    let messages = read("classic", classic);
    check_meaning("classic", &messages);
    let Message::AllRoomsResponse { rooms, .. } = &messages["all rooms"][1] else { panic!() };
    assert_eq!(rooms[1..], ["r".into(), "123".into(), "x".into()]);
}

#[test]
fn sharded_adapter() {
    check_meaning("sharded", &read("sharded", sharded));
}

#[test]
fn streams_adapter() {
    for medium in ["streams", "streams-recovery"] {
        check_meaning(medium, &read(medium, streams));
    }
}

#[test]
fn postgres_adapter() {
    check_meaning("postgres", &read("postgres", notified));
}

#[test]
fn emitters() {
    for (medium, reader) in [("redis-emitter", classic as fn(&Record) -> Read), ("streams-emitter", streams)]
    {
        let messages = read(medium, reader);
        let Message::Broadcast { flags, .. } = &messages["emit to rooms, except"][0] else { panic!() };
        assert!(flags.volatile && !flags.compress);
        assert!(broadcast(&messages, "emit binary").has_binary());
        assert!(matches!(&messages["disconnect"][0], Message::DisconnectSockets { close: true, .. }));
    }
}

/// The same emits are JSON on one medium and msgpack on another. An event that came in one encoding is
/// written in the other as the official adapters write it.
#[test]
fn events_between_the_encodings() {
    let (classic, sharded) = (records("classic"), records("sharded"));
    let operations =
        ["emit", "emit nothing", "emit to a room", "emit volatile", "emit numbers", "emit long texts"];
    for operation in operations {
        let find =
            |records: &[Record]| records.iter().find(|record| record.operation == operation).unwrap().bytes();
        let (msgpack, json) = (find(&classic), find(&sharded));
        let from_msgpack = classic::decode_broadcast(msgpack.clone(), &limits()).unwrap();
        let from_json = cluster::decode(json.clone(), &limits()).unwrap();

        let sender = Sender::Node(from_json.from.as_ref().unwrap());
        let text = cluster::encode_sharded(sender, "/", &from_msgpack.message, &limits()).unwrap();
        let Message::Broadcast { target, flags, event, .. } = &from_json.message else { panic!() };
        let sender = Sender::Node(from_msgpack.from.as_ref().unwrap());
        let bytes = classic::encode_broadcast(sender, "/", target, *flags, event, &limits()).unwrap();

        // The official encoder of msgpack writes 1e300 wrongly, as an integer.
        let place = |message: &[u8], before: &[u8]| {
            message.windows(before.len()).position(|window| window == before).unwrap_or(message.len())
        };
        let (text_end, end) = (place(&json, b",1e+300"), place(&msgpack, b"\xcf\0\0\0\0\0\0\0\0"));
        assert_eq!((end == msgpack.len()), (operation != "emit numbers"));
        assert_eq!(text[..text_end].escape_ascii().to_string(), json[..text_end].escape_ascii().to_string());
        assert_eq!(bytes[..end].escape_ascii().to_string(), msgpack[..end].escape_ascii().to_string());
    }
}

/// The messages of a write-only process of python-socketio, recorded by `record/record.py`.
#[test]
fn python() {
    let records = records("python");
    let read = |operation: &str| {
        let record = records.iter().find(|record| record.operation == operation).unwrap();
        python::decode(&record.bytes(), &limits())
    };
    for (operation, arguments) in [
        ("emit", r#"{"three": [3, -4.5, null, true]}"#),
        ("emit nothing", ""),
        ("emit a list", "[1, 2]"),
        ("emit several", r#"1, "two \u00e9""#),
    ] {
        let Message::Broadcast { event, target, .. } = read(operation).unwrap().unwrap().message else {
            panic!()
        };
        assert_eq!((event.name(), event.args().as_bytes()), ("hello", arguments.as_bytes()));
        assert!(target.rooms.is_empty() && target.except.is_empty());
    }
    let envelope = read("emit to a room").unwrap().unwrap();
    assert_eq!(
        (envelope.from, envelope.namespace.as_deref()),
        (Some("1f".repeat(16).as_str().into()), Some("/n"))
    );
    let Message::Broadcast { target, .. } = envelope.message else { panic!() };
    assert_eq!(target, Target { rooms: vec!["r".into()], except: vec!["s".into()] });
    let Message::Broadcast { target, .. } = read("emit to rooms").unwrap().unwrap().message else { panic!() };
    assert_eq!(target, Target { rooms: vec!["r".into(), "s".into()], except: vec!["t".into(), "u".into()] });

    #[derive(Deserialize)]
    struct Argument {
        a: Binary,
    }
    let Message::Broadcast { event, .. } = read("emit binary").unwrap().unwrap().message else { panic!() };
    let (first, second): (Argument, Binary) = event.args().parse_all().unwrap();
    assert_eq!((&first.a[..], &second[..]), (&[0, 255][..], &[][..]));

    let socket = Target { rooms: vec!["s".into()], except: Vec::new() };
    let disconnect = read("disconnect").unwrap().unwrap();
    assert_eq!(disconnect.namespace.as_deref(), Some("/n"));
    let Message::DisconnectSockets { target, close: false } = disconnect.message else { panic!() };
    assert_eq!(target, socket);
    let Message::SocketsJoin { target, rooms } = read("enter a room").unwrap().unwrap().message else {
        panic!()
    };
    assert_eq!((target, rooms), (socket.clone(), vec!["r".into()]));
    let Message::SocketsLeave { target, rooms } = read("leave a room").unwrap().unwrap().message else {
        panic!()
    };
    assert_eq!((target, rooms), (socket, vec!["r".into()]));
    let Message::SocketsLeave { target, rooms } = read("close a room").unwrap().unwrap().message else {
        panic!()
    };
    assert_eq!((target.rooms, rooms), (vec!["r".into()], vec!["r".into()]));
    assert_eq!(read("pickle").unwrap_err(), DecodeError::Pickle);
}

/// A numeric room of a Node.js server is another room than the one with the same name.
#[test]
fn a_numeric_room_is_addressed_in_both_forms() {
    let message = Message::Broadcast {
        target: Target { rooms: vec!["123".into()], except: Vec::new() },
        flags: Default::default(),
        event: event(r#"["hello"]"#),
        request: None,
    };
    let written = cluster::encode_sharded(Sender::Emitter, "/", &message, &limits()).unwrap();
    let text = String::from_utf8(written.clone()).unwrap();
    assert!(text.contains(r#""rooms":["123",123]"#), "{text}");
    let Message::Broadcast { target, .. } = cluster::decode(written.into(), &limits()).unwrap().message
    else {
        panic!()
    };
    assert_eq!(target.rooms, ["123".into()]);
}
