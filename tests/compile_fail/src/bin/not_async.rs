//! A handler that is not async.
//@ this function cannot be a handler here
//@ a handler is an async function or closure of up to eight arguments

use socketio_server::{Server, Socket};

fn main() {
    let io = Server::builder().build().unwrap();
    io.on("say", |_socket: Socket| {});
}
