//! A handler of an event has no disconnect reason.
//@ `DisconnectReason` cannot be an argument of this handler
//@ in `on_disconnect` and `on_disconnecting` also `DisconnectReason`

use socketio_server::{DisconnectReason, Server};

fn main() {
    let io = Server::builder().build().unwrap();
    io.on("say", |reason: DisconnectReason| async move {
        let _ = reason;
    });
}
