//! The bodies of the fuzz targets. They are part of the crate, so that ordinary builds compile them.
//!
//! Each function accepts any bytes and panics if the code under test violates an invariant.

#[cfg(feature = "server")]
mod connection;
#[cfg(all(feature = "client", feature = "compression", feature = "server"))]
mod deflate;

#[cfg(feature = "server")]
pub use connection::connection;
#[cfg(all(feature = "client", feature = "compression", feature = "server"))]
pub use deflate::{ws_deflate, ws_negotiation};

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::close_reason::CloseReason;
use crate::config::{Config, Transport};
#[cfg(feature = "server")]
use crate::http::{BodyDecoder, Framing, Head, Scanner};
use crate::protocol::packet::{
    Message, Packet, ParseError, Protocol, decode_binary, decode_text, encode_binary, encode_text, text_len,
};
use crate::protocol::payload::{self, Encoder, jsonp, v3};
use crate::protocol::text::Text;
use crate::session::{Action, Input, Machine};
use crate::websocket::inbound::{Event, Inbound, Progress, WsError};

/// A limit that the inputs of a fuzzer can reach.
const MAX_PACKETS: usize = 64;

/// Longer than the inputs of a fuzzer, and shorter than most of the lengths that it invents.
const MAX_MESSAGE: usize = 1 << 16;

/// The query of a handshake: parsing loses and adds nothing, and a second parse gives the same result.
#[cfg(feature = "server")]
pub fn handshake_query(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let query = crate::Query::from(text);
    let pairs: Vec<(&str, &str)> = query.iter().collect();
    assert!(pairs.len() <= text.split('&').count());
    for (at, (name, value)) in pairs.iter().enumerate() {
        assert_eq!(query.get(name), Some(*value));
        assert!(pairs[..at].iter().all(|(other, _)| other != name), "each name once");
    }
    assert_eq!(crate::Query::from(text), query);
}

/// Requests on one connection: the result is the same whether the bytes arrive at once or one by one, and no
/// body is longer than the bytes that arrived.
#[cfg(feature = "server")]
pub fn http_requests(data: &[u8]) {
    let mut rest = data;
    let mut scanner = Scanner::default();
    while let Ok(Some(len)) = scanner.scan(rest) {
        let mut slow = Scanner::default();
        for end in 1..len {
            assert_eq!(slow.scan(&rest[..end]), Ok(None));
        }
        assert_eq!(slow.scan(&rest[..len]), Ok(Some(len)));
        let (head, behind) = rest.split_at(len);
        let Ok(head) = Head::parse(&Bytes::copy_from_slice(head)) else { return };
        let whole = http_body(head.framing, behind, usize::MAX);
        assert_eq!(whole, http_body(head.framing, behind, 1));
        let Some((body, used)) = whole else { return };
        assert!(body.len() <= used);
        rest = &behind[used..];
    }
}

/// The body of a request that arrives in pieces of `step` bytes, and the position of its end.
#[cfg(feature = "server")]
fn http_body(framing: Framing, bytes: &[u8], step: usize) -> Option<(Vec<u8>, usize)> {
    let mut decoder = BodyDecoder::new(framing);
    let (mut body, mut at) = (Vec::new(), 0_usize);
    while !decoder.is_done() {
        let piece = &bytes[at..bytes.len().min(at.saturating_add(step))];
        if piece.is_empty() {
            return None;
        }
        let (data, used) = decoder.decode(piece).ok()?;
        assert!(used > 0);
        body.extend_from_slice(data);
        at += used;
    }
    Some((body, at))
}

/// The first request in these bytes, as a server reads it, for the targets of code behind a server. `None` if
/// the request is refused or incomplete.
#[cfg(feature = "server")]
pub fn request(data: &[u8]) -> Option<http::Request<crate::RequestBody>> {
    let len = Scanner::default().scan(data).ok()??;
    let (head, behind) = data.split_at(len);
    let head = Head::parse(&Bytes::copy_from_slice(head)).ok()?;
    let (body, _) = http_body(head.framing, behind, usize::MAX)?;
    Some(http::Request::from_parts(head.parts, crate::RequestBody::whole(body.into())))
}

