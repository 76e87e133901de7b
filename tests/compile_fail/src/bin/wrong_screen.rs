//! An event middleware must return its decision: accept, refuse or rewrite.
//@ a middleware for events cannot return `bool`
//@ return `Result<(), E>` to let events pass or refuse them, or `Result<Rewrite, E>` to change them

use socketio_server::Server;

fn main() {
    let io = Server::builder().build().unwrap();
    io.event_middleware(|| async { true });
}
