//! A server and several named clients as one unit.

use std::collections::BTreeMap;
use std::sync::{Arc, MutexGuard};

use engineio::sync::Mutex;
use serde::Serialize;

use crate::client::{Client, ClientOptions, ConnectError};
use crate::message::Message;
use crate::server::{Server, ServerStats};
use crate::state::ConnectionState;

/// A server, and named clients of other servers. Clones share the same group.
#[derive(Clone, Debug, Default)]
pub struct Group(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    server: Server,
    clients: Mutex<BTreeMap<String, Client>>,
}

/// Errors of adding a client.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// There is already a client of that name.
    #[error("there is a client of that name already")]
    NameTaken,
    /// The URL of the client is invalid.
    #[error(transparent)]
    Client(#[from] ConnectError),
}

/// Statistics of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct GroupStats {
    /// Statistics of the server.
    pub server: ServerStats,
    /// Number of clients, connected or not.
    pub clients: usize,
    /// Number of clients with an open connection.
    pub clients_open: usize,
}

/// Numbers of receivers of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Connections of the server.
    pub connections: usize,
    /// Clients, which sent the message to their servers.
    pub clients: usize,
}

impl Group {
    /// A group with this server and no clients.
    pub fn new(server: Server) -> Self {
        Self(Arc::new(Shared { server, clients: Mutex::default() }))
    }

    /// The server.
    pub fn server(&self) -> &Server {
        &self.0.server
    }

    /// Adds a client with the default options. It connects when [`Client::connect`] is called.
    pub fn create_client(&self, url: &str, name: &str) -> Result<Client, CreateError> {
        self.create_client_with(url, name, ClientOptions::default())
    }

    /// Adds a client.
    pub fn create_client_with(
        &self,
        url: &str,
        name: &str,
        options: ClientOptions,
    ) -> Result<Client, CreateError> {
        let mut clients = self.clients();
        if clients.contains_key(name) {
            return Err(CreateError::NameTaken);
        }
        let client = Client::new(url, options)?;
        clients.insert(name.to_owned(), client.clone());
        Ok(client)
    }

    /// The client of this name.
    pub fn client(&self, name: &str) -> Option<Client> {
        self.clients().get(name).cloned()
    }

    /// All clients, by name.
    pub fn named_clients(&self) -> Vec<(String, Client)> {
        self.clients().iter().map(|(name, client)| (name.clone(), client.clone())).collect()
    }

    /// Closes and removes a client. Returns false if there is none of this name.
    pub fn remove_client(&self, name: &str) -> bool {
        let client = self.clients().remove(name);
        client.inspect(Client::close).is_some()
    }

    /// Sends to all connections of the server, and through all connected clients.
    pub fn broadcast_all(&self, message: impl Into<Message>) -> Reached {
        let message = message.into();
        let connections = self.0.server.broadcast(&message);
        let clients = self.clients().values().filter(|client| client.send(&message).is_ok()).count();
        Reached { connections, clients }
    }

    /// Sends to a room of the server, and returns the number of receivers.
    pub fn send_to_room(&self, room: &str, message: impl Into<Message>) -> usize {
        self.0.server.broadcast_to_room(room, message)
    }

    /// Statistics of the group.
    pub fn stats(&self) -> GroupStats {
        let clients = self.clients();
        let open = clients.values().filter(|client| client.state() == ConnectionState::Open).count();
        GroupStats { server: self.0.server.stats(), clients: clients.len(), clients_open: open }
    }

    /// Closes the server and all clients.
    pub fn close(&self) {
        for client in self.clients().values() {
            client.close();
        }
        self.0.server.close();
    }

    fn clients(&self) -> MutexGuard<'_, BTreeMap<String, Client>> {
        self.0.clients.lock()
    }
}
