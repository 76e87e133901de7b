//! The type of a sent value must implement `Serialize`.
//@ `Secret` cannot be sent as the arguments of an event
//@ one argument is any value that implements `serde::Serialize`; several are written `Args((a, b))`

use socketio_server::{Server, Socket};

struct Secret;

fn main() {
    let io = Server::builder().build().unwrap();
    io.on_connect(|socket: Socket| async move {
        let _ = socket.emit("secret", &Secret);
    });
}
