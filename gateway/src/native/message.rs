//! Translation of one message between the native protocol and Socket.IO packets.
//!
//! Native messages, in both directions:
//!
//! | JSON | means |
//! | --- | --- |
//! | `{"event": "e", "data": d}` | an event; without `data` it has no argument, with `args` in its place several |
//! | `{"event": "e", "data": d, "id": 7}` | an event that requests an acknowledgement |
//! | `{"id": 7, "data": d}` | the acknowledgement |
//! | `{…, "attachments": 2}` | two binary messages follow, which replace the placeholders `{"_placeholder": true, "num": 0}` and `1` |
//! | `{"event": "e", "data": d, "from": "…"}` | an event that the client with this id sent, relayed by the server |
//!
//! A binary message without an announcement is the event `message` with these bytes as its data.

use std::borrow::Cow;

use bytes::Bytes;
use engineio::FrameWriter;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use socketio_parser::raw::RawPacket;
use socketio_parser::{Args, Binary, EncodeError, Parser, RawArgs, reserved_event};
use socketio_server::Object;
use thiserror::Error;

/// Placeholder of the first attachment, as all servers write it.
const PLACEHOLDER: &str = r#"{"_placeholder":true,"num":0}"#;
/// Largest integer that JavaScript represents exactly, and that Socket.IO accepts as an acknowledgement id.
pub(super) const MAX_ID: u64 = (1 << 53) - 1;

