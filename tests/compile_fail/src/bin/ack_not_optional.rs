//! A sender need not request an acknowledgement, so the right to answer is an `Option`.
//@ `AckSender` cannot be an argument of this handler
//@ `Option<AckSender>`

use socketio_server::{AckSender, Server};

fn main() {
    let io = Server::builder().build().unwrap();
    io.on("say", |ack: AckSender| async move {
        let _ = ack.send("ok");
    });
}
