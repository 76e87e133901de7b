//! Entries of a conversation.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// A message of a user or of the bot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Entry {
    /// The author.
    pub role: Role,
    /// The kind of the message.
    pub kind: Kind,
    /// The message: of a user `{"text", "metadata"}`, of the bot as the clients receive it.
    pub payload: Value,
    /// The time, in milliseconds since 1970.
    pub at_ms: u64,
}

/// Author of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The user.
    User,
    /// The bot.
    Bot,
}

/// Kind of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// Text.
    Text,
    /// Text with buttons or quick replies.
    Buttons,
    /// An image.
    Image,
    /// A card.
    Template,
    /// Another attachment.
    Attachment,
    /// JSON of the agent's own.
    Custom,
}

impl Entry {
    /// A message of a user, now.
    pub fn of_user(text: &str, metadata: &Map<String, Value>) -> Self {
        let mut payload = json!({ "text": text });
        if !metadata.is_empty() {
            payload["metadata"] = Value::Object(metadata.clone());
        }
        Self { role: Role::User, kind: Kind::Text, payload, at_ms: now_ms() }
    }

    /// A message of the bot, now. Its kind follows from its form.
    pub fn of_bot(payload: Value) -> Self {
        Self { role: Role::Bot, kind: Kind::of(&payload), payload, at_ms: now_ms() }
    }

    /// The text of the message, if it has one.
    pub fn text(&self) -> Option<&str> {
        self.payload.get("text")?.as_str()
    }
}

impl Kind {
    fn of(message: &Value) -> Self {
        if let Some(attachment) = message.get("attachment") {
            return match attachment.get("type").and_then(Value::as_str) {
                Some("image") => Self::Image,
                Some("template") => Self::Template,
                _ => Self::Attachment,
            };
        }
        let buttons = message.get("quick_replies").and_then(Value::as_array);
        match message.get("text") {
            Some(Value::String(_)) if buttons.is_some_and(|buttons| !buttons.is_empty()) => Self::Buttons,
            Some(Value::String(_)) => Self::Text,
            _ => Self::Custom,
        }
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::{Button, Reply};

    #[test]
    fn the_kind_of_a_message_follows_from_its_form() {
        let button = Button { title: "t".to_owned(), payload: "p".to_owned() };
        for (reply, expected) in [
            (Reply::text("a"), Kind::Text),
            (Reply::buttons("a", [button]), Kind::Buttons),
            (Reply::image("u"), Kind::Image),
            (Reply::elements([json!({ "title": "c" })]), Kind::Template),
            (Reply::file("u", "t"), Kind::Attachment),
            (Reply::custom(json!([1])), Kind::Custom),
        ] {
            assert_eq!(Entry::of_bot(reply.messages().remove(0)).kind, expected);
        }
        let metadata = json!({ "a": 1 }).as_object().unwrap().clone();
        let said = Entry::of_user("hi", &metadata);
        assert_eq!((said.text(), said.payload["metadata"]["a"].as_u64()), (Some("hi"), Some(1)));
    }
}
