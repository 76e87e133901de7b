//! The bus: services and users on one Socket.IO server, and the commands of services.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use engineio::OriginPolicy;
use engineio::sync::RwLock;
use serde::Deserialize;
use socketio_parser::{Value, reserved_event};
use socketio_server::{Ack, ConnectError, Data, Handshake, Namespace, Server, Socket};
use tracing::{debug, warn};

use crate::command::{Command, CommandError, Outcome};
use crate::event::{Event, EventType};
use crate::presence::{Identity, Presence, SERVICES, USER_ROOM};

/// Maximum length of the name of a room, a user or a service, in bytes.
const MAX_NAME: usize = 256;

/// Options of the bus.
#[derive(Clone, Debug, Default)]
pub struct BusOptions {
    /// Key of services: as `auth.key`, or in the API as a bearer token. Default none: every client that can
    /// reach the bus may act as a service, which is suitable for a single machine only.
    pub key: Option<String>,
    /// Trust in the user ids of clients. Default [`Users::Believed`].
    pub users: Users,
    /// Origins that may connect, and call the API. Default
    /// [`Origins::SameHost`](engineio::Origins::SameHost): no page of another host; without a key such a page
    /// could act as a service in the browser of its visitor. A bus on a loopback address should set
    /// [`OriginPolicy::local_hosts`] too.
    pub origins: OriginPolicy,
}

/// Trust in the user ids that clients send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Users {
    /// Clients name themselves by `auth.user_id`: for a bus that only trusted programs reach.
    #[default]
    Believed,
    /// Clients are anonymous until a service, which knows the user, adds them to the room `user:ID`.
    Unknown,
}

/// A bus. Clones share the same bus.
#[derive(Clone)]
pub struct Bus {
    io: Server,
    key: Option<Arc<str>>,
    origins: OriginPolicy,
    slot: Slot,
}

/// Reference of handlers to their namespace. It is cleared at shutdown, because the namespace owns the
/// handlers.
#[derive(Clone, Default)]
struct Slot(Arc<RwLock<Option<BusState>>>);

/// The shared state of the bus.
#[derive(Clone)]
struct BusState {
    namespace: Namespace,
    presence: Presence,
}

impl Slot {
    fn get(&self) -> Result<BusState, CommandError> {
        self.0.read().clone().ok_or(CommandError::Closed)
    }

    fn set(&self, home: Option<BusState>) {
        *self.0.write() = home;
    }
}

impl Bus {
    /// A bus that does not listen yet.
    pub fn new(options: BusOptions) -> Result<Self, engineio::ConfigError> {
        let origins = options.origins.clone();
        let mut builder = Server::builder();
        if let Some(cors) = origins.origins().cors(false) {
            builder = builder.cors(cors);
        }
        let io = builder.engine(move |engine| engine.origins(origins)).build()?;
        let namespace = io.of("/");
        let key: Option<Arc<str>> = options.key.map(Arc::from);
        let (let_in, users) = (key.clone(), options.users);
        namespace.middleware(move |socket: Socket, handshake: Handshake| {
            let identity = identify(&handshake, let_in.as_deref(), users).map(|identity| {
                socket.extensions().insert(identity);
            });
            async move { identity }
        });
        let presence = Presence::default();
        let (coming, going) = (presence.clone(), presence.clone());
        namespace.on_connect(move |socket: Socket| {
            let presence = coming.clone();
            async move { presence.connect(&socket).await }
        });
        namespace.on_disconnect(move |socket: Socket| {
            let presence = going.clone();
            async move { presence.disconnect(&socket).await }
        });
        let slot = Slot::default();
        slot.set(Some(BusState { namespace: namespace.clone(), presence }));
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
        namespace.on_error(|socket, error| warn!(id = socket.id(), error = %error.for_log(), "ignored"));
        Ok(Self { io, key, origins: options.origins, slot })
    }

    /// The server, for custom handlers and emits.
    pub fn io(&self) -> &Server {
        &self.io
    }

    /// Executes a command of the service `source`.
    pub async fn carry_out(&self, command: Command, source: &str) -> Result<Outcome, CommandError> {
        carry_out(&self.slot.get()?, command, source, None).await
    }

    /// Disconnects all clients and releases the shared state.
    pub async fn close(&self) {
        self.io.drain(Duration::from_secs(5), Duration::ZERO).await;
        self.slot.set(None);
    }

