//! An event handler returns a value as it is. A value is answered as `Ack(value)`.
//@ an event handler cannot return `{integer}`
//@ return `()`, `Ack(value)`, or a `Result` of one of them

use socketio_server::Server;

fn main() {
    let io = Server::builder().build().unwrap();
    io.on("sum", || async { 1 + 2 });
}
