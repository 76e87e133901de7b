//! Table of the built-in events. The handlers, the relay and the command line use it.

use crate::auth::guard::AUTHENTICATE;

/// Event of clients that the gateway handles.
#[derive(Debug)]
pub(crate) struct BuiltIn {
    pub(crate) name: &'static str,
    /// Other names of the event.
    pub(crate) aliases: &'static [&'static str],
    /// Name of the response event; empty if the acknowledgement is the only response.
    pub(crate) response: &'static str,
    /// Description for humans.
    pub(crate) description: &'static str,
}

pub(crate) const EVENTS: &[BuiltIn] = &[
    BuiltIn { name: "ping", aliases: &[], response: "pong", description: "responds with pong {timestamp}" },
    BuiltIn {
        name: "status",
        aliases: &[],
        response: "status_response",
        description: "responds with status_response {server, connection}",
    },
    BuiltIn {
        name: "echo",
        aliases: &[],
        response: "echo_response",
        description: "responds with echo_response {received, timestamp, socketId}",
    },
    BuiltIn {
        name: "info",
        aliases: &[],
        response: "info_response",
        description: "responds with info_response {server, websocket, session}",
    },
    BuiltIn {
        name: "join",
        aliases: &["room:join", "join_room"],
        response: "joined",
        description: "joins a room, given as a string or {room}; responds with joined {room}",
    },
    BuiltIn {
        name: "leave",
        aliases: &["room:leave", "leave_room"],
        response: "left",
        description: "leaves a room; responds with left {room}",
    },
    BuiltIn {
        name: AUTHENTICATE,
        aliases: &[],
        response: "",
        description: "replaces the token, {token}, if tokens are configured; responds with {user, expiresAt}",
    },
    BuiltIn {
        name: "message",
        aliases: &[],
        response: "message_received",
        description: "is relayed to the members of {room}, or to all other clients; responds with message_received {success, message, data}",
    },
];

/// Events that the gateway, its protocols and their client libraries emit without a request.
const SENT: &[&str] = &[
    "connect",
    "connect_error",
    "connected",
    "disconnect",
    "disconnecting",
    "error",
    "newListener",
    "removeListener",
    "stats",
];

impl BuiltIn {
    /// Name and aliases of the event.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }
}

/// Name and aliases of the event with this name.
pub(super) fn names(name: &str) -> impl Iterator<Item = &'static str> + use<> {
    EVENTS.iter().find(|event| event.name == name).into_iter().flat_map(BuiltIn::names)
}

/// Whether an event has a built-in handler.
pub(super) fn is_handled(name: &str) -> bool {
    EVENTS.iter().any(|event| event.names().any(|known| known == name))
}

/// Whether clients take an event of this name as sent by the server, so that it must not be relayed.
pub(super) fn is_sent(name: &str) -> bool {
    SENT.contains(&name) || EVENTS.iter().any(|event| !event.response.is_empty() && event.response == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_lists_every_event_and_alias() {
        let readme = include_str!("../../README.md");
        let (_, section) = readme.split_once("## Built-in events").unwrap();
        let (section, _) = section.split_once("\n## ").unwrap();
        for event in EVENTS {
            for name in event.names().chain(Some(event.response).filter(|response| !response.is_empty())) {
                assert!(section.contains(&format!("`{name}`")), "{name}");
            }
        }
        for name in SENT {
            assert!(section.contains(&format!("`{name}`")), "{name}");
        }
    }
}
