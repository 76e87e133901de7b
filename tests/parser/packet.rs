//! A packet that both sides understand.

use bytes::Bytes;
use serde_json::{Value as Json, json};
use socketio_parser::{Args, DecodeError, Decoder, Parser, Payload, RawArgs, RawValue};

use crate::value::{Value, hex, unhex};

/// The input of an encoder and the output of a decoder.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Packet {
    pub(crate) kind: u64,
    pub(crate) namespace: String,
    pub(crate) id: Option<u64>,
    pub(crate) data: Option<Value>,
}

/// One message on the wire.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Message {
    Text(String),
    Binary(Vec<u8>),
}

impl Message {
    pub(crate) fn to_pipe(&self) -> Json {
        match self {
            Self::Text(text) => json!(text),
            Self::Binary(bytes) => json!({ "$b": hex(bytes) }),
        }
    }

    pub(crate) fn from_pipe(pipe: &Json) -> Self {
        match pipe {
            Json::String(text) => Self::Text(text.clone()),
            other => Self::Binary(unhex(other["$b"].as_str().unwrap())),
        }
    }
}

impl Packet {
    /// Writes the packet for the oracle: the keys are in the order of the official server, which is visible
    /// in msgpack.
    pub(crate) fn write_pipe(&self, out: &mut String) {
        let id = |out: &mut String| {
            if let Some(id) = self.id {
                out.push_str(&format!("\"id\":{id},"));
            }
        };
        out.push('{');
        if self.kind == 3 {
            id(out);
        }
        out.push_str(&format!("\"type\":{},", self.kind));
        if let Some(data) = &self.data {
            out.push_str("\"data\":");
            data.write_pipe(out);
            out.push(',');
        }
        if self.kind != 3 {
            id(out);
        }
        out.push_str(&format!("\"nsp\":{}}}", json!(self.namespace)));
    }

    pub(crate) fn from_pipe(pipe: &Json) -> Self {
        let kind = pipe["type"].as_u64().unwrap();
        // The official server spreads `undefined`, which gives no arguments.
        let absent = (kind == 3).then(|| Value::Array(Vec::new()));
        Self {
            kind,
            namespace: pipe["nsp"].as_str().unwrap_or_default().to_owned(),
            id: pipe.get("id").map(|id| id.as_u64().unwrap_or(u64::MAX)),
            data: pipe.get("data").map(Value::from_pipe).or(absent),
        }
    }

    /// Converts a packet of our decoder.
    pub(crate) fn from_ours(packet: &socketio_parser::Packet) -> Self {
        let value = |raw: &RawValue| Value::from_ours(raw.value().unwrap().view(), 0);
        let list = |args: &RawArgs, name: Option<&str>| {
            let name = name.map(|name| Value::String(name.to_owned()));
            let args = args.iter().map(|arg| Value::from_ours(arg.value().unwrap().view(), 1));
            Value::Array(name.into_iter().chain(args).collect())
        };
        let data = match &packet.payload {
            Payload::Connect(data) | Payload::ConnectError(data) => data.as_ref().map(value),
            Payload::Disconnect | Payload::EmptyEvent => None,
            Payload::Event(event) => Some(list(event.args(), Some(event.name()))),
            Payload::Ack(args) => Some(list(args, None)),
        };
        Self { kind: packet.kind() as u64, namespace: packet.namespace.to_string(), id: packet.ack_id, data }
    }

    /// Encodes with our encoder, through its public API.
    pub(crate) fn encode(&self, parser: Parser) -> Vec<Message> {
        let mut out = Vec::new();
        let namespace = &self.namespace;
        let attachments = match (self.kind, &self.data) {
            (2, Some(Value::Array(list))) => {
                let Some((Value::String(name), args)) = list.split_first() else {
                    panic!("an event has a name")
                };
                parser.encode_event(&mut out, namespace, self.id, name, &Args(args)).unwrap()
            }
            (3, Some(Value::Array(list))) => {
                parser.encode_ack(&mut out, namespace, self.id.unwrap(), &Args(&list[..])).unwrap()
            }
            (0, data) => {
                parser.encode_connect(&mut out, namespace, data.as_ref()).unwrap();
                Vec::new()
            }
            (1, None) => {
                parser.encode_disconnect(&mut out, namespace).unwrap();
                Vec::new()
            }
            (4, Some(Value::Object(entries))) => {
                let Value::String(message) = &entries[0].1 else { panic!("an error has a message") };
                let data = entries.get(1).map(|(_, data)| data);
                let revision = socketio_parser::Revision::V5;
                parser.encode_connect_error(&mut out, revision, namespace, message, data).unwrap();
                Vec::new()
            }
            other => panic!("no packet has {other:?}"),
        };
        let head = if parser.is_binary() {
            Message::Binary(out)
        } else {
            Message::Text(String::from_utf8(out).unwrap())
        };
        let attachments = attachments.iter().map(|bytes| Message::Binary(bytes.to_vec()));
        std::iter::once(head).chain(attachments).collect()
    }
}

/// Returns the result of our decoder for each message, up to the first error.
pub(crate) fn decode(parser: Parser, messages: &[Message]) -> Vec<Result<Option<Packet>, DecodeError>> {
    let mut decoder = Decoder::new(parser, socketio_parser::Limits::default());
    let mut answers = Vec::new();
    for message in messages {
        let answer = match message {
            Message::Text(text) => decoder.text(Bytes::from(text.clone())),
            Message::Binary(bytes) => decoder.binary(Bytes::from(bytes.clone())),
        };
        let failed = answer.is_err();
        answers.push(answer.map(|packet| packet.as_ref().map(Packet::from_ours)));
        if failed {
            break;
        }
    }
    answers
}
