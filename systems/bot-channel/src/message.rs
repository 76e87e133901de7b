//! Messages of users, as the agent receives them.

use serde_json::{Map, Value};
use socketio_server::RawArgs;
use tracing::warn;

use crate::token::Claims;

/// A message of a user.
#[derive(Clone, Debug, PartialEq)]
pub struct UserMessage {
    /// The text of the message.
    pub text: String,
    /// The conversation: the session if sessions persist, otherwise the connection.
    pub sender: String,
    /// The input channel: always `socketio` here.
    pub input_channel: &'static str,
    /// Further data that the client sent with the message.
    pub metadata: Map<String, Value>,
    /// The claims of the user's token, if tokens are required.
    pub claims: Option<Claims>,
}

/// Reasons why a message is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Invalid {
    #[error("the message is no object")]
    NoObject,
    #[error("the message has no text \"message\"")]
    NoMessage,
    #[error("the message has binary data, for which agents have no place")]
    Binary,
}

/// The parsed payload of a user's message.
pub(crate) struct Uttered {
    pub(crate) text: String,
    pub(crate) session: Option<String>,
    pub(crate) metadata: Map<String, Value>,
}

impl Uttered {
    /// Reads the first argument of an event.
    pub(crate) fn read(args: &RawArgs, metadata_key: &str) -> Result<Self, Invalid> {
        if !args.attachments().is_empty() {
            return Err(Invalid::Binary);
        }
        Self::of(args.parse(0).map_err(|_| Invalid::NoObject)?, metadata_key)
    }

    fn of(data: Value, metadata_key: &str) -> Result<Self, Invalid> {
        let Value::Object(mut data) = data else {
            return Err(Invalid::NoObject);
        };
        let Some(Value::String(text)) = data.remove("message") else {
            return Err(Invalid::NoMessage);
        };
        let metadata = data.remove(metadata_key).map_or_else(Map::new, metadata);
        let session = data.remove("session_id").and_then(|id| id.as_str().map(str::to_owned));
        Ok(Self { text, session, metadata })
    }
}

/// Metadata may be an object, or a string that contains an object in JSON.
fn metadata(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => return object,
        Value::Null => return Map::new(),
        Value::String(text) => {
            if let Ok(object) = serde_json::from_str(&text) {
                return object;
            }
        }
        _ => {}
    }
    warn!("metadata that are no object are ignored");
    Map::new()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn messages_are_parsed() {
        let read = |data| Uttered::of(data, "about").map(|said| (said.text, said.session, said.metadata));
        let about = json!({ "a": 1 }).as_object().unwrap().clone();
        let good = json!({ "message": "hi", "session_id": "s", "about": { "a": 1 }, "more": 1 });
        assert_eq!(read(good), Ok(("hi".to_owned(), Some("s".to_owned()), about.clone())));
        let text = json!({ "message": "", "session_id": null, "about": "{\"a\":1}" });
        assert_eq!(read(text), Ok((String::new(), None, about)));
        for strange in [json!(null), json!("{"), json!("[]"), json!(7), json!([])] {
            let read = read(json!({ "message": "hi", "session_id": 7, "about": strange }));
            assert_eq!(read, Ok(("hi".to_owned(), None, Map::new())));
        }
        for (wrong, why) in [
            (json!(null), Invalid::NoObject),
            (json!("hi"), Invalid::NoObject),
            (json!([{ "message": "hi" }]), Invalid::NoObject),
            (json!({}), Invalid::NoMessage),
            (json!({ "message": 7 }), Invalid::NoMessage),
        ] {
            assert_eq!(read(wrong), Err(why));
        }
    }
}
