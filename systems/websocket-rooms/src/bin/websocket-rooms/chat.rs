//! The chat: commands in JSON with a `type`. All other messages are echoed.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tracing::info;
use websocket_rooms::{
    Connection, Handshake, Identity, JoinError, Message, Metadata, Refusal, Server, ServerStats,
};

/// Maximum length of a room name, in bytes.
const MAX_NAME: usize = 100;

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum Command {
    /// Joins a room.
    Join { room: String },
    /// Leaves a room.
    Leave { room: String },
    /// Sends to all others in a room.
    Say { room: String, text: String },
    /// Sends to a user, on all its connections.
    Tell { user: String, text: String },
    /// Sends to all others.
    Announce { text: String },
    /// Requests the data of this connection.
    Me,
    /// Requests the numbers of connections, rooms and users.
    Stats,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Answer<'a> {
    Joined { room: &'a str, rooms: usize },
    Left { room: &'a str },
    Said { from: &'a str, room: Option<&'a str>, text: &'a str },
    Reached { count: usize },
    Stats(ServerStats),
    Error { error: String },
}

/// Adds the handlers of the chat to a server.
pub(crate) fn set_up(server: &Server, token: Option<String>) {
    server.authenticate(move |handshake| {
        let decided = identify(&handshake, token.as_deref());
        async { decided }
    });
    server.on_connect(|server, connection| async move {
        info!(id = connection.id(), user = connection.user(), "connected");
        // The client may already be disconnected.
        let _ = server.join_room(connection.id(), "lobby").await;
    });
    server.on_message(|server, connection, message| async move {
        if let Some(answer) = answer(&server, &connection, &message).await {
            let _ = connection.send(answer);
        }
    });
    server.on_room_join(|server, connection, room| async move {
        let arrived =
            json!({ "type": "arrived", "room": *room.name, "who": name(&connection), "now": room.len });
        server.broadcast_to_room_except(&room.name, arrived, [connection.id()]);
    });
    server.on_room_leave(|server, connection, room| async move {
        let gone = json!({ "type": "gone", "room": *room.name, "who": name(&connection), "now": room.len });
        server.broadcast_to_room(&room.name, gone);
    });
    server.on_disconnect(|_, connection, reason| async move {
        info!(id = connection.id(), %reason, "disconnected");
    });
}

/// Clients name themselves, which is sufficient if every holder of the token is trusted.
fn identify(handshake: &Handshake, token: Option<&str>) -> Result<Identity, Refusal> {
    if let Some(token) = token {
        let brought = handshake.bearer().map(str::to_owned).or_else(|| handshake.query("token"));
        if !brought.is_some_and(|brought| system_support::is_equal(&brought, token)) {
            return Err(Refusal::unauthorized("the token is missing or wrong"));
        }
    }
    let mut metadata = Metadata::new();
    for known in ["device", "version"] {
        if let Some(value) = handshake.query(known) {
            metadata.insert(known.to_owned(), Value::from(value));
        }
    }
    Ok(Identity { user: handshake.query("user"), metadata })
}

fn name(connection: &Connection) -> &str {
    connection.user().unwrap_or(connection.id())
}

async fn answer(server: &Server, connection: &Connection, message: &Message) -> Option<Message> {
    let Some(text) = message.text() else {
        return Some(message.clone());
    };
    let Ok(Value::Object(object)) = serde_json::from_str(text) else {
        return Some(format!("Echo: {text}").into());
    };
    let answer = match serde_json::from_value(Value::Object(object)) {
        Ok(Command::Me) => return Some(describe(connection)),
        Ok(command) => obey(server, connection, &command).await,
        Err(error) => Message::json(&Answer::Error { error: error.to_string() }),
    };
    answer.ok()
}

async fn obey(
    server: &Server,
    connection: &Connection,
    command: &Command,
) -> Result<Message, serde_json::Error> {
    let answer = match command {
        Command::Join { room } if room.is_empty() || room.len() > MAX_NAME => {
            Answer::Error { error: format!("a room's name has 1 to {MAX_NAME} bytes") }
        }
        Command::Join { room } => match server.join_room(connection.id(), room).await {
            Ok(_) | Err(JoinError::Gone) => Answer::Joined { room, rooms: connection.rooms().len() },
            Err(error) => Answer::Error { error: error.to_string() },
        },
        Command::Leave { room } => {
            server.leave_room(connection.id(), room).await;
            Answer::Left { room }
        }
        Command::Say { room, .. } if !connection.rooms().contains(room.as_str()) => {
            Answer::Error { error: "join the room first".to_owned() }
        }
        Command::Say { room, text } => {
            let said = Answer::Said { from: name(connection), room: Some(room), text };
            let said = Message::json(&said)?;
            Answer::Reached { count: server.broadcast_to_room_except(room, said, [connection.id()]) }
        }
        Command::Tell { user, text } => {
            let said = Message::json(&Answer::Said { from: name(connection), room: None, text })?;
            Answer::Reached { count: server.send_to_user(user, said) }
        }
        Command::Announce { text } => {
            let said = Message::json(&Answer::Said { from: name(connection), room: None, text })?;
            Answer::Reached { count: server.broadcast_except(said, [connection.id()]) }
        }
        Command::Stats | Command::Me => Answer::Stats(server.stats()),
    };
    Message::json(&answer)
}

fn describe(connection: &Connection) -> Message {
    let since = connection.connected_at().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let rooms = connection.rooms();
    json!({
        "type": "me",
        "id": connection.id(),
        "user": connection.user(),
        "rooms": rooms.iter().map(|room| &**room).collect::<Vec<_>>(),
        "connected_at": since.as_secs_f64(),
        "metadata": connection.metadata(),
        "state": format!("{:?}", connection.state()),
    })
    .into()
}
