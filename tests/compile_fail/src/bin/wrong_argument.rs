//! A handler takes a plain type. What comes from the client is taken as `Data<T>`.
//@ this cannot handle what happens here
//@ what the other side sends is taken as `Data<T>`

use socketio_server::{Server, Socket};

fn main() {
    let io = Server::builder().build().unwrap();
    io.on("say", |socket: Socket, text: String| async move {
        let _ = (socket, text);
    });
}
