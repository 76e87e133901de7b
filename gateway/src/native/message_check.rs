//! Checks of the fuzz target for native messages: both directions of the translation are consistent.

use bytes::Bytes;
use engineio::TextBuf;
use serde_json::Value;
use serde_json::value::RawValue;
use socketio_parser::{Decoder, Limits, Packet, Parser, Payload, RawArgs};

use super::message::{Fault, Outgoing, binary_packet, to_json, to_packet};
use super::plain;

/// Namespaces of the messages.
const NAMESPACES: [&str; 3] = ["/", "/n", "/of/a?b=1"];

/// Checks a message of a client, or a packet of the server.
///
/// The first byte selects the direction and the namespace. The rest is the text, and after zero bytes the
/// attachments.
pub(crate) fn check(data: &[u8]) {
    let [choice, data @ ..] = data else { return };
    let mut parts = data.split(|byte| *byte == 0);
    let Some(Ok(text)) = parts.next().map(std::str::from_utf8) else { return };
    let attachments: Vec<&[u8]> = parts.collect();
    if choice & 1 == 0 {
        check_native(text, NAMESPACES[usize::from(choice >> 1) % NAMESPACES.len()], &attachments);
    } else {
        check_packet(text, &attachments);
    }
    let packet = binary_packet(NAMESPACES[usize::from(choice >> 1) % NAMESPACES.len()]);
    let packet = decode(&packet.expect("valid namespaces"), &[b"x"]).expect("a packet");
    let (event, args) = contents(&packet).expect("an event");
    assert!(Outgoing::new(event.map(to_json).as_deref(), packet.ack_id, args).binary_alone().is_some());
}

/// Checks a message of a client: the packet has the same event, id and arguments, in this namespace.
fn check_native(text: &str, namespace: &str, attachments: &[&[u8]]) {
    let translated = to_packet(text, namespace);
    if let Some(message) = plain::read(text.as_bytes(), &limits()) {
        let (encoded, announced) = translated.as_ref().expect("a plain message is valid");
        assert_eq!(*announced, 0);
        let packet = message.into_packet(Bytes::copy_from_slice(text.as_bytes()), namespace.into());
        check_same(&packet, &decode(encoded, &[]).expect("a decoder accepts a plain message"));
    }
    let Ok((message, announced)) = translated else { return };
    serde_json::from_str::<&RawValue>(text).expect("a translated message is JSON");
    // JSON may have numbers and nesting that `Value` cannot represent.
    let Ok(sent) = serde_json::from_str::<Value>(text) else { return };
    // Duplicate fields are refused, so there is one of each.
    let event = sent.get("event").filter(|event| !event.is_null());
    let id = sent.get("id").filter(|id| !id.is_null());
    assert_eq!(
        announced as u64,
        sent.get("attachments").map_or(0, |count| count.as_u64().expect("a number"))
    );
    let Some(packet) = decode(&message, attachments) else { return };
    assert_eq!(packet.namespace.as_str(), namespace);
    assert_eq!(packet.ack_id, id.map(|id| id.as_u64().expect("a number")));
    let (name, args) = contents(&packet).expect("an event or an acknowledgement");
    assert_eq!(name, event.map(|event| event.as_str().expect("a name")));
    let expected: Vec<&Value> = match (sent.get("data"), sent.get("args")) {
        (Some(data), _) if !data.is_null() => vec![data],
        (_, Some(Value::Array(args))) => args.iter().collect(),
        _ => Vec::new(),
    };
    let decoded: Vec<Value> =
        args.iter().map(|arg| serde_json::from_slice(arg.as_bytes()).expect("JSON")).collect();
    assert_eq!(decoded.iter().collect::<Vec<_>>(), expected);
    check_back(&packet, attachments);
}

/// Checks that two packets have the same contents, and are forwarded as the same packet.
fn check_same(packet: &Packet, other: &Packet) {
    assert_eq!((&packet.namespace, packet.ack_id), (&other.namespace, other.ack_id));
    let ((name, args), (other_name, other_args)) =
        (contents(packet).expect("an event"), contents(other).expect("an event"));
    assert_eq!((name, args.len(), args.as_bytes()), (other_name, other_args.len(), other_args.as_bytes()));
    assert!(args.iter().map(|arg| arg.as_bytes()).eq(other_args.iter().map(|arg| arg.as_bytes())));
    let forwarded = [packet, other].map(|packet| {
        let mut out = Vec::new();
        Parser::Json.encode_packet(&mut out, packet).expect("what was received");
        out
    });
    assert_eq!(forwarded[0], forwarded[1]);
}