/// Calls `check` with each seed of a target: the files of `fuzz/<project>/seeds/<target>` in the repository.
///
/// # Panics
///
/// Panics if there are no seeds.
pub fn each_seed(project: &str, target: &str, check: impl Fn(&[u8])) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz").join(project);
    let files = std::fs::read_dir(folder.join("seeds").join(target)).expect("the folder of the seeds");
    let mut seeds = 0;
    for file in files {
        let path = file.expect("a file").path();
        println!("{}", path.display());
        check(&std::fs::read(&path).expect("a seed"));
        seeds += 1;
    }
    assert!(seeds > 0, "there are no seeds");
}

/// The head of a response to the client: the result is the same whether the bytes arrive at once or one by
/// one.
#[cfg(feature = "client")]
pub fn http_answer(data: &[u8]) {
    crate::client::check_answer(data);
}

/// Any inputs at any times, in any order: the machine has a deadline until it is closed, makes progress when
/// the deadline has passed, ends once, and ignores all later inputs.
pub fn session_ops(data: &[u8]) {
    let start = Instant::now();
    let mut now = start;
    let [first, rest @ ..] = data else { return };
    let protocol = if first & 1 == 0 { Protocol::V4 } else { Protocol::V3 };
    let transport = if first & 2 == 0 { Transport::Polling } else { Transport::WebSocket };
    let mut machine = Machine::new(Arc::new(Config::default()), protocol, transport, now);
    let mut ended = false;
    for op in rest.chunks(2) {
        let detail = op.get(1).copied().unwrap_or_default();
        let input = match op[0] % 20 {
            0 => Input::Packet(Packet::Message(vec![detail].into())),
            1 => Input::Packet(Packet::Close),
            2 => Input::Packet(Packet::Ping(Text::new())),
            3 => Input::Packet(Packet::Pong(Text::new())),
            4 => Input::Packet(Packet::Upgrade),
            5 => Input::Undecodable,
            6 => Input::PollOpened,
            7 => Input::PollAnswered,
            8 => Input::PollLost,
            9 => Input::PostOpened,
            10 => Input::PostEnded,
            11 => Input::PostLost,
            12 => Input::ProbeOpened,
            13 => Input::ProbePacket(Packet::Ping("probe".into())),
            14 => Input::ProbePacket(Packet::Upgrade),
            15 => Input::ProbeLost,
            16 => Input::CarrierLost(CloseReason::TransportClose),
            17 => Input::Close,
            18 => Input::Drained,
            _ => {
                // Up to 51 seconds, which is past every deadline except that of an orderly close.
                now += Duration::from_millis(200 * u64::from(detail));
                Input::Timeout
            }
        };
        let opening = matches!(input, Input::PollOpened | Input::PostOpened | Input::ProbeOpened);
        let action = machine.handle(input, now);
        if ended {
            assert_eq!(action, opening.then_some(Action::Refuse), "nothing happens to a closed session");
        }
        ended |= matches!(action, Some(Action::Closed(..)));
        let mut rounds = 0;
        while machine.poll_timeout().is_some_and(|deadline| deadline <= now) {
            match machine.handle(Input::Timeout, now) {
                Some(Action::ReleasePoll) => assert_eq!(machine.handle(Input::PollAnswered, now), None),
                Some(Action::Closed(..)) => ended = true,
                _ => {}
            }
            rounds += 1;
            assert!(rounds < 8, "time stands still");
        }
        assert_eq!(machine.poll_timeout().is_none(), ended);
        assert_eq!(machine.transport().is_none(), ended);
        assert!(!ended || !machine.writable());
    }
}

