//! The namespace `/chat`: rooms with messages from their members.

use axum_plugin::{SocketApi, SocketEvents};
use serde::Deserialize;
use serde_json::json;
use socketio_server::{Ack, Data, Object, Socket};

use crate::rooms;

const CHAT: &str = "/chat";

pub(crate) fn events() -> SocketEvents {
    SocketEvents::of(CHAT).on("join", join).on("message", message)
}

#[derive(Deserialize)]
struct Join {
    room: String,
}

#[derive(Deserialize)]
struct Message {
    room: String,
    message: String,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn join(
    socket: Socket,
    api: SocketApi,
    Data(Object(Join { room })): Data<Object<Join>>,
) -> Result<(), Failure> {
    rooms::may_join(&api.of(CHAT), &socket, &room)?;
    api.enter_room(CHAT, socket.id(), room.as_str()).await?;
    api.of(CHAT).to(room.as_str()).emit("joined", &json!({ "room": room, "user": socket.id() })).await?;
    Ok(())
}

async fn message(
    socket: Socket,
    api: SocketApi,
    Data(Object(Message { room, message })): Data<Object<Message>>,
) -> Result<Ack<usize>, Failure> {
    // Only members of a room may send to it.
    if !socket.rooms().iter().any(|joined| **joined == *room) {
        return Err("join the room first".into());
    }
    let chat = api.of(CHAT);
    chat.to(room.as_str()).emit("new_message", &json!({ "user": socket.id(), "message": message })).await?;
    Ok(Ack(chat.room_len(&room)))
}
