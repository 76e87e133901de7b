//! The bus: services and users on one Socket.IO server, and what services may do there.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use socketio_server::{Ack, ConnectError, Data, EmitError, Handshake, Namespace, Server, Socket};
use tracing::{debug, info, warn};

use crate::event::{Event, EventType};

/// The room of all services.
const SERVICES: &str = "services";
/// The longest name of a room, a user or a service, in bytes.
const MAX_NAME: usize = 256;

/// What the bus may be told before it starts.
#[derive(Clone, Debug, Default)]
pub struct BusOptions {
    /// What services have to know: as `auth.key`, or in the API as a bearer token. Default none: everybody who can
    /// reach the bus may act as a service, which is for one's own machine.
    pub key: Option<String>,
    /// What users have to bring for their name to be believed. Default [`Users::Believed`].
    pub users: Users,
}

/// Whether clients may say who they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Users {
    /// Clients name themselves by `auth.user_id`: for buses that only one's own programs reach.
    #[default]
    Believed,
    /// They are nobody until a service puts them into the room `user:ID`.
    Unknown,
}

/// What a service asks for, over Socket.IO or HTTP.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Command {
    /// To one client.
    EmitToClient {
        /// The id of its socket.
        client_id: String,
        /// What is said.
        event: Event,
    },
    /// To a user, on all its clients.
    EmitToUser {
        /// Who.
        user_id: String,
        /// What is said.
        event: Event,
    },
    /// To all clients and services in a room.
    EmitToRoom {
        /// Which.
        room: String,
        /// What is said.
        event: Event,
    },
    /// To all clients and services.
    Broadcast {
        /// What is said.
        event: Event,
    },
    /// Puts a client into a room; a service itself where none is named.
    JoinRoom {
        /// The id of its socket.
        client_id: Option<String>,
        /// Which room.
        room: String,
    },
    /// Takes a client, or the service itself, out of a room.
    LeaveRoom {
        /// The id of its socket.
        client_id: Option<String>,
        /// Which room.
        room: String,
    },
}

impl Command {
    /// The names of what can be asked for.
    pub const OPS: [&str; 6] =
        ["emit_to_client", "emit_to_user", "emit_to_room", "broadcast", "join_room", "leave_room"];

    /// What `data` asks for by this name.
    pub(crate) fn read(op: &str, mut data: Value) -> Result<Self, CommandError> {
        let object =
            data.as_object_mut().ok_or_else(|| CommandError::Invalid("expected an object".to_owned()))?;
        object.insert("op".to_owned(), op.into());
        serde_json::from_value(data).map_err(|error| CommandError::Invalid(error.to_string()))
    }

    /// The name by which it is asked for.
    pub(crate) fn op(&self) -> &'static str {
        match self {
            Self::EmitToClient { .. } => "emit_to_client",
            Self::EmitToUser { .. } => "emit_to_user",
            Self::EmitToRoom { .. } => "emit_to_room",
            Self::Broadcast { .. } => "broadcast",
            Self::JoinRoom { .. } => "join_room",
            Self::LeaveRoom { .. } => "leave_room",
        }
    }
}

/// What a command came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// How many sockets it reached.
    pub reached: usize,
}

/// A command was not carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// It says nothing that can be done.
    #[error("{0}")]
    Invalid(String),
    /// The client is not connected.
    #[error("there is no such client")]
    NoClient,
    /// The bus is closed.
    #[error("the bus is closed")]
    Closed,
    /// It is for services.
    #[error("only services may do this")]
    NotAService,
    /// It cannot be sent.
    #[error(transparent)]
    Emit(#[from] EmitError),
}

/// A bus. Cloning gives another handle of the same.
#[derive(Clone)]
pub struct Bus {
    io: Server,
    key: Option<Arc<str>>,
    slot: Slot,
}

/// Where handlers find the namespace that they belong to. It is emptied in the end, because the namespace holds them.
#[derive(Clone, Default)]
struct Slot(Arc<RwLock<Option<Namespace>>>);

impl Slot {
    fn get(&self) -> Result<Namespace, CommandError> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone().ok_or(CommandError::Closed)
    }

    fn set(&self, namespace: Option<Namespace>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = namespace;
    }
}

/// How many connections each user has.
type Present = Arc<Mutex<HashMap<String, usize>>>;

/// What a socket turned out to be.
#[derive(Clone)]
enum Who {
    Service(String),
    User(String),
    Nobody,
}

