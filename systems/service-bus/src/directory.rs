//! The connected clients and services.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};
use socketio_server::{Namespace, Socket};

use crate::kept::{Kept, ROOM, Summary};
use crate::names::SERVICES;
use crate::presence::Identity;

/// Maximum number of clients in a page of the API, and of users in a snapshot.
pub(crate) const MAX_PAGE: usize = 1000;

/// A service, as the API shows it.
#[derive(Default, Serialize)]
struct Service {
    /// The ids of its connections.
    clients: Vec<String>,
    subscriptions: Vec<Summary>,
}

/// A page of the clients, in the order of their ids, after the one with the id `after`.
pub(crate) fn clients(namespace: &Namespace, after: &str, limit: usize) -> Value {
    let limit = limit.clamp(1, MAX_PAGE);
    let page = namespace.sockets_page(&[], after, limit);
    let next = (page.len() == limit).then(|| page.last().map(|socket| socket.id().to_owned())).flatten();
    let clients: Vec<Value> = page.iter().map(client).collect();
    json!({ "success": true, "clients": clients, "total": namespace.len(), "next": next })
}

fn client(socket: &Socket) -> Value {
    let rooms = socket.joined_rooms();
    let mut client = json!({
        "id": socket.id(),
        "rooms": rooms.iter().map(|room| &**room).filter(|room| !room.starts_with(ROOM)).collect::<Vec<_>>(),
    });
    match Identity::of(socket) {
        Identity::Service(name) => client["service"] = name.into(),
        Identity::User(user) => client["user_id"] = user.into(),
        Identity::Unknown => {}
    }
    client
}

/// The services that are connected, or have subscriptions.
pub(crate) fn services(namespace: &Namespace, kept: &Kept) -> Value {
    let mut services = BTreeMap::<String, Service>::new();
    for socket in namespace.sockets_page(&[SERVICES], "", usize::MAX) {
        if let Identity::Service(name) = Identity::of(&socket) {
            services.entry(name).or_default().clients.push(socket.id().to_owned());
        }
    }
    for name in kept.services() {
        services.entry(name).or_default();
    }
    for (name, service) in &mut services {
        service.subscriptions = kept.summaries(name);
    }
    json!({ "success": true, "services": services })
}
