//! A chat: all clients in the namespace `/chat` receive the messages of the others.
//!
//! `cargo run -p examples --bin chat`, then from a Socket.IO client:
//!
//! ```js
//! const socket = io("http://127.0.0.1:3000/chat", { auth: { name: "ada" } });
//! socket.on("message", ({ from, text }) => console.log(`${from}: ${text}`));
//! const { heard } = await socket.emitWithAck("message", { text: "hello" });
//! ```

use serde::{Deserialize, Serialize};
use socketio_server::{Ack, Auth, ConnectError, Data, DisconnectReason, Namespace, Server, Socket};

/// The credentials of a client.
#[derive(Deserialize)]
struct Credentials {
    name: String,
}

/// The name of a socket, stored in its extensions.
#[derive(Clone)]
struct Name(String);

#[derive(Deserialize)]
struct MessageRequest {
    text: String,
}

#[derive(Serialize)]
struct ChatMessage {
    from: String,
    text: String,
}

#[derive(Serialize)]
struct Heard {
    heard: usize,
}

fn name(socket: &Socket) -> String {
    socket.extensions().get::<Name>().map_or_else(|| "unknown".to_owned(), |Name(name)| name)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let io = Server::builder().build()?;
    let chat = io.of("/chat");

    // A client without a name is refused, and receives the reason as its connect_error.
    chat.middleware(|socket: Socket, Auth(credentials): Auth<Credentials>| async move {
        if credentials.name.trim().is_empty() {
            return Err(ConnectError::new("please give a name"));
        }
        socket.extensions().insert(Name(credentials.name));
        Ok(())
    });
    chat.on_connect(|socket: Socket| async move {
        println!("{} is here", name(&socket));
        socket.join("lobby");
    });

    chat.on("message", |socket: Socket, chat: Namespace, Data(request): Data<MessageRequest>| async move {
        let message = ChatMessage { from: name(&socket), text: request.text };
        socket.to("lobby").emit("message", &message).await?;
        // The return value of a handler is the acknowledgement.
        Ok::<_, socketio_server::EmitError>(Ack(Heard { heard: chat.room_len("lobby").saturating_sub(1) }))
    });
    chat.on_disconnect(|socket: Socket, reason: DisconnectReason| async move {
        println!("{} left: {reason}", name(&socket));
    });

    io.serve(examples::listen().await?).await?;
    Ok(())
}
