//! The bus: services and users on the Socket.IO server of a gateway.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use serde::Deserialize;
use socketio_gateway::{Config, Gateway, ReloadError, StartError};
use socketio_parser::Value;
use socketio_server::{Ack, ConnectError, Data, Handshake, Namespace, Server, Socket};
use tracing::{error, warn};

use crate::command::{Command, CommandError, Outcome};
use crate::event::EventType;
use crate::kept::{self, KeepOptions, Kept};
use crate::names::MAX_NAME;
use crate::presence::{Identity, Presence};
use crate::requests::Requests;
use crate::services::{KeyError, ServiceKeys, Services};
use crate::state::{BusState, Slot};
use crate::{carry_out, hear, own_events};

/// Options of the bus, besides the settings of the gateway.
#[derive(Clone, Debug, Default)]
pub struct BusOptions {
    /// Keys of services. Default none: every client that can reach the bus may act as a service, which is suitable for
    /// a single machine only.
    pub keys: ServiceKeys,
    /// Claim of a token that names a service: a client with such a token is that service, without a key. Default empty:
    /// tokens are those of users.
    pub service_claim: String,
    /// Trust in the user ids of clients. Default [`Users::Believed`].
    pub users: Users,
    /// Hosts of requests that are valid in addition to `localhost` and loopback addresses, if the bus listens on a
    /// loopback address. Default none. A proxy that forwards another `Host` needs it.
    pub allowed_hosts: Vec<String>,
    /// Limits of the events that are kept for services that are away.
    pub keep: KeepOptions,
}

/// Trust in the user ids that clients send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Users {
    /// Clients name themselves by `auth.user_id`: for a bus that only trusted programs reach.
    #[default]
    Believed,
    /// Clients are anonymous, unless they have a token, until a service, which knows the user, adds them to the room
    /// `user:ID`.
    Unknown,
}