/// One packet: a decoded packet is encoded and decoded to the same packet again.
pub fn packet(data: &[u8]) {
    for protocol in [Protocol::V3, Protocol::V4] {
        if let Ok(packet) = decode_binary(Bytes::copy_from_slice(data), protocol) {
            check_packet(&packet, protocol);
        }
        let Ok(text) = Text::from_utf8(Bytes::copy_from_slice(data)) else { continue };
        if let Ok(packet) = decode_text(text, protocol) {
            check_packet(&packet, protocol);
        }
    }
}

fn check_packet(packet: &Packet, protocol: Protocol) {
    let mut text = Vec::new();
    encode_text(packet, protocol, &mut text);
    assert_eq!(text.len(), text_len(packet, protocol));
    assert_eq!(text.first(), Some(&if packet.binary().is_some() { b'b' } else { packet.kind().digit() }));
    assert_eq!(decode_text(checked(text), protocol).as_ref(), Ok(packet));
    if let Some(data) = packet.binary() {
        let mut binary = Vec::new();
        encode_binary(data, protocol, &mut binary);
        assert_eq!(decode_binary(binary.into(), protocol).as_ref(), Ok(packet));
    }
}

/// A body of revision 4, plain and as JSONP.
pub fn payload_v4(data: &[u8]) {
    if let Ok(Some(text)) = jsonp::decode(data) {
        check_items(payload::decode(text, MAX_PACKETS));
    }
    let Ok(body) = Text::from_utf8(Bytes::copy_from_slice(data)) else { return };
    let mut script = Vec::new();
    jsonp::encode("0", body.as_bytes(), &mut script);
    let json = script.strip_prefix(b"___eio[0](").and_then(|rest| rest.strip_suffix(b");"));
    let json = json.expect("the script is a call with one string");
    assert_eq!(body, serde_json::from_slice::<String>(json).expect("the argument is JSON").as_str());

    let packets = check_items(payload::decode(body, MAX_PACKETS));
    let mut encoder = Encoder::default();
    packets.iter().for_each(|packet| encoder.push(packet));
    if !packets.is_empty() {
        assert_eq!(check_items(payload::decode(checked(encoder.finish()), MAX_PACKETS)), packets);
    }
}

/// A body of revision 3, as text and as bytes.
pub fn payload_v3(data: &[u8]) {
    check_v3(&check_items(v3::decode_binary_payload(Bytes::copy_from_slice(data), MAX_PACKETS)));
    if let Ok(body) = Text::from_utf8(Bytes::copy_from_slice(data)) {
        check_v3(&check_items(v3::decode_text_payload(body, MAX_PACKETS)));
    }
}

fn check_v3(packets: &[Packet]) {
    for supports_binary in [false, true] {
        let again = match v3::encode(packets, supports_binary) {
            v3::Payload::Text(body) => check_items(v3::decode_text_payload(checked(body), MAX_PACKETS)),
            v3::Payload::Binary(body) => check_items(v3::decode_binary_payload(body.into(), MAX_PACKETS)),
        };
        assert_eq!(again, packets);
    }
}

/// A WebSocket stream. The position of its cuts does not change the events.
///
/// The first byte is the number of cuts, the next bytes are their positions, and the rest is the stream.
pub fn ws_inbound(data: &[u8]) {
    let Some((&count, data)) = data.split_first() else { return };
    let (cuts, stream) = data.split_at(usize::from(count).min(data.len()));
    let inbound = || Inbound::new(MAX_MESSAGE);
    let whole = feed(inbound(), stream, []);
    assert_eq!(feed(inbound(), stream, cuts.iter().map(|&len| usize::from(len))), whole);
    assert_eq!(feed(inbound(), stream, std::iter::repeat_n(1, stream.len())), whole);
}

