//! Servers of Socket.IO v2. They confirm the root namespace of each connection without a CONNECT, send no
//! socket id with a confirmation, and take credentials as the query of a namespace.

use std::sync::Arc;

use engineio::Protocol;
use engineio::client::push_query;
use serde_json::Value;
use socketio_parser::{Namespace as NamespaceName, Payload, RawValue};

use super::Driver;
use super::connection::Connection;
use crate::error::{ConnectError, Refusal};
use crate::socket::Namespace;

/// State of the root namespace on this connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Root {
    /// The server's decision is pending.
    #[default]
    Pending,
    /// The server has confirmed it, whether a socket is active there or not.
    Connected,
    /// The server has refused it. A CONNECT requests it again.
    Refused,
    /// One side has disconnected it. The server would accept a CONNECT without confirming it.
    Disconnected,
}

impl Driver {
    /// Whether the connection speaks the protocol of Socket.IO v2.
    pub(super) fn is_v2(&self) -> bool {
        self.shared.engine.config().protocol == Protocol::V3
    }

    /// Updates the state of the root namespace for a packet of the server.
    pub(super) fn track_root(&mut self, namespace: &NamespaceName, payload: &Payload) {
        if namespace.as_str() != ROOT {
            return;
        }
        match payload {
            Payload::Connect(_) => self.root = Root::Connected,
            Payload::Disconnect => self.root = Root::Disconnected,
            Payload::ConnectError(_) => self.root = Root::Refused,
            Payload::Event(_) | Payload::EmptyEvent | Payload::Ack(_) => {}
        }
    }

    /// Updates the state of the root namespace after the application has disconnected a socket.
    pub(super) fn track_disconnect(&mut self, namespace: &Namespace) {
        if &*namespace.name == ROOT {
            self.root = Root::Disconnected;
        }
    }

    /// Joins a namespace, with a CONNECT where one is needed.
    pub(super) fn send_v2_connect(&mut self, namespace: &Arc<Namespace>, attempt: u64, auth: Option<&Value>) {
        let sender = self.connection.sender();
        let Some(connection) = sender.filter(|_| namespace.lock().is_joining_with(attempt)) else { return };
        let is_root = &*namespace.name == ROOT;
        match self.root {
            _ if !is_root => {}
            Root::Pending => return,
            Root::Refused => self.root = Root::Pending,
            Root::Connected => return self.confirm(namespace, None, &connection),
            Root::Disconnected => return self.refuse(namespace, &ConnectError::RootLeft),
        }
        let name = if is_root { ROOT.to_owned() } else { with_query(&namespace.name, auth) };
        match namespace.v2_connect_packet(attempt, &name) {
            None => {}
            // If the connection accepts no more packets, it ends soon; the next one sends its own CONNECT.
            Some(Ok(packet)) => drop(connection.send(packet)),
            Some(Err(_)) => self.refuse(namespace, &ConnectError::Namespace),
        }
    }

    /// Socket id in such a server: the session id, with the name of the namespace as prefix unless that is
    /// the root.
    pub(super) fn v2_socket_id(&self, namespace: &Namespace) -> Option<String> {
        let Connection::Open(client) = &self.connection else { return None };
        let sid = client.sid().as_str();
        Some(if &*namespace.name == ROOT { sid.to_owned() } else { format!("{}#{sid}", namespace.name) })
    }
}

const ROOT: &str = "/";

/// Parses the data of an ERROR packet: the message of the error, or else its data.
pub(super) fn parse_v2_refusal(data: &RawValue) -> Option<Refusal> {
    Some(match data.parse::<Value>().ok()? {
        Value::String(message) => Refusal { message, data: None },
        data => Refusal { message: String::new(), data: Some(data) },
    })
}

/// Appends the fields of the credentials as query parameters. Values other than strings are encoded as JSON.
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
    fn credentials_are_encoded_as_the_query_of_the_namespace() {
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