/// Errors while a bus is built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The gateway cannot start with its settings.
    #[error(transparent)]
    Gateway(#[from] StartError),
    /// The keys of services are invalid.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The file with the kept events cannot be read.
    #[error("bus.keep_file: {0}")]
    KeepFile(#[source] io::Error),
}

/// A bus. Clones share the same bus.
#[derive(Clone)]
pub struct Bus {
    gateway: Gateway,
    services: Services,
    allowed_hosts: Arc<[String]>,
    slot: Slot,
}

/// The parts of the settings that decide about a client.
#[derive(Clone)]
struct Admission {
    services: Services,
    users: Users,
    /// Whether clients without a token, that are no services, are admitted.
    anonymous: bool,
}

impl Bus {
    /// A bus with these settings of a gateway, that does not listen yet. It must be created within a runtime of tokio. It has neither the gateway's own events
    /// of clients, nor its relay, nor its page.
    pub fn new(mut config: Config, options: BusOptions) -> Result<Self, BuildError> {
        let services = Services::new(options.keys, &options.service_claim)?;
        let admission =
            Admission { services: services.clone(), users: options.users, anonymous: config.auth.anonymous };
        adapt(&mut config, &options.service_claim);
        let kept = Kept::new(options.keep);
        let gateway = Gateway::without_events(config)?;
        kept.load().map_err(BuildError::KeepFile)?;
        let namespace = gateway.io().of("/");
        namespace.middleware(move |socket: Socket, handshake: Handshake| {
            let identity = admission.identify(&socket, &handshake).map(|identity| {
                socket.extensions().insert(identity);
            });
            async move { identity }
        });
        let slot = Slot::default();
        register(&namespace, &slot, kept, gateway.node().is_some());
        Ok(Self { gateway, services, allowed_hosts: options.allowed_hosts.into(), slot })
    }

    /// The gateway: its settings, its operator port, and its drain.
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// The server, for custom handlers and emits.
    pub fn io(&self) -> &Server {
        self.gateway.io()
    }

    /// Executes a command of the service `source`.
    pub async fn carry_out(&self, command: Command, source: &str) -> Result<Outcome, CommandError> {
        carry_out::carry_out(&self.slot.get()?, command, source, None).await
    }

    /// Replaces the keys of services. Connected services stay connected. On an error nothing is changed.
    pub fn replace_keys(&self, keys: ServiceKeys) -> Result<(), KeyError> {
        self.services.replace(keys)
    }

    /// Applies the settings of the gateway that need no restart, as [`Gateway::reload`] does.
    pub fn reload(&self, mut config: Config) -> Result<Vec<String>, ReloadError> {
        adapt(&mut config, self.services.claim());
        self.gateway.reload(&config)
    }

    /// Disconnects all clients within `server.drain_ms`, and releases the shared state. Then [`serve`](Self::serve)
    /// returns.
    pub async fn close(&self) {
        self.gateway.drain().await;
        let Ok(BusState { kept, .. }) = self.slot.get() else { return };
        self.slot.set(None);
        if let Err(error) = kept.save() {
            error!(%error, "the kept events are lost: bus.keep_file cannot be written");
        }
        kept.close();
    }

    /// All rooms and the clients in them.
    pub fn rooms(&self) -> BTreeMap<String, Vec<String>> {
        let mut rooms = BTreeMap::<String, Vec<String>>::new();
        for socket in self.io().of("/").sockets() {
            for room in socket.joined_rooms().iter().filter(|room| !room.starts_with(kept::ROOM)) {
                rooms.entry(room.to_string()).or_default().push(socket.id().to_owned());
            }
        }
        rooms
    }

    pub(crate) fn allowed_hosts(&self) -> &[String] {
        &self.allowed_hosts
    }

    pub(crate) fn services(&self) -> &Services {
        &self.services
    }

    pub(crate) fn slot(&self) -> &Slot {
        &self.slot
    }
}

/// Adapts the settings of a gateway to those of a bus.
fn adapt(config: &mut Config, service_claim: &str) {
    // Events go through the bus. The page is a client of the gateway's own events.
    config.events.relay = false;
    config.api.page = false;
    // Services with a key have no token. The middleware of the bus refuses all others.
    config.auth.anonymous = true;
    let claims = &mut config.auth.metadata_claims;
    if !service_claim.is_empty() && !claims.iter().any(|claim| claim == service_claim) {
        claims.push(service_claim.to_owned());
    }
}

/// Registers the handlers of the bus.
fn register(namespace: &Namespace, slot: &Slot, kept: Kept, is_clustered: bool) {
    let presence = Presence::default();
    let (coming, going, leaving) = (presence.clone(), presence.clone(), kept.clone());
    namespace.on_connect(move |socket: Socket| {
        let presence = coming.clone();
        async move { presence.connect(&socket).await }
    });
    namespace.on_disconnect(move |socket: Socket| {
        if let Identity::Service(name) = Identity::of(&socket) {
            leaving.leave(&name, socket.id());
        }
        let presence = going.clone();
        async move { presence.disconnect(&socket).await }
    });
    let requests = Requests::default();
    slot.set(Some(BusState { namespace: namespace.clone(), presence, kept, requests, is_clustered }));
    own_events::register(namespace, slot);
    for op in Command::OPS {
        let slot = slot.clone();
        namespace.on(op, move |socket: Socket, Data(data): Data<Value>| {
            let slot = slot.clone();
            async move { obey(&socket, &slot, op, data).await.map(Ack) }
        });
    }
    for standard in EventType::STANDARD {
        let (name, slot) = (standard.name().to_owned(), slot.clone());
        namespace.on(&name, move |socket: Socket, Data(data): Data<Value>| {
            let (slot, kind) = (slot.clone(), standard.clone());
            async move { hear::hear(&socket, &slot.get()?, kind, &data).await.map(Ack) }
        });
    }
    namespace.on_error(|socket, error| warn!(id = socket.id(), error = %error.for_log(), "ignored"));
}

async fn obey(socket: &Socket, slot: &Slot, op: &str, data: Value) -> Result<Outcome, CommandError> {
    let Identity::Service(name) = Identity::of(socket) else {
        return Err(CommandError::NotAService);
    };
    carry_out::carry_out(&slot.get()?, Command::read(op, &data)?, &name, Some(socket)).await
}

impl Admission {
    /// The identity of a client. The gateway has checked its token before.
    fn identify(&self, socket: &Socket, handshake: &Handshake) -> Result<Identity, ConnectError> {
        #[derive(Deserialize)]
        struct Credentials {
            service: Option<String>,
            key: Option<String>,
            user_id: Option<String>,
        }
        let said: Credentials =
            handshake.auth().map_err(|_| ConnectError::new("the credentials cannot be read"))?;
        let named = |name: &String| (1..=MAX_NAME).contains(&name.len());
        if let Some(service) = self.services.claimed(&socketio_gateway::metadata(socket)) {
            // A token of one service does not let its holder be another one.
            let is_same = said.service.as_ref().is_none_or(|said| *said == service);
            return if is_same {
                Ok(Identity::Service(service))
            } else {
                Err(ConnectError::new("not a service"))
            };
        }
        if let Some(service) = said.service {
            let admitted = self.services.admit(&service, said.key.as_deref());
            return admitted
                .map(|()| Identity::Service(service))
                .map_err(|refusal| ConnectError::new(refusal.to_string()));
        }
        if let Some(user) = socketio_gateway::user(socket) {
            return Ok(Identity::User(user));
        }
        if !self.anonymous {
            return Err(ConnectError::new("a token is required"));
        }
        match said.user_id {
            Some(user) if self.users == Users::Believed && named(&user) => Ok(Identity::User(user)),
            _ => Ok(Identity::Unknown),
        }
    }
}
