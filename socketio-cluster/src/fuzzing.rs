//! Bodies of the fuzz targets: they panic when an invariant is violated.

use bytes::Bytes;

use crate::classic::{self, RequestKind, Response};
use crate::streams::{self, Session};
use crate::{Limits, Message, Sender, cluster, postgres, python};

/// Small limits, which inputs reach.
const LIMITS: Limits = Limits {
    max_message_bytes: 100_000,
    max_depth: 50,
    max_arguments: 100,
    max_rooms: 100,
    max_sockets: 100,
};

/// Numeric rooms are written twice, and binary data in JSON takes more levels and bytes.
const WIDE: Limits = Limits {
    max_message_bytes: 64 << 20,
    max_depth: 100,
    max_arguments: 100,
    max_rooms: 200,
    max_sockets: 100,
};

/// One message of the cluster adapter: what is accepted is written in every form, and read again with the
/// same meaning.
pub fn cluster(data: &[u8]) {
    let Ok(envelope) = cluster::decode(Bytes::copy_from_slice(data), &LIMITS) else { return };
    let message = &envelope.message;
    for encode in [cluster::encode_json, cluster::encode_sharded, cluster::encode_msgpack] {
        if let Ok(bytes) = encode(Sender::Emitter, "/", message, &LIMITS) {
            let again = cluster::decode(bytes.into(), &WIDE).expect("what was written");
            assert_same(message, &again.message);
        }
    }
}

/// One message of the classic adapter: the first byte selects a broadcast, a request or an answer.
pub fn classic(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    let bytes = Bytes::copy_from_slice(rest);
    match kind % 3 {
        0 => {
            let Ok(envelope) = classic::decode_broadcast(bytes, &LIMITS) else { return };
            let Message::Broadcast { target, flags, event, .. } = &envelope.message else {
                panic!("no broadcast: {:?}", envelope.message)
            };
            let written = classic::encode_broadcast(Sender::Emitter, "/", target, *flags, event, &LIMITS);
            if let Ok(bytes) = written {
                let again = classic::decode_broadcast(bytes.into(), &WIDE).expect("what was written");
                assert_same(&envelope.message, &again.message);
            }
        }
        1 => {
            let Ok(request) = classic::decode_request(bytes, &LIMITS) else { return };
            let RequestKind::Message(message) = &request.kind else { return };
            if let Ok(bytes) = classic::encode_request(Sender::Emitter, "/", message, &LIMITS) {
                let again = classic::decode_request(bytes.into(), &WIDE).expect("what was written");
                let RequestKind::Message(again) = again.kind else { panic!("{again:?}") };
                assert_same(message, &again);
            }
        }
        _ => {
            let Ok(response) = classic::decode_response(bytes, &LIMITS) else { return };
            if let Ok(bytes) = classic::encode_response(&response, &LIMITS) {
                let again = classic::decode_response(bytes.into(), &WIDE).expect("what was written");
                if let (Response::Message(message), Response::Message(again)) = (&response, &again) {
                    assert_same(message, again);
                }
            }
        }
    }
}

/// The data of an entry of a stream; the first byte is its type. Or, for the type 0, a kept session.
pub fn streams(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    let bytes = Bytes::copy_from_slice(rest);
    if *kind == 0 {
        if let Ok(session) = Session::decode(&bytes, &LIMITS) {
            let value = session.encode(&WIDE).expect("JSON");
            let again = Session::decode(value.as_bytes(), &WIDE).expect("what was written");
            assert_eq!((&again.sid, &again.pid, &again.rooms), (&session.sid, &session.pid, &session.rooms));
            // A whole float of the data is written as an integer, as JavaScript has one type of numbers.
            assert_eq!(again.encode(&WIDE).expect("JSON"), value);
        }
        return;
    }
    let fields = [("type", Bytes::from(kind.to_string())), ("nsp", "/".into()), ("data", bytes)];
    let Ok(envelope) = streams::decode_entry(fields, &LIMITS) else { return };
    for plain in [false, true] {
        let entry = streams::encode_entry(Sender::Emitter, "/", &envelope.message, plain, &LIMITS);
        if let Ok(entry) = entry {
            let fields = entry.fields().map(|(name, value)| (name, Bytes::copy_from_slice(value.as_bytes())));
            let again = streams::decode_entry(fields, &WIDE).expect("what was written");
            assert_same(&envelope.message, &again.message);
        }
    }
}

/// A notification of Postgres, or a message of python-socketio.
pub fn text(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    let _ = postgres::decode(bytes.clone(), &LIMITS);
    if let Ok(Some(envelope)) = python::decode(&bytes, &LIMITS) {
        if let Ok(bytes) = cluster::encode_sharded(Sender::Emitter, "/", &envelope.message, &LIMITS) {
            let again = cluster::decode(bytes.into(), &WIDE).expect("what was written");
            assert_same(&envelope.message, &again.message);
        }
    }
}

fn assert_same(one: &Message, other: &Message) {
    assert_eq!((one.kind(), one.answers()), (other.kind(), other.answers()));
    match (one, other) {
        (
            Message::Broadcast { target, flags, event, request },
            Message::Broadcast { target: t, flags: f, event: e, request: r },
        ) => {
            assert_eq!((target, flags, request), (t, f, r));
            assert_eq!((event.name(), event.args().len()), (e.name(), e.args().len()));
        }
        (Message::SocketsJoin { target, rooms }, Message::SocketsJoin { target: t, rooms: r })
        | (Message::SocketsLeave { target, rooms }, Message::SocketsLeave { target: t, rooms: r }) => {
            assert_eq!((target, rooms), (t, r));
        }
        (
            Message::DisconnectSockets { target, close },
            Message::DisconnectSockets { target: t, close: c },
        ) => {
            assert_eq!((target, close), (t, c));
        }
        (Message::FetchSockets { target, .. }, Message::FetchSockets { target: t, .. }) => {
            assert_eq!(target, t);
        }
        (Message::FetchSocketsResponse { sockets, .. }, Message::FetchSocketsResponse { sockets: s, .. }) => {
            assert_eq!(sockets.len(), s.len());
            for (socket, again) in sockets.iter().zip(s) {
                assert_eq!((socket.id(), socket.rooms()), (again.id(), again.rooms()));
                assert_eq!(socket.handshake().headers, again.handshake().headers);
            }
        }
        (Message::ServerSideEmit { event, request }, Message::ServerSideEmit { event: e, request: r }) => {
            assert_eq!((event.name(), event.args().len(), request), (e.name(), e.args().len(), r));
        }
        (Message::BroadcastClientCount { count, .. }, Message::BroadcastClientCount { count: c, .. }) => {
            assert_eq!(count, c);
        }
        (Message::AllRoomsResponse { rooms, .. }, Message::AllRoomsResponse { rooms: r, .. }) => {
            assert_eq!(rooms, r);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use socketio_parser::fuzzing::each_seed;

    #[test]
    fn every_seed_keeps_the_promises() {
        let seeds = |target, check: fn(&[u8])| each_seed("socketio-cluster", target, check);
        seeds("cluster", super::cluster);
        seeds("classic", super::classic);
        seeds("streams", super::streams);
        seeds("text", super::text);
    }
}