fn feed(
    mut inbound: Inbound,
    stream: &[u8],
    cuts: impl IntoIterator<Item = usize>,
) -> Vec<Result<Event, WsError>> {
    let mut events = Vec::new();
    let mut rest = stream;
    for len in cuts.into_iter().chain([usize::MAX]) {
        let (piece, tail) = rest.split_at(len.min(rest.len()));
        events.extend(inbound.decode(&mut piece.to_vec(), &mut Progress::default()));
        rest = tail;
        // `Vec` allocates at least eight bytes.
        assert!(inbound.buffered() <= 16 + 2 * (stream.len() - rest.len()));
        assert!(inbound.is_mid_message() || inbound.buffered() == 0);
    }
    let last = events.len().saturating_sub(1);
    for (at, event) in events.iter().enumerate() {
        match event {
            Ok(Event::Text(text)) => assert!(std::str::from_utf8(text.as_bytes()).is_ok()),
            Ok(Event::Ping(payload)) => assert!(payload.len() <= 125),
            Ok(Event::Binary(_) | Event::Pong) => {}
            Ok(Event::Close { code, .. }) => {
                assert!(at == last && code.is_none_or(|code| code.is_sendable()));
            }
            Err(error) => assert!(at == last && error.close_code().is_sendable()),
        }
    }
    events
}

/// The packets before the first error of a valid iterator. The error has to be the last item.
fn check_items(mut items: impl Iterator<Item = Result<Packet, ParseError>>) -> Vec<Packet> {
    let mut packets = Vec::new();
    while let Some(item) = items.next() {
        match item {
            Ok(packet) => packets.push(packet),
            Err(_) => assert!(items.next().is_none(), "nothing follows an error"),
        }
    }
    assert!(packets.len() <= MAX_PACKETS);
    assert!(items.next().is_none(), "the end is the end");
    for packet in &packets {
        if let Packet::Open(text)
        | Packet::Ping(text)
        | Packet::Pong(text)
        | Packet::Message(Message::Text(text)) = packet
        {
            assert!(std::str::from_utf8(text.as_bytes()).is_ok());
        }
    }
    packets
}

fn checked(bytes: Vec<u8>) -> Text {
    Text::from_utf8(bytes.into()).expect("text is UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_seed_keeps_the_promises() {
        let seeds = |target, check: fn(&[u8])| each_seed("engineio", target, check);
        seeds("packet", packet);
        seeds("payload_v3", payload_v3);
        seeds("payload_v4", payload_v4);
        seeds("session_ops", session_ops);
        seeds("ws_inbound", ws_inbound);
        #[cfg(feature = "server")]
        {
            seeds("connection", connection);
            seeds("handshake_query", handshake_query);
            seeds("http_requests", http_requests);
        }
        #[cfg(feature = "client")]
        seeds("http_answer", http_answer);
        #[cfg(all(feature = "client", feature = "compression", feature = "server"))]
        {
            seeds("ws_deflate", ws_deflate);
            seeds("ws_negotiation", ws_negotiation);
        }
    }

    #[cfg(feature = "server")]
    #[test]
    fn a_request_is_read_with_its_body() {
        use http_body::Body as _;

        let text = b"POST /a?b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
        let read = request(text).unwrap();
        assert_eq!((read.uri().path(), read.body().is_end_stream()), ("/a", false));
        assert!(request(&text[..text.len() - 1]).is_none());
    }

    proptest! {
        #[test]
        fn every_target_takes_any_bytes(data in prop::collection::vec(any::<u8>(), 0..200)) {
            packet(&data);
            payload_v4(&data);
            payload_v3(&data);
            ws_inbound(&data);
            #[cfg(all(feature = "client", feature = "compression", feature = "server"))]
            {
                ws_deflate(&data);
                ws_negotiation(&data);
            }
        }

        #[test]
        fn every_target_takes_likely_text(text in "[0-6b:=+%\\\\n\u{1e}AQ\u{20ac}\u{1f600}]{0,40}") {
            packet(text.as_bytes());
            payload_v4(text.as_bytes());
            payload_v3(text.as_bytes());
            ws_inbound(text.as_bytes());
        }
    }
}
