//! Sessions: the conversations that clients return to.

use std::sync::Arc;

use serde_json::Value;
use tracing::warn;

/// Maximum length of a session id from a client, in bytes.
const MAX_SESSION: usize = 128;
/// Prefix of the rooms of sessions: a session id that equals a socket id must not reach the room of that socket.
pub(crate) const ROOM_PREFIX: &str = "session:";

/// The id of the session that a client requested most recently.
#[derive(Clone, PartialEq)]
pub(crate) struct Session(pub(crate) Arc<str>);

impl Session {
    /// The session that a client requests, or a new one. `None` without random numbers.
    pub(crate) fn requested(sid: &str, data: &Value) -> Option<Self> {
        let id = match data.get("session_id") {
            None | Some(Value::Null) => random_id(),
            Some(Value::String(id)) if (1..=MAX_SESSION).contains(&id.len()) => Some(id.clone()),
            Some(_) => {
                warn!(sid, "a session id that is none; the client gets another");
                random_id()
            }
        };
        if id.is_none() {
            warn!(sid, "no random numbers for a session id");
        }
        id.map(|id| Self(id.into()))
    }

    /// The room of its clients.
    pub(crate) fn room(&self) -> String {
        session_room(&self.0)
    }
}

/// The room of the clients of a session.
pub(crate) fn session_room(id: &str) -> String {
    format!("{ROOM_PREFIX}{id}")
}

/// 128 random bits.
fn random_id() -> Option<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(format!("{:032x}", u128::from_le_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn session_ids_of_clients_are_bounded() {
        let requested =
            |id: Value| Session::requested("sid", &json!({ "session_id": id })).unwrap().0.to_string();
        for id in ["a", &"a".repeat(MAX_SESSION)] {
            assert_eq!(requested(json!(id)), id);
        }
        let mut given = Vec::new();
        for id in [json!(null), json!(""), json!("a".repeat(MAX_SESSION + 1)), json!(7), json!({ "a": 1 })] {
            let id = requested(id);
            assert!(id.len() == 32 && !given.contains(&id), "{id}");
            given.push(id);
        }
    }
}
