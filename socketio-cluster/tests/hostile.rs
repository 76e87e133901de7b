//! Bytes that no server sends: mutations of real messages. Nothing panics, and what is accepted can be
//! written and read again with the same meaning.

// Helpers outside of test functions unwrap as well; a panic is how a test fails.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use proptest::prelude::*;
use socketio_cluster::classic::{self, RequestKind, Response};
use socketio_cluster::streams::{self, Session};
use socketio_cluster::{DecodeError, Limits, Message, NodeId, Sender, cluster, postgres, python};

/// Small limits, which mutations reach.
const LIMITS: Limits =
    Limits { max_message_bytes: 100_000, max_depth: 20, max_arguments: 50, max_rooms: 20, max_sockets: 20 };

/// The messages of all official adapters and emitters.
fn real() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let mut messages = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read(file.unwrap().path()).unwrap();
        let records: Vec<serde_json::Value> = serde_json::from_slice(&text).unwrap();
        for record in records {
            let bytes = STANDARD.decode(record["bytes"].as_str().unwrap()).unwrap();
            if let Some(data) =
                serde_json::from_slice::<serde_json::Value>(&bytes).ok().filter(|_| bytes[0] == b'{')
            {
                // The data of an entry by itself.
                messages.extend(data["data"].as_str().map(|data| data.as_bytes().to_vec()));
            }
            messages.push(bytes);
        }
    }
    messages.push(
        br#"{"method":"emit","event":"a","data":[[1,{"_placeholder":true,"num":0}],"AAE="],"binary":true,"namespace":"/","room":["r"],"skip_sid":null,"host_id":"h"}"#.to_vec(),
    );
    messages
}

/// Every decoder on the same bytes.
fn decode_all(bytes: &Bytes) {
    let sender = NodeId::from("n");
    let sender = Sender::Node(&sender);
    if let Ok(envelope) = cluster::decode(bytes.clone(), &LIMITS) {
        round_trip(&envelope.message, |message| {
            let json = cluster::encode_json(sender, "/", message, &LIMITS);
            let sharded = cluster::encode_sharded(sender, "/", message, &LIMITS);
            let msgpack = cluster::encode_msgpack(sender, "/", message, &LIMITS);
            [json, sharded, msgpack]
                .map(|bytes| Some(cluster::decode(bytes.ok()?.into(), &wide()).unwrap().message))
        });
    }
    if let Ok(envelope) = classic::decode_broadcast(bytes.clone(), &LIMITS) {
        let Message::Broadcast { target, flags, event, .. } = &envelope.message else { panic!() };
        if let Ok(again) = classic::encode_broadcast(sender, "/", target, *flags, event, &LIMITS) {
            let again = classic::decode_broadcast(again.into(), &wide()).unwrap();
            assert_same(&again.message, &envelope.message);
        }
    }
    if let Ok(request) = classic::decode_request(bytes.clone(), &LIMITS) {
        if let RequestKind::Message(message) = &request.kind {
            if let Ok(again) = classic::encode_request(sender, "/", message, &LIMITS) {
                let again = classic::decode_request(again.into(), &wide()).unwrap();
                let RequestKind::Message(again) = again.kind else { panic!("{again:?}") };
                assert_same(&again, message);
            }
        }
    }
    if let Ok(response) = classic::decode_response(bytes.clone(), &LIMITS) {
        if let Ok(again) = classic::encode_response(&response, &LIMITS) {
            let again = classic::decode_response(again.into(), &wide()).unwrap();
            if let (Response::Message(again), Response::Message(message)) = (&again, &response) {
                assert_same(again, message);
            }
        }
    }
    for kind in ["3", "4", "8", "9", "12"] {
        let fields = [("type", Bytes::from_static(kind.as_bytes())), ("data", bytes.clone())];
        if let Ok(envelope) = streams::decode_entry(fields, &LIMITS) {
            round_trip(&envelope.message, |message| {
                [false, true].map(|plain| {
                    let entry = streams::encode_entry(sender, "/", message, plain, &LIMITS).ok()?;
                    let fields =
                        entry.fields().map(|(name, value)| (name, Bytes::copy_from_slice(value.as_bytes())));
                    Some(streams::decode_entry(fields.collect::<Vec<_>>(), &wide()).unwrap().message)
                })
            });
        }
    }
    if let Ok(session) = Session::decode(bytes, &LIMITS) {
        if let Ok(again) = session.encode(&LIMITS) {
            let session = Session::decode(again.as_bytes(), &wide()).unwrap();
            assert_eq!(session.encode(&wide()).unwrap(), again);
        }
    }
    let _ = postgres::decode(bytes.clone(), &LIMITS);
    let _ = python::decode(bytes, &LIMITS);
}

fn wide() -> Limits {
    // The message around an event is one more level, and numeric rooms are written twice.
    Limits { max_depth: 100, ..Limits::default() }
}

fn round_trip<const N: usize>(message: &Message, write: impl Fn(&Message) -> [Option<Message>; N]) {
    for again in write(message).into_iter().flatten() {
        assert_same(&again, message);
    }
}

