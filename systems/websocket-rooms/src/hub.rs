//! A server and several named clients in one place.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::client::{Client, ClientOptions, ConnectError};
use crate::message::Message;
use crate::server::{Server, ServerStats};
use crate::state::ConnectionState;

/// A server, and clients of other servers, each with a name. Cloning gives another handle of the same.
#[derive(Clone, Debug, Default)]
pub struct Hub(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    server: Server,
    clients: Mutex<BTreeMap<String, Client>>,
}

/// A client could not be added.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// There is one of that name.
    #[error("there is a client of that name already")]
    NameTaken,
    /// Its URL cannot be used.
    #[error(transparent)]
    Client(#[from] ConnectError),
}

/// How much there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct HubStats {
    /// At the server.
    pub server: ServerStats,
    /// Clients, connected or not.
    pub clients: usize,
    /// Clients with an open connection.
    pub clients_open: usize,
}

/// How many got a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Connections of the server.
    pub connections: usize,
    /// Clients, who passed it on to their servers.
    pub clients: usize,
}

impl Hub {
    /// A hub with this server and no clients.
    pub fn new(server: Server) -> Self {
        Self(Arc::new(Shared { server, clients: Mutex::default() }))
    }

    /// The server.
    pub fn server(&self) -> &Server {
        &self.0.server
    }

    /// Adds a client with the options that clients have by default. It connects when it is told to.
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

    /// Closes a client and forgets it. False if there is none of this name.
    pub fn remove_client(&self, name: &str) -> bool {
        let client = self.clients().remove(name);
        client.inspect(Client::close).is_some()
    }

    /// Sends to all connections of the server, and over all clients that are connected.
    pub fn broadcast_all(&self, message: impl Into<Message>) -> Reached {
        let message = message.into();
        let connections = self.0.server.broadcast(&message);
        let clients = self.clients().values().filter(|client| client.send(&message).is_ok()).count();
        Reached { connections, clients }
    }

    /// Sends to a room of the server, and says to how many.
    pub fn send_to_room(&self, room: &str, message: impl Into<Message>) -> usize {
        self.0.server.broadcast_to_room(room, message)
    }

    /// How much there is.
    pub fn stats(&self) -> HubStats {
        let clients = self.clients();
        let open = clients.values().filter(|client| client.state() == ConnectionState::Open).count();
        HubStats { server: self.0.server.stats(), clients: clients.len(), clients_open: open }
    }

    /// Closes the server and all clients.
    pub fn close(&self) {
        for client in self.clients().values() {
            client.close();
        }
        self.0.server.close();
    }

    fn clients(&self) -> MutexGuard<'_, BTreeMap<String, Client>> {
        self.0.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
