//! A handler takes a plain type. Data of the event is taken as `Data<T>`.
//@ `String` cannot be an argument of this handler
//@ data of the event is taken as `Data<T>`

use socketio_server::{Server, Socket};

fn main() {
    let io = Server::builder().build().unwrap();
    io.on("say", |socket: Socket, text: String| async move {
        let _ = (socket, text);
    });
}