/// Error of an invalid native message.
#[derive(Debug, Error)]
pub(super) enum Fault {
    #[error("invalid message: {0}")]
    Json(#[from] serde_json::Error),
    #[error("`event` or `id` is missing")]
    Nothing,
    #[error("`data` and `args` exclude each other")]
    Both,
    #[error("the event name {0} is reserved")]
    Reserved(&'static str),
    #[error("`id` is larger than 9007199254740991")]
    Id,
    #[error("announced attachments are missing")]
    Expected,
    #[error(transparent)]
    Encode(#[from] EncodeError),
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

/// Name of an event as JSON, for [`Outgoing::new`].
pub(super) fn to_json(name: &str) -> String {
    let mut json = Vec::new();
    self::json(&mut json, name);
    String::from_utf8(json).unwrap_or_default()
}

/// Translates a native message to the text of a packet. Returns it with the number of attachments that
/// follow.
pub(super) fn to_packet(text: &str, namespace: &str) -> Result<(String, usize), Fault> {
    let Object(Incoming { event, data, args, id, attachments }) = serde_json::from_str(text)?;
    if data.is_some() && args.is_some() {
        return Err(Fault::Both);
    }
    if id.is_some_and(|id| id > MAX_ID) {
        return Err(Fault::Id);
    }
    let args = Args(data.map_or_else(|| args.unwrap_or_default(), |data| vec![data]));
    let mut packet = Vec::with_capacity(text.len() + namespace.len() + 16);
    match (&event, id) {
        (Some(event), id) => {
            if let Some(reserved) = reserved_event(event) {
                return Err(Fault::Reserved(reserved));
            }
            Parser::Json.encode_event(&mut packet, namespace, id, event, &args)?
        }
        (None, Some(id)) => Parser::Json.encode_ack(&mut packet, namespace, id, &args)?,
        (None, None) => return Err(Fault::Nothing),
    };
    Parser::Json.announce_attachments(&mut packet, 0, attachments);
    Ok((String::from_utf8(packet).unwrap_or_default(), attachments))
}

/// Text of the packet that announces a binary message without an announcement of its own.
pub(super) fn binary_packet(namespace: &str) -> Result<String, Fault> {
    let mut packet = Vec::new();
    // The packet only contains the placeholder; the bytes follow as its attachment.
    Parser::Json.encode_event(&mut packet, namespace, None, "message", &Binary::default())?;
    Ok(String::from_utf8(packet).unwrap_or_default())
}

/// Event or acknowledgement of the server, in the native protocol.
#[derive(Clone, Copy)]
pub(super) struct Outgoing<'a> {
    /// Name of an event as JSON, or `None` in an acknowledgement.
    event: Option<&'a [u8]>,
    id: Option<u64>,
    /// Arguments as JSON, separated by commas.
    args: &'a [u8],
    count: usize,
    attachments: &'a [Bytes],
    /// Id of the client that sent the event.
    from: Option<&'a str>,
}

impl<'a> Outgoing<'a> {
    /// Creates an event with its name as JSON, or an acknowledgement without a name.
    pub(super) fn new(event: Option<&'a str>, id: Option<u64>, arguments: &'a RawArgs) -> Self {
        Self {
            event: event.map(str::as_bytes),
            id,
            args: arguments.as_bytes(),
            count: arguments.len(),
            attachments: arguments.attachments(),
            from: None,
        }
    }

    /// Creates an event or acknowledgement from the parts of its packet, with this number of arguments.
    pub(super) fn plain(packet: &RawPacket<'a>, arguments: u8) -> Self {
        Self {
            event: packet.name,
            id: packet.ack_id,
            args: packet.args,
            count: arguments.into(),
            attachments: &[],
            from: None,
        }
    }

    /// Leaves out the last argument, which is an offset: a text without quotes and escapes. Native clients are not
    /// recovered.
    pub(super) fn without_offset(self) -> Self {
        let before = self.args.strip_suffix(b"\"").unwrap_or(self.args);
        let before = before.iter().rposition(|byte| *byte == b'"').map_or(before, |quote| &before[..quote]);
        let args = before.strip_suffix(b",").unwrap_or(before);
        Self { args, count: self.count.saturating_sub(1), ..self }
    }

    /// Sets the client that sent the event.
    pub(super) fn from(self, from: Option<&'a str>) -> Self {
        Self { from, ..self }
    }

    /// Bytes of the message, if it is a binary message without an announcement.
    pub(super) fn binary_alone(&self) -> Option<&'a Bytes> {
        let is_plain =
            self.event == Some(br#""message""#.as_slice()) && self.id.is_none() && self.from.is_none();
        match self.attachments {
            [data] if is_plain && self.args == PLACEHOLDER.as_bytes() => Some(data),
            _ => None,
        }
    }

    /// Writes the WebSocket messages of the event or acknowledgement.
    #[inline]
    pub(super) fn write_frames(&self, frames: &mut FrameWriter) {
        if !self.attachments.is_empty() {
            if let Some(data) = self.binary_alone() {
                return frames.binary(data.clone());
            }
        }
        frames.text(|out| self.write(out));
        self.attachments.iter().for_each(|data| frames.binary(data.clone()));
    }

    /// Appends the text. The arguments are JSON that the server encoded, and are copied unchanged.
    #[inline]
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.reserve(64 + self.args.len());
        match self.event {
            Some(event) => {
                out.extend_from_slice(br#"{"event":"#);
                out.extend_from_slice(event);
            }
            None => out.push(b'{'),
        }
        if let Some(id) = self.id {
            key(out, br#""id":"#);
            json(out, &id);
        }
        if self.count == 1 {
            key(out, br#""data":"#);
            out.extend_from_slice(self.args);
        } else if !self.args.is_empty() {
            key(out, br#""args":["#);
            out.extend_from_slice(self.args);
            out.push(b']');
        }
        if !self.attachments.is_empty() {
            key(out, br#""attachments":"#);
            json(out, &self.attachments.len());
        }
        if let Some(from) = self.from {
            key(out, br#""from":"#);
            json(out, from);
        }
        out.push(b'}');
    }
}

#[inline]
fn key(out: &mut Vec<u8>, key: &[u8]) {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
    out.extend_from_slice(key);
}

fn json<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    // Names and numbers always serialize.
    let _ = serde_json::to_writer(out, value);
}

#[cfg(test)]
mod tests {
    use socketio_parser::{Decoder, Payload};

    use super::*;

    #[test]
    fn native_messages_become_packets() {
        for (native, namespace, packet) in [
            (r#"{"event":"a"}"#, "/", r#"2["a"]"#),
            (r#"{"event":"a","data":null}"#, "/", r#"2["a"]"#),
            (
                r#"{ "data": {"n": 12345678901234567890, "b":1.0}, "event":"é\n" }"#,
                "/",
                r#"2["é\n",{"n": 12345678901234567890, "b":1.0}]"#,
            ),
            (r#"{"event":"a","args":[1,"b",null],"other":1}"#, "/n", r#"2/n,["a",1,"b",null]"#),
            (r#"{"event":"a","data":[1],"id":7}"#, "/", r#"27["a",[1]]"#),
            (r#"{"id":7,"data":[1]}"#, "/n", r#"3/n,7[[1]]"#),
            (r#"{"id":0}"#, "/", "30[]"),
            (r#"{"event":"a","attachments":2,"data":[]}"#, "/n", r#"52-/n,["a",[]]"#),
            (r#"{"id":3,"attachments":1,"data":[]}"#, "/", r#"61-3[[]]"#),
        ] {
            assert_eq!(to_packet(native, namespace).unwrap().0, packet, "{native}");
        }
        assert_eq!(to_packet(r#"{"event":"a","attachments":2}"#, "/").unwrap().1, 2);
        assert_eq!(binary_packet("/n").unwrap(), r#"51-/n,["message",{"_placeholder":true,"num":0}]"#);
    }

    #[test]
    fn invalid_messages_are_refused() {
        for (native, message) in [
            ("", "invalid message: EOF"),
            ("[]", "invalid message: invalid type: sequence, expected an object"),
            (r#"["a",1]"#, "invalid message: invalid type: sequence, expected an object"),
            ("{}", "`event` or `id` is missing"),
            (r#"{"data":1}"#, "`event` or `id` is missing"),
            (r#"{"event":1}"#, "invalid message: invalid type"),
            (r#"{"event":"a","id":-1}"#, "invalid message: invalid value"),
            (r#"{"event":"a","id":9007199254740992}"#, "`id` is larger"),
            (r#"{"event":"a","data":1,"args":[]}"#, "`data` and `args`"),
            (r#"{"event":"connect"}"#, "the event name connect is reserved"),
            (r#"{"event":"a","data":{]}"#, "invalid message: "),
            (r#"{"event":"a"} x"#, "invalid message: trailing"),
        ] {
            let error = to_packet(native, "/").unwrap_err().to_string();
            assert!(error.starts_with(message), "{native}: {error}");
        }
    }

    fn text(outgoing: &Outgoing<'_>) -> String {
        let mut text = Vec::new();
        outgoing.write(&mut text);
        String::from_utf8(text).unwrap()
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
                Payload::Event(event) => (Some(to_json(event.name())), event.args()),
                Payload::Ack(arguments) => (None, arguments),
                other => panic!("{other:?}"),
            };
            let outgoing = Outgoing::new(event.as_deref(), packet.ack_id, arguments);
            assert_eq!(text(&outgoing), native);
            assert_eq!(
                text(&outgoing.from(Some("a"))),
                format!(r#"{},"from":"a"}}"#, native.strip_suffix('}').unwrap())
            );
        }
    }

    #[test]
    fn a_binary_message_without_an_announcement_is_recognized() {
        let alone = |text: &'static str| {
            let mut decoder = Decoder::default();
            assert!(decoder.text(text.into()).unwrap().is_none());
            let packet = decoder.binary("bytes".into()).unwrap().unwrap();
            let Payload::Event(event) = packet.payload else { panic!("an event") };
            let name = to_json(event.name());
            Outgoing::new(Some(&name), packet.ack_id, event.args()).binary_alone().is_some()
        };
        assert!(alone(r#"51-["message",{"_placeholder":true,"num":0}]"#));
        assert!(!alone(r#"51-["other",{"_placeholder":true,"num":0}]"#));
        assert!(!alone(r#"51-["message",[{"_placeholder":true,"num":0}]]"#));
        assert!(!alone(r#"51-["message",{"_placeholder":true,"num":0},1]"#));
        assert!(!alone(r#"51-1["message",{"_placeholder":true,"num":0}]"#));
    }
}