fn assert_same(again: &Message, message: &Message) {
    assert_eq!(again.kind(), message.kind());
    match (again, message) {
        (
            Message::Broadcast { target: a, flags: b, event: c, request: d },
            Message::Broadcast { target: e, flags: f, event: g, request: h },
        ) => {
            assert_eq!((a, b, d), (e, f, h));
            assert_eq!((c.name(), c.args().len()), (g.name(), g.args().len()));
        }
        (Message::SocketsJoin { target: a, rooms: b }, Message::SocketsJoin { target: c, rooms: d })
        | (Message::SocketsLeave { target: a, rooms: b }, Message::SocketsLeave { target: c, rooms: d }) => {
            assert_eq!((a, b), (c, d));
        }
        (
            Message::FetchSocketsResponse { sockets: a, .. },
            Message::FetchSocketsResponse { sockets: b, .. },
        ) => {
            assert_eq!(a.len(), b.len());
        }
        (Message::BroadcastClientCount { count: a, .. }, Message::BroadcastClientCount { count: b, .. }) => {
            assert_eq!(a, b);
        }
        _ => {}
    }
}

#[derive(Clone, Debug)]
enum Change {
    Set(usize, u8),
    Insert(usize, Vec<u8>),
    Remove(usize, usize),
    Cut(usize),
    Splice(usize, usize, usize),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let fragment = prop_oneof![
        Just(b"[".to_vec()),
        Just(b"]".to_vec()),
        Just(b"{\"".to_vec()),
        Just(b"}".to_vec()),
        Just(b",".to_vec()),
        Just(b"null".to_vec()),
        Just(b"1e999".to_vec()),
        Just(b"\"\\ud800\"".to_vec()),
        Just(b"{\"_placeholder\":true,\"num\":0}".to_vec()),
        Just(b"\xc0".to_vec()),
        Just(b"\xdd\xff\xff\xff\xff".to_vec()),
        Just(b"\xdf\xff\xff\xff\xff".to_vec()),
        Just(b"\xdb\xff\xff\xff\xff".to_vec()),
        Just(b"\xd4\x00\x00".to_vec()),
        Just(b"\xd7\x00\x00\x00\x00\x00\x00\x00\x00\x01".to_vec()),
        Just(b"\xd6\xff\x00\x00\x00\x01".to_vec()),
        Just(b"\xc7\x0c\xff\x7f\xff\xff\xff\x7f\xff\xff\xff\xff\xff\xff\xff".to_vec()),
        Just(b"\xc4\x01x".to_vec()),
        Just(b"\xa3\xed\xa0\x80".to_vec()),
        Just(b"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00".to_vec()),
        proptest::collection::vec(any::<u8>(), 1..8),
    ];
    let change = prop_oneof![
        (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (any::<usize>(), fragment).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (any::<usize>(), 1..8usize).prop_map(|(at, count)| Change::Remove(at, count)),
        any::<usize>().prop_map(Change::Cut),
        (any::<usize>(), any::<usize>(), 1..40usize)
            .prop_map(|(from, to, count)| Change::Splice(from, to, count)),
    ];
    proptest::collection::vec(change, 0..4)
}

fn change(bytes: &mut Vec<u8>, change: &Change) {
    let place = |at: &usize, bytes: &Vec<u8>| at % (bytes.len() + 1);
    match change {
        Change::Set(at, byte) => {
            let at = place(at, bytes);
            if let Some(place) = bytes.get_mut(at) {
                *place = *byte;
            }
        }
        Change::Insert(at, more) => {
            let at = place(at, bytes);
            bytes.splice(at..at, more.iter().copied());
        }
        Change::Remove(at, count) => {
            let at = place(at, bytes);
            let end = (at + count).min(bytes.len());
            bytes.drain(at..end);
        }
        Change::Cut(at) => bytes.truncate(place(at, bytes)),
        Change::Splice(from, to, count) => {
            let (from, to) = (place(from, bytes), place(to, bytes));
            let part = bytes[from..(from + count).min(bytes.len())].to_vec();
            bytes.splice(to..to, part);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_messages_do_no_harm(index in any::<prop::sample::Index>(), changes in changes()) {
        thread_local!(static REAL: Vec<Vec<u8>> = real());
        let mut bytes = REAL.with(|real| index.get(real).clone());
        changes.iter().for_each(|one| change(&mut bytes, one));
        decode_all(&Bytes::from(bytes));
    }
}

/// A claimed length allocates nothing.
#[test]
fn claimed_lengths_are_checked_against_the_message() {
    for bytes in [
        &b"\xdd\xff\xff\xff\xff"[..],
        b"\xdf\xff\xff\xff\xff\xa4type\x03",
        b"\x93\xa1a\xdf\xff\xff\xff\xff",
        b"\x93\xa1a\x80\x81\xa5rooms\xdd\xff\xff\xff\xff",
        b"\x81\xa7sockets\xdd\xff\xff\xff\xff\x01",
        b"\x81\xa4data\xc6\xff\xff\xff\xff",
    ] {
        let bytes = Bytes::from_static(bytes);
        assert!(matches!(
            cluster::decode(bytes.clone(), &LIMITS),
            Err(DecodeError::Malformed(_) | DecodeError::Shape(_))
        ));
        assert!(classic::decode_broadcast(bytes.clone(), &LIMITS).is_err());
        assert!(classic::decode_request(bytes.clone(), &LIMITS).is_err());
        assert!(classic::decode_response(bytes, &LIMITS).is_err());
    }
}

#[test]
fn every_limit_is_named() {
    let broadcast = |rooms: &str, args: &str| {
        let text = format!(
            r#"{{"type":3,"uid":"a","nsp":"/","data":{{"packet":{{"type":2,"data":["a"{args}]}},"opts":{{"rooms":[{rooms}]}}}}}}"#
        );
        cluster::decode(text.into(), &LIMITS)
    };
    broadcast(r#""r""#, ",1").unwrap();
    let many = |text: &str, count| vec![text; count].join(",");
    let rooms: Vec<String> = (0..21).map(|number| number.to_string()).collect();
    assert_eq!(broadcast(&rooms.join(","), "").unwrap_err(), DecodeError::Limit("max_rooms"));
    let limit =
        |error: DecodeError| matches!(error, DecodeError::Malformed(socketio_parser::DecodeError::Limit(_)));
    assert!(limit(broadcast("", &format!(",{}", many("1", 60))).unwrap_err()));
    assert!(limit(broadcast("", &format!(",{}{}", "[".repeat(30), "]".repeat(30))).unwrap_err()));
    let large = format!(r#","{}""#, "x".repeat(100_000));
    assert_eq!(broadcast("", &large).unwrap_err(), DecodeError::Limit("max_message_bytes"));
    let sockets = format!(r#"{{"requestId":"a","sockets":[{}]}}"#, many(r#"{"id":"a"}"#, 21));
    assert_eq!(
        classic::decode_response(sockets.into(), &LIMITS).unwrap_err(),
        DecodeError::Limit("max_sockets")
    );
    // The same limit for what is sent.
    let message = broadcast("", "").unwrap().message;
    let limits = Limits { max_message_bytes: 20, ..LIMITS };
    assert!(cluster::encode_json(Sender::Emitter, "/", &message, &limits).is_err());
}

/// A message of the node itself, or to rooms without sockets, needs no event.
#[test]
fn an_unwanted_event_is_not_read() {
    let text = |data: &str| {
        let text = format!(
            r#"{{"type":3,"uid":"a","nsp":"/","data":{{"packet":{{"type":2,"data":{data}}},"opts":{{"rooms":["r"]}}}}}}"#
        );
        Bytes::from(text)
    };
    let unwanted = cluster::decode_if(text("[{}]"), &LIMITS, |head| {
        assert_eq!((head.from, head.namespace, head.kind), (Some("a"), Some("/"), 3));
        assert_eq!(head.target.unwrap().rooms, ["r".into()]);
        false
    });
    assert!(unwanted.unwrap().is_none());
    assert!(cluster::decode_if(text("[{}]"), &LIMITS, |_| true).is_err());
    assert!(cluster::decode_if(text(r#"["a"]"#), &LIMITS, |_| true).unwrap().is_some());
    let entry =
        [("type", Bytes::from("3")), ("uid", "a".into()), ("data", r#"{"packet":1,"opts":{}}"#.into())];
    assert!(streams::decode_entry_if(entry, &LIMITS, |head| head.from != Some("a")).unwrap().is_none());
    let broadcast = Bytes::from(r#"["a",{"type":2,"data":["x"]},{}]"#);
    let unwanted = classic::decode_broadcast_if(broadcast, &LIMITS, |head| head.namespace != Some("/"));
    assert!(unwanted.unwrap().is_none());
}

/// A list of rooms that cannot be read must not select all sockets.
#[test]
fn unreadable_rooms_are_an_error() {
    for rooms in [r#"[{}]"#, r#"["a",null]"#, r#""a""#, "7", "{}"] {
        let text = format!(
            r#"{{"type":3,"uid":"a","nsp":"/","data":{{"packet":{{"type":2,"data":["a"]}},"opts":{{"rooms":{rooms}}}}}}}"#
        );
        assert_eq!(cluster::decode(text.into(), &LIMITS).unwrap_err(), DecodeError::Type("rooms"), "{rooms}");
    }
    for options in [r#"{}"#, r#"{"rooms":null}"#, r#"{"rooms":[],"except":[],"flags":null}"#] {
        let text = format!(r#"{{"type":6,"uid":"a","nsp":"/","data":{{"opts":{options},"close":true}}}}"#);
        let message = cluster::decode(text.into(), &LIMITS).unwrap().message;
        assert!(matches!(message, Message::DisconnectSockets { close: true, .. }));
    }
    for (options, error) in [
        (r#""opts":null,"#, DecodeError::Type("opts")),
        (r#""opts":[],"#, DecodeError::Type("opts")),
        ("", DecodeError::Missing("opts")),
    ] {
        let text = format!(r#"{{"type":6,"uid":"a","nsp":"/","data":{{{options}"close":true}}}}"#);
        assert_eq!(cluster::decode(text.into(), &LIMITS).unwrap_err(), error);
    }
}
