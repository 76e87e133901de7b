//! A handler that is not async.
//@ a handler is async, and this one returns `()`
//@ or a closure that returns an async block

use socketio_server::{Server, Socket};

fn main() {
    let io = Server::builder().build().unwrap();
    io.on("say", |_socket: Socket| {});
}
