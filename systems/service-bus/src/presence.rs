//! The identities of sockets, and the connected users.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::json;
use socketio_server::Socket;
use tokio::sync::Mutex;
use tracing::{info, warn};

use crate::event::{Event, EventType};
use crate::names::{SERVICE_ROOM, SERVICES, USER_ROOM};

/// The identity of a socket.
#[derive(Clone)]
pub(crate) enum Identity {
    Service(String),
    User(String),
    Unknown,
}

impl Identity {
    pub(crate) fn of(socket: &Socket) -> Self {
        socket.extensions().get().unwrap_or(Self::Unknown)
    }

    /// The source of the events that it sends.
    pub(crate) fn source(&self) -> &str {
        match self {
            Self::Service(name) => name,
            Self::User(_) | Self::Unknown => "client",
        }
    }
}

/// Maximum number of users in a snapshot.
const MAX_USERS: usize = 1000;

/// Number of connections per user and per service. The lock is held until a change has been announced: otherwise a quick
/// reconnect could be announced in the wrong order.
#[derive(Clone, Default)]
pub(crate) struct Presence(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    users: HashMap<String, usize>,
    services: BTreeMap<String, usize>,
}

impl State {
    /// The connected services and users, for a service that connects.
    fn snapshot(&self) -> Event {
        let users: Vec<&String> = self.users.keys().take(MAX_USERS).collect();
        Event::new("presence:snapshot")
            .with("services", json!(self.services))
            .with("users", json!(users))
            .with("users_total", self.users.len())
    }
}

impl Presence {
    /// Records the connect of a socket.
    pub(crate) async fn connect(&self, socket: &Socket) {
        match Identity::of(socket) {
            Identity::Service(name) => {
                info!(service = name, "connected");
                socket.join([SERVICES.to_owned(), format!("{SERVICE_ROOM}{name}")]);
                self.add_service(socket, name).await;
            }
            Identity::User(user) => {
                socket.join(format!("{USER_ROOM}{user}"));
                self.add_user(socket, &user, |identity| matches!(identity, Identity::User(_))).await;
            }
            Identity::Unknown => {}
        }
    }

    /// Announces the first connection of a service, and sends it the snapshot of clients and services.
    async fn add_service(&self, socket: &Socket, name: String) {
        let mut presence = self.0.lock().await;
        let connections = presence.services.entry(name.clone()).or_default();
        *connections += 1;
        let is_first = *connections == 1;
        let snapshot = presence.snapshot().stamped("bus");
        // A socket that has left in the meantime needs none.
        let _ = socket.emit(snapshot.kind.name(), &snapshot);
        if is_first {
            notify_services(socket, Event::new("service:connected").with("service", name)).await;
        }
    }

    async fn remove_service(&self, socket: &Socket, name: &str) {
        let mut presence = self.0.lock().await;
        let left = presence.services.get_mut(name).map(|connections| {
            *connections -= 1;
            *connections
        });
        if left == Some(0) {
            presence.services.remove(name);
            notify_services(socket, Event::new("service:disconnected").with("service", name)).await;
        }
    }

    /// A service assigns a user to a socket. A socket that has an identity keeps it.
    pub(crate) async fn assign_user(&self, socket: &Socket, user: &str) {
        self.add_user(socket, user, |identity| matches!(identity, Identity::Unknown)).await;
    }

    async fn add_user(&self, socket: &Socket, user: &str, is_new: impl FnOnce(&Identity) -> bool) {
        let mut presence = self.0.lock().await;
        if !is_new(&Identity::of(socket)) {
            return;
        }
        if !socket.is_connected() {
            // The socket is already leaving; `disconnect` finds no user.
            socket.extensions().insert(Identity::Unknown);
            return;
        }
        socket.extensions().insert(Identity::User(user.to_owned()));
        let connections = presence.users.entry(user.to_owned()).or_default();
        *connections += 1;
        if *connections == 1 {
            notify_services(socket, Event::new(EventType::UserConnected).with("user_id", user)).await;
        }
    }

    /// Records the disconnect of a socket.
    pub(crate) async fn disconnect(&self, socket: &Socket) {
        if let Identity::Service(name) = Identity::of(socket) {
            info!(service = name, "disconnected");
            self.remove_service(socket, &name).await;
            return;
        }
        self.remove_user(socket, |_| true).await;
    }

    /// A service withdraws the user of a socket.
    pub(crate) async fn withdraw_user(&self, socket: &Socket, user: &str) {
        self.remove_user(socket, |known| known == user).await;
    }

    async fn remove_user(&self, socket: &Socket, matches_user: impl FnOnce(&str) -> bool) {
        let mut presence = self.0.lock().await;
        let Identity::User(user) = Identity::of(socket) else { return };
        if !matches_user(&user) {
            return;
        }
        socket.extensions().insert(Identity::Unknown);
        let left = presence.users.get_mut(&user).map(|connections| {
            *connections -= 1;
            *connections
        });
        if left == Some(0) {
            presence.users.remove(&user);
            notify_services(socket, Event::new(EventType::UserDisconnected).with("user_id", user)).await;
        }
    }
}

async fn notify_services(socket: &Socket, event: Event) {
    let event = event.stamped("bus");
    if let Err(error) = socket.to(SERVICES).emit(event.kind.name(), &event).await {
        warn!(%error, kind = event.kind.name(), "cannot notify the services");
    }
}