/// Checks a packet of the server: its message is JSON, and is the same packet when a client sends it back.
fn check_packet(text: &str, attachments: &[&[u8]]) {
    if let Some(packet) = decode(text, attachments) {
        check_back(&packet, attachments);
    }
}

fn check_back(packet: &Packet, attachments: &[&[u8]]) {
    let Some((event, args)) = contents(packet) else { return };
    // Acknowledgements of the server always have an id.
    if event.is_none() && packet.ack_id.is_none() {
        return;
    }
    let name = event.map(to_json);
    let native = text(&Outgoing::new(name.as_deref(), packet.ack_id, args));
    check_plain(packet, &native);
    serde_json::from_str::<&RawValue>(&native).expect("JSON");
    if let Ok(written) = serde_json::from_str::<Value>(&native) {
        assert_eq!(written.get("event").and_then(Value::as_str), event);
        assert_eq!(written.get("id").and_then(Value::as_u64), packet.ack_id);
    }
    let (again, announced) = match to_packet(&native, packet.namespace.as_str()) {
        Ok(translated) => translated,
        // Only the server can use ids beyond `MAX_ID`.
        Err(Fault::Id) => return,
        Err(error) => panic!("{native}: {error}"),
    };
    assert_eq!(announced, args.attachments().len());
    let again = decode(&again, attachments).expect("the same packet");
    let (event_again, args_again) = contents(&again).expect("the same contents");
    assert_eq!((event_again, again.ack_id, &again.namespace), (event, packet.ack_id, &packet.namespace));
    let is_one_null = args.len() == 1 && args_again.is_empty();
    if !is_one_null {
        let texts = |args: &RawArgs| args.iter().map(|arg| arg.as_bytes().to_vec()).collect::<Vec<_>>();
        assert_eq!(texts(args_again), texts(args), "{native}");
    }
}

/// Checks a packet without attachments as the server sends it: its parts are translated to the same message.
fn check_plain(packet: &Packet, native: &str) {
    let (name, args) = contents(packet).expect("an event or an acknowledgement");
    if !args.attachments().is_empty() {
        return;
    }
    let mut encoded = TextBuf::with_capacity(0);
    let (out, namespace, id) = (encoded.buffer(), packet.namespace.as_str(), packet.ack_id);
    let attachments = match name {
        Some(name) => Parser::Json.encode_event(out, namespace, id, name, args),
        None => Parser::Json.encode_ack(out, namespace, id.unwrap_or_default(), args),
    };
    assert!(attachments.expect("what was received").is_empty(), "no attachments");
    let is_escaped = name.is_some_and(|name| to_json(name).contains('\\'));
    let sent = encoded.finish().with_tag(args.len().min(127) as u8);
    match plain::from_packet(&sent) {
        Some(outgoing) => assert_eq!(text(&outgoing), native),
        None => assert!(is_escaped, "{native} is plain"),
    }
}

fn text(outgoing: &Outgoing<'_>) -> String {
    let mut text = Vec::new();
    outgoing.write(&mut text);
    String::from_utf8(text).expect("UTF-8")
}

fn limits() -> Limits {
    Limits { max_depth: 64, ..Limits::default() }
}

/// Packet of these messages, if they are complete and valid.
fn decode(text: &str, attachments: &[&[u8]]) -> Option<Packet> {
    let mut decoder = Decoder::new(Parser::Json, limits());
    let mut packet = decoder.text(Bytes::copy_from_slice(text.as_bytes())).ok()?;
    for attachment in attachments {
        if packet.is_some() {
            break;
        }
        packet = decoder.binary(Bytes::copy_from_slice(attachment)).ok()?;
    }
    packet
}

/// Name of an event, or `None` for an acknowledgement, and the arguments.
fn contents(packet: &Packet) -> Option<(Option<&str>, &RawArgs)> {
    match &packet.payload {
        Payload::Event(event) => Some((Some(event.name()), event.args())),
        Payload::Ack(args) => Some((None, args)),
        _ => None,
    }
}
