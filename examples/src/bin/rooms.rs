//! Rooms: sockets join and leave, events go to the members of one room or several, and hooks report room
//! changes.
//!
//! `cargo run -p examples --bin rooms`, then from a Socket.IO client:
//!
//! ```js
//! const socket = io("http://127.0.0.1:3000");
//! await socket.emitWithAck("join", "red");
//! socket.on("news", (text) => console.log(text));
//! socket.emit("tell", { rooms: ["red", "blue"], text: "hello" });
//! console.log(await socket.emitWithAck("members", "red"));
//! ```

use serde::Deserialize;
use socketio_server::{Ack, Data, EmitError, Namespace, Server, Socket};

#[derive(Deserialize)]
struct News {
    rooms: Vec<String>,
    text: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let io = Server::builder().build()?;

    io.on("join", |socket: Socket, Data(room): Data<String>| async move {
        socket.join(room);
        // The room of a socket's own id is the first.
        Ack(socket.rooms().iter().map(|room| room.to_string()).collect::<Vec<_>>())
    });
    io.on("leave", |socket: Socket, Data(room): Data<String>| async move { socket.leave(&room) });

    // A socket in several of the rooms receives the event once; the sender is excluded and gets an
    // acknowledgement.
    io.on("tell", |socket: Socket, Data(news): Data<News>| async move {
        socket.to(news.rooms).emit("news", &news.text).await?;
        Ok::<_, EmitError>(Ack("told"))
    });

    // With a cluster adapter this returns the members on all servers.
    io.on("members", |all: Namespace, Data(room): Data<String>| async move {
        let found = all.to(room).fetch_sockets().await.map_err(|error| error.to_string())?;
        Ok::<_, String>(Ack(found.iter().map(|socket| socket.id().to_owned()).collect::<Vec<_>>()))
    });

    io.on_room_event(|event| println!("{event:?}"));
    io.serve(examples::listen().await?).await?;
    Ok(())
}
