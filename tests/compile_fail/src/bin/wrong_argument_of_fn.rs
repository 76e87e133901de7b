//! The argument that is no extractor is named among others, also of an async function.
//@ `Message` cannot be an argument of this handler
//@ `Message` is not available here

use serde::Deserialize;
use socketio_server::{Data, Server, Socket};

#[derive(Deserialize)]
struct Message;

async fn say(socket: Socket, Data(room): Data<String>, message: Message) {
    let _ = (socket, room, message);
}

fn main() {
    let io = Server::builder().build().unwrap();
    io.on("say", say);
}
