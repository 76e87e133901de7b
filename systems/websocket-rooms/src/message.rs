//! Messages of a connection, in both directions.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

pub use tokio_tungstenite::tungstenite::Utf8Bytes;

/// The type of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageType {
    /// Text, including JSON.
    Text,
    /// Binary data.
    Binary,
    /// A ping. The peer answers it automatically.
    Ping,
    /// The answer to a ping.
    Pong,
    /// The last message of a connection.
    Close,
}

/// A message. Clones are cheap at any size: all receivers of a broadcast share its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Text, including JSON.
    Text(Utf8Bytes),
    /// Binary data.
    Binary(Bytes),
    /// A ping with at most 125 bytes of data, which the peer returns.
    Ping(Bytes),
    /// The answer to a ping.
    Pong(Bytes),
    /// The close frame, with its code and reason if it has any.
    Close(Option<Farewell>),
}

/// Code and reason of a close frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Farewell {
    /// A code of [RFC 6455, section 7.4](https://www.rfc-editor.org/rfc/rfc6455#section-7.4), or one of the
    /// application's own, from 4000 to 4999.
    pub code: u16,
    /// A description of at most 123 bytes; longer ones are truncated.
    pub reason: Utf8Bytes,
}

impl Message {
    /// A value as JSON text.
    pub fn json(value: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(Self::Text(serde_json::to_string(value)?.into()))
    }

    /// The type of the message.
    pub fn kind(&self) -> MessageType {
        match self {
            Self::Text(_) => MessageType::Text,
            Self::Binary(_) => MessageType::Binary,
            Self::Ping(_) => MessageType::Ping,
            Self::Pong(_) => MessageType::Pong,
            Self::Close(_) => MessageType::Close,
        }
    }

    /// The text of a text message.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text.as_str()),
            _ => None,
        }
    }

    /// The bytes of a text or binary message, a ping or a pong.
    pub fn data(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(data) | Self::Ping(data) | Self::Pong(data) => data,
            Self::Close(_) => &[],
        }
    }

    /// Reads a text or binary message as JSON.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(self.data())
    }

    /// Whether this is a control frame.
    pub(crate) fn is_control(&self) -> bool {
        !matches!(self, Self::Text(_) | Self::Binary(_))
    }

    /// Size of the message in the outbox: its bytes, plus an allowance for the frame.
    pub(crate) fn cost(&self) -> usize {
        self.data().len() + 16
    }
}

impl Farewell {
    /// A code and its description.
    pub fn new(code: u16, reason: &str) -> Self {
        let mut end = reason.len().min(123);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        Self { code, reason: reason[..end].into() }
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<Bytes> for Message {
    fn from(data: Bytes) -> Self {
        Self::Binary(data)
    }
}

impl From<Vec<u8>> for Message {
    fn from(data: Vec<u8>) -> Self {
        Self::Binary(data.into())
    }
}

impl From<&[u8]> for Message {
    fn from(data: &[u8]) -> Self {
        Self::Binary(Bytes::copy_from_slice(data))
    }
}

/// A JSON value is sent as text.
impl From<serde_json::Value> for Message {
    fn from(value: serde_json::Value) -> Self {
        Self::Text(value.to_string().into())
    }
}

impl From<&Self> for Message {
    fn from(message: &Self) -> Self {
        message.clone()
    }
}

/// `None` for raw frames, which a connection never returns.
pub(crate) fn from_wire(message: tungstenite::Message) -> Option<Message> {
    match message {
        tungstenite::Message::Text(text) => Some(Message::Text(text)),
        tungstenite::Message::Binary(data) => Some(Message::Binary(data)),
        tungstenite::Message::Ping(data) => Some(Message::Ping(data)),
        tungstenite::Message::Pong(data) => Some(Message::Pong(data)),
        tungstenite::Message::Close(frame) => Some(Message::Close(
            frame.map(|frame| Farewell { code: frame.code.into(), reason: frame.reason }),
        )),
        tungstenite::Message::Frame(_) => None,
    }
}

pub(crate) fn into_wire(message: Message) -> tungstenite::Message {
    match message {
        Message::Text(text) => tungstenite::Message::Text(text),
        Message::Binary(data) => tungstenite::Message::Binary(data),
        Message::Ping(data) => tungstenite::Message::Ping(short(&data)),
        Message::Pong(data) => tungstenite::Message::Pong(short(&data)),
        Message::Close(farewell) => tungstenite::Message::Close(farewell.as_ref().map(close_frame)),
    }
}

/// A control frame has at most 125 bytes; the peer would close the connection for a longer one.
fn short(data: &Bytes) -> Bytes {
    let end = data.len().min(125);
    data.slice(..end)
}

/// Codes that must not be sent, such as 1005 and 1006, become 1000; the reason is truncated to the maximum
/// length.
fn close_frame(farewell: &Farewell) -> CloseFrame {
    let Farewell { code, reason } = Farewell::new(farewell.code, &farewell.reason);
    let code = CloseCode::from(code);
    CloseFrame { code: if code.is_allowed() { code } else { CloseCode::Normal }, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_type_is_encoded_and_decoded() {
        let messages = [
            (Message::from("text"), MessageType::Text),
            (Message::from(vec![1, 2]), MessageType::Binary),
            (Message::Ping(Bytes::from_static(b"?")), MessageType::Ping),
            (Message::Pong(Bytes::from_static(b"!")), MessageType::Pong),
            (Message::Close(None), MessageType::Close),
            (Message::Close(Some(Farewell::new(4001, "bye"))), MessageType::Close),
        ];
        for (message, kind) in messages {
            assert_eq!(message.kind(), kind);
            assert_eq!(from_wire(into_wire(message.clone())), Some(message));
        }
    }

    #[test]
    fn json_is_sent_as_text() {
        let message = Message::from(serde_json::json!({ "a": 1 }));
        assert_eq!(message.text(), Some(r#"{"a":1}"#));
        assert_eq!(Message::json(&("a", 1)).unwrap().parse::<(String, u8)>().unwrap(), ("a".to_owned(), 1));
        assert!(Message::from("{").parse::<serde_json::Value>().is_err());
    }

    #[test]
    fn invalid_close_codes_and_long_reasons_are_corrected() {
        let long = Message::Close(Some(Farewell { code: 1006, reason: "é".repeat(100).into() }));
        let Some(Message::Close(Some(Farewell { code, reason }))) = from_wire(into_wire(long)) else {
            panic!("not a close");
        };
        assert_eq!((code, reason.len()), (1000, 122));
        let Some(ping) = from_wire(into_wire(Message::Ping(Bytes::from(vec![0; 200])))) else {
            panic!("not a ping");
        };
        assert_eq!(ping.data().len(), 125);
    }
}