impl Bus {
    /// A bus that nobody can reach yet.
    pub fn new(options: BusOptions) -> Result<Self, engineio::ConfigError> {
        let io = Server::builder().build()?;
        let namespace = io.of("/");
        let key: Option<Arc<str>> = options.key.map(Arc::from);
        let (let_in, users) = (key.clone(), options.users);
        namespace.middleware(move |socket: Socket, handshake: Handshake| {
            let who = identify(&handshake, let_in.as_deref(), users).map(|who| {
                socket.extensions().insert(who);
            });
            async move { who }
        });
        let present = Present::default();
        let here = Arc::clone(&present);
        namespace.on_connect(move |socket: Socket| arrive(socket, Arc::clone(&here)));
        namespace.on_disconnect(move |socket: Socket| leave(socket, Arc::clone(&present)));
        let slot = Slot::default();
        slot.set(Some(namespace.clone()));
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
                hear(socket, slot.clone(), standard.clone(), data)
            });
        }
        namespace.on_error(|socket, error| warn!(id = socket.id(), %error, "ignored"));
        Ok(Self { io, key, slot })
    }

    /// The server, for handlers and emits of one's own.
    pub fn io(&self) -> &Server {
        &self.io
    }

    /// Does what a service asks for. `source` says which.
    pub async fn carry_out(&self, command: Command, source: &str) -> Result<Outcome, CommandError> {
        carry_out(&self.slot.get()?, command, source, None).await
    }

    /// Tells everybody to go, and lets go of what it holds.
    pub async fn close(&self) {
        self.io.drain(Duration::from_secs(5), Duration::ZERO).await;
        self.slot.set(None);
    }

    /// All rooms with the clients in them.
    pub fn rooms(&self) -> BTreeMap<String, Vec<String>> {
        let mut rooms = BTreeMap::<String, Vec<String>>::new();
        for socket in self.io.of("/").sockets() {
            for room in socket.rooms().iter().filter(|room| &***room != socket.id()) {
                rooms.entry(room.to_string()).or_default().push(socket.id().to_owned());
            }
        }
        rooms
    }

    /// Whether this is the key of services.
    pub(crate) fn knows(&self, key: Option<&str>) -> bool {
        is_key(self.key.as_deref(), key)
    }
}

fn identify(handshake: &Handshake, key: Option<&str>, users: Users) -> Result<Who, ConnectError> {
    #[derive(Deserialize)]
    struct Credentials {
        service: Option<String>,
        key: Option<String>,
        user_id: Option<String>,
    }
    let said: Credentials =
        handshake.auth().map_err(|_| ConnectError::new("the credentials cannot be read"))?;
    let named = |name: &String| (1..=MAX_NAME).contains(&name.len());
    match (said.service, said.user_id) {
        (Some(service), _) if named(&service) && is_key(key, said.key.as_deref()) => {
            Ok(Who::Service(service))
        }
        (Some(_), _) => Err(ConnectError::new("not a service")),
        (None, Some(user)) if users == Users::Believed && named(&user) => Ok(Who::User(user)),
        _ => Ok(Who::Nobody),
    }
}

