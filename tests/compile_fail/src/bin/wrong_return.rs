//! An event handler returns a plain value. A value is acknowledged as `Ack(value)`.
//@ an event handler cannot return `{integer}`
//@ return `()`, `Ack(value)`, or a `Result` of one of them

use socketio_server::Server;

fn main() {
    let io = Server::builder().build().unwrap();
    io.on("sum", || async { 1 + 2 });
}
