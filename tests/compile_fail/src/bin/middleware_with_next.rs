//! A middleware of the official server calls `next`. Here it returns its decision.
//@ cannot be an argument of this handler

use socketio_server::{Server, Socket};

fn main() {
    let io = Server::builder().build().unwrap();
    io.event_middleware(|_socket: Socket, next: fn()| async move {
        next();
        Ok::<(), String>(())
    });
}
