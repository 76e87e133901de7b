//! The envelope of every event, and the standard types.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use socketio_parser::{Binary, Value};

/// The type of an event.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum EventType {
    /// `user:connected`: the first connection of a user has opened.
    UserConnected,
    /// `user:disconnected`: the last connection of a user has closed.
    UserDisconnected,
    /// `user:status_changed`
    UserStatusChanged,
    /// `chat:message`
    ChatMessage,
    /// `chat:typing`
    ChatTyping,
    /// `chat:read`
    ChatRead,
    /// `presence:update`: whether a user is connected; the bus answers `presence:query` with it.
    PresenceUpdate,
    /// `presence:query`
    PresenceQuery,
    /// `notification`
    Notification,
    /// `system:error`
    SystemError,
    /// `system:info`
    SystemInfo,
    /// A type of the application.
    Other(String),
}

impl EventType {
    /// All standard types.
    pub const STANDARD: [Self; 11] = [
        Self::UserConnected,
        Self::UserDisconnected,
        Self::UserStatusChanged,
        Self::ChatMessage,
        Self::ChatTyping,
        Self::ChatRead,
        Self::PresenceUpdate,
        Self::PresenceQuery,
        Self::Notification,
        Self::SystemError,
        Self::SystemInfo,
    ];

    /// The name on the wire.
    pub fn name(&self) -> &str {
        match self {
            Self::UserConnected => "user:connected",
            Self::UserDisconnected => "user:disconnected",
            Self::UserStatusChanged => "user:status_changed",
            Self::ChatMessage => "chat:message",
            Self::ChatTyping => "chat:typing",
            Self::ChatRead => "chat:read",
            Self::PresenceUpdate => "presence:update",
            Self::PresenceQuery => "presence:query",
            Self::Notification => "notification",
            Self::SystemError => "system:error",
            Self::SystemInfo => "system:info",
            Self::Other(name) => name,
        }
    }
}

impl From<String> for EventType {
    fn from(name: String) -> Self {
        let standard = Self::STANDARD.into_iter().find(|standard| standard.name() == name);
        standard.unwrap_or(Self::Other(name))
    }
}

impl From<&str> for EventType {
    fn from(name: &str) -> Self {
        name.to_owned().into()
    }
}

impl From<EventType> for String {
    fn from(kind: EventType) -> Self {
        kind.name().to_owned()
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An event: its type, time, source, and further fields.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    /// The type.
    #[serde(rename = "type")]
    pub kind: EventType,
    /// The time, in seconds since 1970. The bus sets it if it is missing.
    #[serde(default = "now")]
    pub timestamp: f64,
    /// The sender. The bus sets it, so a sender cannot pretend to be another one.
    #[serde(default)]
    pub source: String,
    /// The id. The connector or the bus sets it if it is missing, and an event that is sent again keeps it: a receiver
    /// that has seen the id ignores the event.
    #[serde(rename = "event_id", default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// All other fields, with their binary data.
    #[serde(flatten)]
    pub fields: BTreeMap<String, Value>,
}

impl Event {
    /// An event with the current time and without fields.
    pub fn new(kind: impl Into<EventType>) -> Self {
        Self { kind: kind.into(), timestamp: now(), source: String::new(), id: None, fields: BTreeMap::new() }
    }

    /// The same event with this source, and with an id, if it has none.
    #[must_use]
    pub(crate) fn stamped(mut self, source: &str) -> Self {
        source.clone_into(&mut self.source);
        self.identified()
    }

    /// The same event with an id, if it has none.
    #[must_use]
    pub(crate) fn identified(mut self) -> Self {
        self.id = self.id.or_else(|| {
            let mut bytes = [0; 16];
            // Without random bytes the bus sets the id.
            getrandom::fill(&mut bytes).ok()?;
            Some(format!("{:032x}", u128::from_le_bytes(bytes)))
        });
        self
    }

    /// Adds a field.
    #[must_use]
    pub fn with(self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.with_serialized(name, &value.into())
    }

    /// Adds a field of binary data. The HTTP API, which carries JSON, cannot send it.
    #[must_use]
    pub fn with_binary(self, name: &str, bytes: impl Into<Bytes>) -> Self {
        self.with_serialized(name, &Binary(bytes.into()))
    }

    /// Adds a field that has been made by [`Value::from_serialize`] or comes from another event: also binary data
    /// inside of objects and arrays.
    #[must_use]
    pub fn with_value(mut self, name: &str, value: Value) -> Self {
        self.fields.insert(name.to_owned(), value);
        self
    }

    /// JSON and binary data can always be serialized.
    fn with_serialized(self, name: &str, value: &impl Serialize) -> Self {
        match Value::from_serialize(value) {
            Ok(value) => self.with_value(name, value),
            Err(_) => self,
        }
    }

    /// A field, deserialized; `None` if it is missing or of another type. Binary data is read as [`Binary`].
    pub fn field<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        self.fields.get(name).and_then(|value| value.parse().ok())
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_envelope_is_a_flat_object() {
        let mut event = Event::new(EventType::ChatMessage).with("content", "hi");
        (event.timestamp, event.source) = (1.5, "chat".to_owned());
        let written = json!({ "type": "chat:message", "timestamp": 1.5, "source": "chat", "content": "hi" });
        assert_eq!(serde_json::to_value(&event).unwrap(), written);
        let read: Event = serde_json::from_value(written).unwrap();
        assert_eq!((&read.kind, read.timestamp, read.source.as_str()), (&event.kind, 1.5, "chat"));
        assert_eq!(read.field::<String>("content").as_deref(), Some("hi"));
        assert_eq!(
            (event.field::<String>("content").as_deref(), event.field::<u8>("content")),
            (Some("hi"), None)
        );
        assert!(serde_json::from_value::<Event>(json!({ "content": "hi" })).is_err());
    }

    #[test]
    fn event_types_have_names() {
        for standard in EventType::STANDARD {
            assert_eq!(EventType::from(standard.name()), standard);
        }
        assert_eq!(EventType::from("order:paid"), EventType::Other("order:paid".to_owned()));
    }
}
