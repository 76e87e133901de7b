//! Table of the HTTP routes, by path and method.

use http::Method;

use super::api::Call;
use super::page::{self, File};
use crate::listen::Listener;

/// HTTP route.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    /// Method of the requests.
    pub(crate) method: Method,
    /// Path of the requests.
    pub(crate) path: &'static str,
    /// Description for humans.
    pub(crate) description: &'static str,
    pub(super) action: Action,
}

/// Handler of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Home,
    Info,
    PageFile(&'static File),
    Api(Call),
    Metrics,
    OpenApi,
    Live,
    Ready,
}

impl Action {
    /// Whether the route is served on ports of this kind. `internal` says whether operators have a separate
    /// port.
    pub(super) fn is_behind(self, listener: Listener, internal: bool) -> bool {
        match self {
            Self::PageFile(_) => listener == Listener::Public,
            // Clients acquire their own session tokens, so the route is on every port.
            Self::Api(Call::AcquireSession) => true,
            Self::Api(_) | Self::Metrics => !internal || listener == Listener::Internal,
            Self::Home | Self::Info | Self::OpenApi | Self::Live | Self::Ready => true,
        }
    }
}

const fn get(path: &'static str, action: Action, description: &'static str) -> Route {
    Route { method: Method::GET, path, description, action }
}

const fn post(path: &'static str, call: Call, description: &'static str) -> Route {
    Route { method: Method::POST, path, description, action: Action::Api(call) }
}

/// All routes.
pub(crate) static ROUTES: &[Route] = &[
    get("/", Action::Home, "The page for browsers; for other clients the same as /info"),
    get("/info", Action::Info, "Name, version, protocols and number of sessions"),
    get("/page.css", Action::PageFile(&page::STYLE), "File of the page"),
    get("/page.js", Action::PageFile(&page::SCRIPT), "File of the page"),
    get("/console.js", Action::PageFile(&page::CONSOLE), "File of the page"),
    get("/clients.js", Action::PageFile(&page::CLIENTS), "File of the page"),
    get("/health", Action::Ready, "The same as /health/ready"),
    get("/health/live", Action::Live, "Whether the process responds"),
    get(
        "/health/ready",
        Action::Ready,
        "Whether new clients are accepted: 503 during the drain, or without file descriptors",
    ),
    get("/metrics", Action::Metrics, "Metrics in the text format of Prometheus"),
    post(
        "/api/emit_to_client",
        Call::EmitToClient,
        "Emits an event to one client: client_id, event, data, namespace",
    ),
    post("/api/emit_to_room", Call::EmitToRoom, "Emits an event to a room: room, event, data, namespace"),
    post("/api/emit_to_user", Call::EmitToUser, "Emits an event to a user: user, event, data, namespace"),
    post("/api/broadcast", Call::Broadcast, "Emits an event to all clients: event, data, namespace"),
    post("/api/join_room", Call::JoinRoom, "Adds a client to a room: client_id, room, namespace"),
    post("/api/leave_room", Call::LeaveRoom, "Removes a client from a room: client_id, room, namespace"),
    post("/api/disconnect", Call::Disconnect, "Disconnects: one of client_id, room, user; namespace, close"),
    post("/api/revoke_user", Call::RevokeUser, "Disconnects a user, and revokes all its tokens: user"),
    post(
        "/api/set_metadata",
        Call::SetMetadata,
        "Changes the metadata of a client: client_id, metadata, namespace",
    ),
    post("/api/batch", Call::Batch, "Carries out several calls: calls, each with call and body"),
    get("/api/rooms", Action::Api(Call::Rooms), "All rooms with the ids of their clients"),
    get("/api/sockets", Action::Api(Call::Sockets), "Clients: ?namespace, room, user, limit, after"),
    get("/api/counts", Action::Api(Call::Counts), "Numbers of clients, rooms and users"),
    get("/api/info", Action::Api(Call::Info), "This gateway, and its links to the others of a cluster"),
    post(
        "/api/auth/acquire-session",
        Call::AcquireSession,
        "Issues a session token: user, which requires an operator key",
    ),
    get("/api/openapi.json", Action::OpenApi, "OpenAPI description of the routes"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::super::api::OPENAPI;
    use super::*;

    #[test]
    fn the_openapi_file_describes_all_routes() {
        let file: Value = serde_json::from_str(OPENAPI).unwrap();
        let paths = file["paths"].as_object().unwrap().iter();
        let described: BTreeSet<(&str, String)> = paths
            .flat_map(|(path, methods)| {
                methods.as_object().unwrap().keys().map(|method| (path.as_str(), method.to_uppercase()))
            })
            .collect();
        // The page and its files are for browsers, so `openapi.json` does not describe them.
        let for_programs = |route: &&Route| !matches!(route.action, Action::Home | Action::PageFile(_));
        let routes = ROUTES.iter().filter(for_programs);
        let routes: BTreeSet<_> = routes.map(|route| (route.path, route.method.to_string())).collect();
        assert_eq!(described, routes);
        for route in ROUTES {
            if let Action::Api(call) = route.action {
                assert_eq!(route.path.strip_prefix("/api/"), Some(call.name()));
            }
        }
        assert_eq!(file["info"]["version"], crate::VERSION);
    }
}