/// How long it takes says nothing of where they differ.
fn is_key(key: Option<&str>, brought: Option<&str>) -> bool {
    let Some(key) = key.map(str::as_bytes) else { return true };
    let brought = brought.unwrap_or_default().as_bytes();
    key.len() == brought.len() && key.iter().zip(brought).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

fn who(socket: &Socket) -> Who {
    socket.extensions().get().unwrap_or(Who::Nobody)
}

fn source(who: &Who) -> &str {
    match who {
        Who::Service(name) => name,
        Who::User(_) | Who::Nobody => "client",
    }
}

async fn arrive(socket: Socket, present: Present) {
    match who(&socket) {
        Who::Service(name) => {
            info!(service = name, "connected");
            socket.join([SERVICES.to_owned(), format!("service:{name}")]);
        }
        Who::User(user) => {
            socket.join(format!("user:{user}"));
            let first = {
                let mut present = present.lock().unwrap_or_else(PoisonError::into_inner);
                let connections = present.entry(user.clone()).or_default();
                *connections += 1;
                *connections == 1
            };
            if first {
                tell_services(&socket, Event::new(EventType::UserConnected).with("user_id", user)).await;
            }
        }
        Who::Nobody => {}
    }
}

async fn leave(socket: Socket, present: Present) {
    match who(&socket) {
        Who::Service(name) => info!(service = name, "disconnected"),
        Who::User(user) => {
            let last = {
                let mut present = present.lock().unwrap_or_else(PoisonError::into_inner);
                let left = present.get_mut(&user).map(|connections| {
                    *connections -= 1;
                    *connections
                });
                left == Some(0) && present.remove(&user).is_some()
            };
            if last {
                tell_services(&socket, Event::new(EventType::UserDisconnected).with("user_id", user)).await;
            }
        }
        Who::Nobody => {}
    }
}

async fn tell_services(socket: &Socket, mut event: Event) {
    event.source = "bus".to_owned();
    if let Err(error) = socket.to(SERVICES).emit(event.kind.name(), &event).await {
        warn!(%error, kind = %event.kind, "the services were not told");
    }
}

/// What anybody says by a standard event goes to all services, with the name of who said it; whether somebody is there
/// is answered here.
async fn hear(socket: Socket, slot: Slot, kind: EventType, data: Value) -> Result<(), CommandError> {
    let who = who(&socket);
    let Value::Object(mut fields) = data else {
        return Err(CommandError::Invalid("expected an object".to_owned()));
    };
    for ours in ["type", "source", "timestamp"] {
        fields.remove(ours);
    }
    let mut event = Event { fields, ..Event::new(kind) };
    source(&who).clone_into(&mut event.source);
    if event.kind == EventType::PresenceQuery {
        let Some(user) = event.field::<String>("user_id") else {
            return Err(CommandError::Invalid("expected { user_id }".to_owned()));
        };
        let online = slot.get()?.room_len(&format!("user:{user}")) > 0;
        let mut update = Event::new(EventType::PresenceUpdate).with("user_id", user).with("online", online);
        "bus".clone_into(&mut update.source);
        return Ok(socket.emit(update.kind.name(), &update)?);
    }
    match who {
        Who::User(user) => event = event.with("user_id", user),
        Who::Nobody => event = event.with("client_id", socket.id()),
        Who::Service(_) => {}
    }
    debug!(kind = %event.kind, source = event.source, "heard");
    Ok(socket.to(SERVICES).emit(event.kind.name(), &event).await?)
}

async fn obey(socket: &Socket, slot: &Slot, op: &str, data: Value) -> Result<Outcome, CommandError> {
    let Who::Service(name) = who(socket) else {
        return Err(CommandError::NotAService);
    };
    carry_out(&slot.get()?, Command::read(op, data)?, &name, Some(socket)).await
}

async fn carry_out(
    namespace: &Namespace,
    command: Command,
    source: &str,
    asking: Option<&Socket>,
) -> Result<Outcome, CommandError> {
    let stamped = |mut event: Event| {
        source.clone_into(&mut event.source);
        event
    };
    match command {
        Command::EmitToClient { client_id, event } => {
            let event = stamped(event);
            let client = namespace.socket(&client_id).ok_or(CommandError::NoClient)?;
            client.emit(event.kind.name(), &event)?;
            Ok(Outcome { reached: 1 })
        }
        Command::EmitToUser { user_id, event } => {
            to_room(namespace, &format!("user:{user_id}"), &stamped(event)).await
        }
        Command::EmitToRoom { room, event } => to_room(namespace, &room, &stamped(event)).await,
        Command::Broadcast { event } => {
            let event = stamped(event);
            let reached = namespace.len();
            namespace.emit(event.kind.name(), &event).await?;
            Ok(Outcome { reached })
        }
        Command::JoinRoom { client_id, room } => {
            if room.is_empty() || room.len() > MAX_NAME {
                return Err(CommandError::Invalid(format!("a room's name has 1 to {MAX_NAME} bytes")));
            }
            meant(namespace, client_id, asking)?.join(room);
            Ok(Outcome { reached: 1 })
        }
        Command::LeaveRoom { client_id, room } => {
            meant(namespace, client_id, asking)?.leave(&room);
            Ok(Outcome { reached: 1 })
        }
    }
}

async fn to_room(namespace: &Namespace, room: &str, event: &Event) -> Result<Outcome, CommandError> {
    let reached = namespace.room_len(room);
    namespace.to(room).emit(event.kind.name(), event).await?;
    Ok(Outcome { reached })
}

fn meant(
    namespace: &Namespace,
    client_id: Option<String>,
    asking: Option<&Socket>,
) -> Result<Socket, CommandError> {
    match (client_id, asking) {
        (Some(id), _) => namespace.socket(&id).ok_or(CommandError::NoClient),
        (None, Some(socket)) => Ok(socket.clone()),
        (None, None) => Err(CommandError::Invalid("client_id is missing".to_owned())),
    }
}
