//! Who is who on the bus, and which users are there.

use std::collections::HashMap;
use std::sync::Arc;

use socketio_server::Socket;
use tokio::sync::Mutex;
use tracing::{info, warn};

use crate::event::{Event, EventType};

/// The room of all services.
pub(crate) const SERVICES: &str = "services";
/// The rooms of users are named by this and the user's id.
pub(crate) const USER_ROOM: &str = "user:";

/// What a socket turned out to be.
#[derive(Clone)]
pub(crate) enum Who {
    Service(String),
    User(String),
    Nobody,
}

impl Who {
    pub(crate) fn of(socket: &Socket) -> Self {
        socket.extensions().get().unwrap_or(Self::Nobody)
    }

    /// As the source of what it says.
    pub(crate) fn source(&self) -> &str {
        match self {
            Self::Service(name) => name,
            Self::User(_) | Self::Nobody => "client",
        }
    }
}

/// How many connections each user has. Whoever changes it tells of the change before the next one may: otherwise a user
/// who goes and comes back could be told of as coming first and gone then.
#[derive(Clone, Default)]
pub(crate) struct Present(Arc<Mutex<HashMap<String, usize>>>);

impl Present {
    /// A socket has come.
    pub(crate) async fn arrive(&self, socket: &Socket) {
        match Who::of(socket) {
            Who::Service(name) => {
                info!(service = name, "connected");
                socket.join([SERVICES.to_owned(), format!("service:{name}")]);
            }
            Who::User(user) => {
                socket.join(format!("{USER_ROOM}{user}"));
                self.come(socket, &user, |who| matches!(who, Who::User(_))).await;
            }
            Who::Nobody => {}
        }
    }

    /// A service says who somebody is. Who is somebody already stays that.
    pub(crate) async fn introduce(&self, socket: &Socket, user: &str) {
        self.come(socket, user, |who| matches!(who, Who::Nobody)).await;
    }

    async fn come(&self, socket: &Socket, user: &str, is_new: impl FnOnce(&Who) -> bool) {
        let mut present = self.0.lock().await;
        if !is_new(&Who::of(socket)) {
            return;
        }
        if !socket.is_connected() {
            // It has been taken leave of already, or will be as nobody.
            socket.extensions().insert(Who::Nobody);
            return;
        }
        socket.extensions().insert(Who::User(user.to_owned()));
        let connections = present.entry(user.to_owned()).or_default();
        *connections += 1;
        if *connections == 1 {
            tell_services(socket, Event::new(EventType::UserConnected).with("user_id", user)).await;
        }
    }

    /// A socket has gone.
    pub(crate) async fn leave(&self, socket: &Socket) {
        if let Who::Service(name) = Who::of(socket) {
            info!(service = name, "disconnected");
            return;
        }
        self.go(socket, |_| true).await;
    }

    /// A service says that somebody is not this user any more.
    pub(crate) async fn forget(&self, socket: &Socket, user: &str) {
        self.go(socket, |known| known == user).await;
    }

    async fn go(&self, socket: &Socket, is_meant: impl FnOnce(&str) -> bool) {
        let mut present = self.0.lock().await;
        let Who::User(user) = Who::of(socket) else { return };
        if !is_meant(&user) {
            return;
        }
        socket.extensions().insert(Who::Nobody);
        let left = present.get_mut(&user).map(|connections| {
            *connections -= 1;
            *connections
        });
        if left == Some(0) {
            present.remove(&user);
            tell_services(socket, Event::new(EventType::UserDisconnected).with("user_id", user)).await;
        }
    }
}

async fn tell_services(socket: &Socket, mut event: Event) {
    event.source = "bus".to_owned();
    if let Err(error) = socket.to(SERVICES).emit(event.kind.name(), &event).await {
        warn!(%error, kind = event.kind.name(), "the services were not told");
    }
}
