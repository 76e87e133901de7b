//! Servers of Socket.IO v2. They let everybody into the root namespace without being asked, confirm without an id, and
//! take credentials as the query of a namespace.

use std::sync::Arc;

use engineio::Protocol;
use engineio::client::push_query;
use serde_json::Value;
use socketio_parser::{Namespace, Payload, RawValue};

use super::Driver;
use super::link::Link;
use crate::error::{ConnectError, Refusal};
use crate::socket::Space;

/// Where we stand with the root namespace, on this connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Root {
    /// The server decides.
    #[default]
    Awaited,
    /// It has let us in, whether a socket wants to be there or not.
    Entered,
    /// It has refused, and may be asked again.
    Refused,
    /// One side has left. The server would let us in again, and not say so.
    Left,
}

impl Driver {
    /// Whether the server is of Socket.IO v2.
    pub(super) fn is_old(&self) -> bool {
        self.hub.engine.config().protocol == Protocol::V3
    }

    /// Notes what the server says about the root namespace.
    pub(super) fn note_root(&mut self, namespace: &Namespace, payload: &Payload) {
        if namespace.as_str() != ROOT {
            return;
        }
        match payload {
            Payload::Connect(_) => self.root = Root::Entered,
            Payload::Disconnect => self.root = Root::Left,
            Payload::ConnectError(_) => self.root = Root::Refused,
            Payload::Event(_) | Payload::EmptyEvent | Payload::Ack(_) => {}
        }
    }

    /// The application has left a namespace.
    pub(super) fn note_left(&mut self, space: &Space) {
        if &*space.name == ROOT {
            self.root = Root::Left;
        }
    }

    /// Asks for a namespace, where that is needed.
    pub(super) fn ask_old(&mut self, space: &Arc<Space>, join: u64, auth: Option<&Value>) {
        let Some(link) = self.link.sender().filter(|_| space.lock().is_join(join)) else { return };
        let is_root = &*space.name == ROOT;
        match self.root {
            _ if !is_root => {}
            Root::Awaited => return,
            Root::Refused => self.root = Root::Awaited,
            Root::Entered => return self.joined(space, None, &link),
            Root::Left => return self.refuse(space, &ConnectError::RootLeft),
        }
        let name = if is_root { ROOT.to_owned() } else { with_query(&space.name, auth) };
        match space.old_connect_packet(join, &name) {
            None => {}
            // A connection that takes nothing more ends soon, and the next one is asked.
            Some(Ok(packet)) => drop(link.send(packet)),
            Some(Err(_)) => self.refuse(space, &ConnectError::Namespace),
        }
    }

    /// The id that a socket has at such a server: that of the connection, behind the namespace unless that is the root.
    pub(super) fn old_id(&self, space: &Space) -> Option<String> {
        let Link::Open(client) = &self.link else { return None };
        let sid = client.sid().as_str();
        Some(if &*space.name == ROOT { sid.to_owned() } else { format!("{}#{sid}", space.name) })
    }
}

const ROOT: &str = "/";

/// The error's message, or else its data.
pub(super) fn old_refusal(data: &RawValue) -> Option<Refusal> {
    Some(match data.parse::<Value>().ok()? {
        Value::String(message) => Refusal { message, data: None },
        data => Refusal { message: String::new(), data: Some(data) },
    })
}

/// The fields of the credentials as parameters; what is no text goes as JSON.
fn with_query(namespace: &str, auth: Option<&Value>) -> String {
    let mut query = String::new();
    for (key, value) in auth.and_then(Value::as_object).into_iter().flatten() {
        match value {
            Value::String(text) => push_query(&mut query, key, text),
            other => push_query(&mut query, key, &other.to_string()),
        }
    }
    if query.is_empty() { namespace.to_owned() } else { format!("{namespace}?{query}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn credentials_become_a_query() {
        for (auth, name) in [
            (None, "/chat"),
            (Some(json!({})), "/chat"),
            (Some(json!("token")), "/chat"),
            (
                Some(json!({ "a": "b c,", "n": 1, "o": { "x": true } })),
                "/chat?a=b%20c%2C&n=1&o=%7B%22x%22%3Atrue%7D",
            ),
        ] {
            assert_eq!(with_query("/chat", auth.as_ref()), name);
        }
    }
}
