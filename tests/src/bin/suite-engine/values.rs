//! Messages as the control connection has them: text, or binary data as `{"$bin": "<base64>"}`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engineio::Message;
use serde_json::{Value, json};

pub(crate) fn from_message(message: &Message) -> Value {
    match message {
        Message::Text(text) => text.as_str().into(),
        Message::Binary(data) => json!({"$bin": STANDARD.encode(data)}),
    }
}

pub(crate) fn to_message(value: &Value) -> Option<Message> {
    if let Some(text) = value.as_str() {
        return Some(Message::from(text.to_owned()));
    }
    Some(Message::from(STANDARD.decode(value["$bin"].as_str()?).ok()?))
}
