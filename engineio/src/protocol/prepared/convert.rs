//! Prepared messages from the types that applications send.

use bytes::Bytes;

use super::{Prepared, TextBuf};
use crate::protocol::packet::Message;
use crate::protocol::text::Text;

impl From<Message> for Prepared {
    fn from(message: Message) -> Self {
        match message {
            Message::Text(text) => text.into(),
            Message::Binary(data) => Self::binary(data),
        }
    }
}

impl From<Text> for Prepared {
    fn from(text: Text) -> Self {
        let mut buf = TextBuf::with_capacity(text.len());
        buf.buffer().extend_from_slice(text.as_bytes());
        buf.finish()
    }
}

impl From<&str> for Prepared {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Prepared {
    fn from(text: String) -> Self {
        Self::text(&text)
    }
}

impl From<Bytes> for Prepared {
    fn from(data: Bytes) -> Self {
        Self::binary(data)
    }
}

impl From<Vec<u8>> for Prepared {
    fn from(data: Vec<u8>) -> Self {
        Self::binary(data.into())
    }
}
