//! An event of another server belongs to no socket.
//@ an argument of this handler belongs to a socket, and the handler has none
//@ required for `Socket` to implement `Extract<

use socketio_server::{Server, Socket};

fn main() {
    let io = Server::builder().build().unwrap();
    io.on_server_event("ping", |socket: Socket| async move {
        let _ = socket;
    });
}
