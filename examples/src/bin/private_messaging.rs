//! Private messages: users with sessions, several tabs of a user, history, and who is online. The events are those of
//! the official private-messaging example.
//!
//! `cargo run -p examples --bin private_messaging`, then from two Socket.IO clients:
//!
//! ```js
//! const socket = io("http://127.0.0.1:3000", { auth: { username: "ada" } });
//! socket.on("session", ({ sessionID }) => (socket.auth = { sessionID })); // to come back as the same user
//! socket.on("users", (users) => console.log(users));
//! socket.on("private message", ({ content, from }) => console.log(from, content));
//! socket.on("user connected", ({ userID }) => socket.emit("private message", { content: "hello", to: userID }));
//! ```

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use socketio_server::{Auth, Data, HandlerResult, Namespace, Server, Socket, State};

/// Messages that are kept; the oldest are dropped.
const HISTORY: usize = 10_000;

/// The id of an earlier session, or a name for a new user.
#[derive(Deserialize)]
struct Credentials {
    #[serde(rename = "sessionID")]
    session_id: Option<String>,
    username: Option<String>,
}

#[derive(Clone)]
struct Session {
    id: String,
    user: String,
    name: String,
    connected: bool,
}

#[derive(Deserialize)]
struct Outgoing {
    content: String,
    to: String,
}

#[derive(Clone, Serialize)]
struct Message {
    content: String,
    from: String,
    to: String,
}

/// Sessions by id, and messages. A real application has a database.
#[derive(Default)]
struct Kept {
    sessions: HashMap<String, Session>,
    messages: VecDeque<Message>,
}

#[derive(Clone, Default)]
struct Store(Arc<Mutex<Kept>>);

impl Store {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All users, each with the messages between it and this one.
    fn users(&self, me: &str) -> Vec<Value> {
        let kept = self.lock();
        let mut messages: HashMap<&str, Vec<&Message>> = HashMap::new();
        for message in kept.messages.iter().filter(|message| message.from == me || message.to == me) {
            let other = if message.from == me { &message.to } else { &message.from };
            messages.entry(other).or_default().push(message);
        }
        let with = |session: &Session| {
            describe(session, messages.get(&*session.user).map(Vec::as_slice).unwrap_or_default())
        };
        kept.sessions.values().map(with).collect()
    }
}

fn describe(user: &Session, messages: &[&Message]) -> Value {
    json!({ "userID": user.user, "username": user.name, "connected": user.connected, "messages": messages })
}

fn random_id() -> Result<String, getrandom::Error> {
    Ok(format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?))
}

async fn authenticate(
    socket: Socket,
    Auth(auth): Auth<Credentials>,
    State(store): State<Store>,
) -> HandlerResult {
    let known = auth.session_id.and_then(|id| store.lock().sessions.get(&id).cloned());
    let session = match known {
        Some(session) => session,
        None => {
            let name = auth.username.filter(|name| !name.is_empty()).ok_or("invalid username")?;
            Session { id: random_id()?, user: random_id()?, name, connected: true }
        }
    };
    socket.extensions().insert(session);
    Ok(())
}

fn session(socket: &Socket) -> Result<Session, &'static str> {
    socket.extensions().get().ok_or("no session")
}

async fn connect(socket: Socket, State(store): State<Store>) -> HandlerResult {
    let session = Session { connected: true, ..session(&socket)? };
    store.lock().sessions.insert(session.id.clone(), session.clone());
    // One room for all tabs of the user.
    socket.join(&*session.user);
    socket.emit("session", &json!({ "sessionID": session.id, "userID": session.user }))?;
    socket.emit("users", &store.users(&session.user))?;
    socket.broadcast().emit("user connected", &describe(&session, &[])).await?;
    Ok(())
}

async fn private_message(
    socket: Socket,
    State(store): State<Store>,
    Data(Outgoing { content, to }): Data<Outgoing>,
) -> HandlerResult {
    let message = Message { content, from: session(&socket)?.user, to };
    // To all tabs of the recipient, and to the other tabs of the sender.
    socket.to([&*message.to, &*message.from]).emit("private message", &message).await?;
    let mut kept = store.lock();
    kept.messages.push_back(message);
    if kept.messages.len() > HISTORY {
        kept.messages.pop_front();
    }
    Ok(())
}

async fn disconnect(socket: Socket, all: Namespace, State(store): State<Store>) -> HandlerResult {
    let session = session(&socket)?;
    // Other tabs of the user may still be connected.
    if all.room_len(&session.user) == 0 {
        let away = Session { connected: false, ..session };
        store.lock().sessions.insert(away.id.clone(), away.clone());
        socket.broadcast().emit("user disconnected", &away.user).await?;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let io = Server::builder().state(Store::default()).build()?;
    io.middleware(authenticate);
    io.on_connect(connect);
    io.on("private message", private_message);
    io.on_disconnect(disconnect);
    io.serve(examples::listen().await?).await?;
    Ok(())
}
