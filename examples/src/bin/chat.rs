//! A chat with nicknames, the number of users, and who is typing. Its events are those of the official chat example.
//!
//! `cargo run -p examples --bin chat`, then open the printed address in two windows. Or from a Socket.IO client:
//!
//! ```js
//! const socket = io("http://127.0.0.1:3000");
//! socket.on("user joined", ({ username, numUsers }) => console.log(username, numUsers));
//! socket.on("new message", ({ username, message }) => console.log(`${username}: ${message}`));
//! socket.emit("add user", "ada");
//! socket.emit("new message", "hello");
//! ```

use axum::{Router, response::Html, routing::get};
use serde_json::json;
use socketio_server::{Data, EmitError, HandlerResult, Namespace, Server, Socket};

/// The room of all users with a name; its length is their number.
const USERS: &str = "users";

fn username(socket: &Socket) -> Option<String> {
    socket.data().get("username")
}

async fn add_user(socket: Socket, all: Namespace, Data(name): Data<String>) -> HandlerResult {
    if socket.is_in(USERS) {
        return Ok(());
    }
    socket.data().set("username", &name)?;
    socket.join(USERS);
    let count = all.room_len(USERS);
    socket.emit("login", &json!({ "numUsers": count }))?;
    socket.broadcast().emit("user joined", &json!({ "username": name, "numUsers": count })).await?;
    Ok(())
}

async fn user_left(socket: Socket, all: Namespace) -> Result<(), EmitError> {
    // The socket has left its rooms, but keeps its data.
    let Some(name) = username(&socket) else { return Ok(()) };
    let left = json!({ "username": name, "numUsers": all.room_len(USERS) });
    socket.broadcast().emit("user left", &left).await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let io = Server::builder().build()?;
    io.on("add user", add_user);
    io.on("new message", |socket: Socket, Data(message): Data<String>| async move {
        let said = json!({ "username": username(&socket), "message": message });
        socket.broadcast().emit("new message", &said).await
    });
    for event in ["typing", "stop typing"] {
        io.on(event, move |socket: Socket| async move {
            socket.broadcast().emit(event, &json!({ "username": username(&socket) })).await
        });
    }
    io.on_disconnect(user_left);

    let page = get(|| async { Html(include_str!("../../pages/chat.html")) });
    let app = Router::new().route("/", page).layer(io.layer());
    axum::serve(examples::listen().await?, app).await?;
    Ok(())
}
