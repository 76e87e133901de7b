//! A handler of an event has no disconnect reason.
//@ this function cannot be a handler here
//@ in `on_disconnect` and `on_disconnecting` also `DisconnectReason`

use socketio_server::{DisconnectReason, Server};

fn main() {
    let io = Server::builder().build().unwrap();
    io.on("say", |reason: DisconnectReason| async move {
        let _ = reason;
    });
}
