//! One message in both languages.
//!
//! Native, in both directions:
//!
//! | JSON | means |
//! | --- | --- |
//! | `{"event": "e", "data": d}` | an event; without `data` it has no argument, with `args` in its place several |
//! | `{"event": "e", "data": d, "id": 7}` | an event that wants an answer |
//! | `{"id": 7, "data": d}` | the answer |
//! | `{…, "attachments": 2}` | two binary messages follow, which stand where `{"_placeholder": true, "num": 0}` does |
//!
//! A binary message that none announced is the event `message` with these bytes as its data.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use socketio_parser::{RawArgs, reserved_event};
use socketio_server::Object;
use thiserror::Error;

/// What stands for the first attachment, as every server writes it.
const PLACEHOLDER: &str = r#"{"_placeholder":true,"num":0}"#;
/// The largest number that JavaScript keeps exactly, and Socket.IO takes for an answer.
const MAX_ID: u64 = (1 << 53) - 1;

/// Why a native message means nothing.
#[derive(Debug, Error)]
pub(super) enum Fault {
    #[error("not a message: {0}")]
    Json(#[from] serde_json::Error),
    #[error("`event` or `id` is missing")]
    Nothing,
    #[error("`data` and `args` exclude each other")]
    Both,
    #[error("the event name {0} is reserved")]
    Reserved(&'static str),
    #[error("`id` is larger than 9007199254740991")]
    Id,
    #[error("binary messages that were announced have not come yet")]
    Expected,
}

#[derive(Deserialize)]
struct Incoming<'a> {
    #[serde(borrow)]
    event: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    args: Option<Vec<&'a RawValue>>,
    id: Option<u64>,
    #[serde(default)]
    attachments: usize,
}

/// A native message as a message of Engine.IO, and how many binary ones follow.
pub(super) fn to_packet(text: &str, namespace: &str) -> Result<(String, usize), Fault> {
    let Object(Incoming { event, data, args, id, attachments }) = serde_json::from_str(text)?;
    if data.is_some() && args.is_some() {
        return Err(Fault::Both);
    }
    if id.is_some_and(|id| id > MAX_ID) {
        return Err(Fault::Id);
    }
    let kind = match (&event, attachments) {
        (Some(_), 0) => '2',
        (Some(_), _) => '5',
        (None, 0) => '3',
        (None, _) => '6',
    };
    let mut packet = String::with_capacity(text.len() + namespace.len() + 16);
    start(&mut packet, kind, attachments, namespace);
    match (id, &event) {
        (Some(id), _) => packet.push_str(&id.to_string()),
        (None, Some(_)) => {}
        (None, None) => return Err(Fault::Nothing),
    }
    packet.push('[');
    if let Some(event) = &event {
        if let Some(reserved) = reserved_event(event) {
            return Err(Fault::Reserved(reserved));
        }
        packet.push_str(&serde_json::to_string(event)?);
    }
    let mut separate = event.is_some();
    for value in data.into_iter().chain(args.into_iter().flatten()) {
        if std::mem::replace(&mut separate, true) {
            packet.push(',');
        }
        packet.push_str(value.get());
    }
    packet.push(']');
    Ok((packet, attachments))
}

/// The packet that announces a binary message which came by itself.
pub(super) fn binary_packet(namespace: &str) -> String {
    let mut packet = String::new();
    start(&mut packet, '5', 1, namespace);
    packet.push_str(r#"["message","#);
    packet.push_str(PLACEHOLDER);
    packet.push(']');
    packet
}

/// `4` is Engine.IO's message.
fn start(packet: &mut String, kind: char, attachments: usize, namespace: &str) {
    packet.push('4');
    packet.push(kind);
    if attachments > 0 {
        packet.push_str(&attachments.to_string());
        packet.push('-');
    }
    if namespace != "/" {
        packet.push_str(namespace);
        packet.push(',');
    }
}

/// An event or an answer of the server, as the native protocol has it.
#[derive(Serialize)]
pub(super) struct Outgoing<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    args: Option<Vec<&'a RawValue>>,
    #[serde(skip_serializing_if = "is_zero")]
    attachments: usize,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl<'a> Outgoing<'a> {
    /// With an event's name, or without for an answer. What cannot be read is left out; the server wrote it.
    pub(super) fn new(event: Option<&'a str>, id: Option<u64>, arguments: &'a RawArgs) -> Self {
        let raw = arguments.iter().filter_map(|argument| serde_json::from_slice(argument.as_bytes()).ok());
        let mut values: Vec<&RawValue> = raw.collect();
        let attachments = arguments.attachments().len();
        match values.len() {
            0 | 1 => Self { event, id, data: values.pop(), args: None, attachments },
            _ => Self { event, id, data: None, args: Some(values), attachments },
        }
    }

    /// Whether it is nothing but a binary message.
    pub(super) fn is_binary_alone(&self) -> bool {
        self.event == Some("message")
            && self.id.is_none()
            && self.attachments == 1
            && self.data.is_some_and(|data| data.get() == PLACEHOLDER)
    }

    pub(super) fn to_text(&self) -> String {
        // Names, numbers and JSON that was read before cannot fail to be written.
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use socketio_parser::{Decoder, Payload};

    use super::*;

    #[test]
    fn native_messages_become_packets() {
        for (native, namespace, packet) in [
            (r#"{"event":"a"}"#, "/", r#"42["a"]"#),
            (r#"{"event":"a","data":null}"#, "/", r#"42["a"]"#),
            (
                r#"{ "data": {"n": 12345678901234567890, "b":1.0}, "event":"é\n" }"#,
                "/",
                r#"42["é\n",{"n": 12345678901234567890, "b":1.0}]"#,
            ),
            (r#"{"event":"a","args":[1,"b",null],"other":1}"#, "/n", r#"42/n,["a",1,"b",null]"#),
            (r#"{"event":"a","data":[1],"id":7}"#, "/", r#"427["a",[1]]"#),
            (r#"{"id":7,"data":[1]}"#, "/n", r#"43/n,7[[1]]"#),
            (r#"{"id":0}"#, "/", "430[]"),
            (r#"{"event":"a","attachments":2,"data":[]}"#, "/n", r#"452-/n,["a",[]]"#),
            (r#"{"id":3,"attachments":1,"data":[]}"#, "/", r#"461-3[[]]"#),
        ] {
            assert_eq!(to_packet(native, namespace).unwrap().0, packet, "{native}");
        }
        assert_eq!(to_packet(r#"{"event":"a","attachments":2}"#, "/").unwrap().1, 2);
        assert_eq!(binary_packet("/n"), r#"451-/n,["message",{"_placeholder":true,"num":0}]"#);
    }

    #[test]
    fn what_means_nothing_is_refused() {
        for (native, said) in [
            ("", "not a message: EOF"),
            ("[]", "not a message: invalid type: sequence, expected an object"),
            (r#"["a",1]"#, "not a message: invalid type: sequence, expected an object"),
            ("{}", "`event` or `id` is missing"),
            (r#"{"data":1}"#, "`event` or `id` is missing"),
            (r#"{"event":1}"#, "not a message: invalid type"),
            (r#"{"event":"a","id":-1}"#, "not a message: invalid value"),
            (r#"{"event":"a","id":9007199254740992}"#, "`id` is larger"),
            (r#"{"event":"a","data":1,"args":[]}"#, "`data` and `args`"),
            (r#"{"event":"connect"}"#, "the event name connect is reserved"),
            (r#"{"event":"a","data":{]}"#, "not a message: "),
            (r#"{"event":"a"} x"#, "not a message: trailing"),
        ] {
            let error = to_packet(native, "/").unwrap_err().to_string();
            assert!(error.starts_with(said), "{native}: {error}");
        }
    }

    #[test]
    fn packets_become_native_messages() {
        for (packet, native) in [
            (r#"2["a"]"#, r#"{"event":"a"}"#),
            (r#"2["a",{"n": 1.0}]"#, r#"{"event":"a","data":{"n": 1.0}}"#),
            (r#"27["a",1,2]"#, r#"{"event":"a","id":7,"args":[1,2]}"#),
            (r#"37[null]"#, r#"{"id":7,"data":null}"#),
            (r#"37[]"#, r#"{"id":7}"#),
        ] {
            let packet = Decoder::default().text(packet.into()).unwrap().unwrap();
            let (event, arguments) = match &packet.payload {
                Payload::Event(event) => (Some(event.name()), event.args()),
                Payload::Ack(arguments) => (None, arguments),
                other => panic!("{other:?}"),
            };
            assert_eq!(Outgoing::new(event, packet.ack_id, arguments).to_text(), native);
        }
    }

    #[test]
    fn binary_alone_is_known() {
        let alone = |text: &'static str| {
            let mut decoder = Decoder::default();
            assert!(decoder.text(text.into()).unwrap().is_none());
            let packet = decoder.binary("bytes".into()).unwrap().unwrap();
            let Payload::Event(event) = packet.payload else { panic!("an event") };
            Outgoing::new(Some(event.name()), packet.ack_id, event.args()).is_binary_alone()
        };
        assert!(alone(r#"51-["message",{"_placeholder":true,"num":0}]"#));
        assert!(!alone(r#"51-["other",{"_placeholder":true,"num":0}]"#));
        assert!(!alone(r#"51-["message",[{"_placeholder":true,"num":0}]]"#));
        assert!(!alone(r#"51-["message",{"_placeholder":true,"num":0},1]"#));
        assert!(!alone(r#"51-1["message",{"_placeholder":true,"num":0}]"#));
    }
}