    /// All rooms and the clients in them.
    pub fn rooms(&self) -> BTreeMap<String, Vec<String>> {
        let mut rooms = BTreeMap::<String, Vec<String>>::new();
        for socket in self.io.of("/").sockets() {
            for room in socket.joined_rooms() {
                rooms.entry(room.to_string()).or_default().push(socket.id().to_owned());
            }
        }
        rooms
    }

    /// The origins that may call the API.
    pub(crate) fn origins(&self) -> &OriginPolicy {
        &self.origins
    }

    /// Whether this is the key of services.
    pub(crate) fn knows(&self, key: Option<&str>) -> bool {
        is_key(self.key.as_deref(), key)
    }
}

fn identify(handshake: &Handshake, key: Option<&str>, users: Users) -> Result<Identity, ConnectError> {
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
            Ok(Identity::Service(service))
        }
        (Some(_), _) => Err(ConnectError::new("not a service")),
        (None, Some(user)) if users == Users::Believed && named(&user) => Ok(Identity::User(user)),
        _ => Ok(Identity::Unknown),
    }
}

/// Without a configured key every value is accepted.
fn is_key(key: Option<&str>, brought: Option<&str>) -> bool {
    key.is_none_or(|key| system_support::is_equal(key, brought.unwrap_or_default()))
}

/// Forwards a standard event of any client to all services, with the sender as its source. The bus itself
/// answers presence queries.
async fn hear(socket: Socket, slot: Slot, kind: EventType, data: Value) -> Result<(), CommandError> {
    let identity = Identity::of(&socket);
    let fields = data.parse::<BTreeMap<String, Value>>();
    let Ok(mut fields) = fields else {
        return Err(CommandError::Invalid("expected an object".to_owned()));
    };
    for ours in ["type", "source", "timestamp"] {
        fields.remove(ours);
    }
    let mut event = Event { fields, ..Event::new(kind) };
    identity.source().clone_into(&mut event.source);
    if event.kind == EventType::PresenceQuery {
        let Some(user) = event.field::<String>("user_id") else {
            return Err(CommandError::Invalid("expected { user_id }".to_owned()));
        };
        let online = slot.get()?.namespace.room_len(&format!("{USER_ROOM}{user}")) > 0;
        let mut update = Event::new(EventType::PresenceUpdate).with("user_id", user).with("online", online);
        "bus".clone_into(&mut update.source);
        return Ok(socket.emit(update.kind.name(), &update)?);
    }
    if !matches!(identity, Identity::Service(_)) {
        // A client must not send as another user.
        for ours in ["user_id", "client_id"] {
            event.fields.remove(ours);
        }
    }
    match identity {
        Identity::User(user) => event = event.with("user_id", user),
        Identity::Unknown => event = event.with("client_id", socket.id()),
        Identity::Service(_) => {}
    }
    debug!(kind = event.kind.name(), source = event.source, "heard");
    Ok(socket.to(SERVICES).emit(event.kind.name(), &event).await?)
}

async fn obey(socket: &Socket, slot: &Slot, op: &str, data: Value) -> Result<Outcome, CommandError> {
    let Identity::Service(name) = Identity::of(socket) else {
        return Err(CommandError::NotAService);
    };
    carry_out(&slot.get()?, Command::read(op, &data)?, &name, Some(socket)).await
}

async fn carry_out(
    BusState { namespace, presence }: &BusState,
    command: Command,
    source: &str,
    asking: Option<&Socket>,
) -> Result<Outcome, CommandError> {
    if let Some(reserved) = command.event().and_then(|event| reserved_event(event.kind.name())) {
        // Also if no client would receive it.
        return Err(CommandError::Invalid(format!("the type {reserved} is reserved")));
    }
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
            to_room(namespace, &format!("{USER_ROOM}{user_id}"), &stamped(event)).await
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
            let socket = meant(namespace, client_id, asking)?;
            socket.join(room.as_str());
            if let Some(user) = room.strip_prefix(USER_ROOM) {
                presence.assign_user(&socket, user).await;
            }
            Ok(Outcome { reached: 1 })
        }
        Command::LeaveRoom { client_id, room } => {
            let socket = meant(namespace, client_id, asking)?;
            socket.leave(&room);
            if let Some(user) = room.strip_prefix(USER_ROOM) {
                presence.withdraw_user(&socket, user).await;
            }
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
