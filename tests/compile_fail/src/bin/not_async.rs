//! A handler that is not async.
//@ this cannot handle what happens here
//@ a handler is an async function or closure of up to eight arguments

use socketio_server::{Server, Socket};

fn main() {
    let io = Server::builder().build().unwrap();
    io.on("say", |_socket: Socket| {});
}
