//! A handler has up to eight arguments.
//@ not a function of up to eight arguments

use socketio_server::{Server, Socket};

fn main() {
    let io = Server::builder().build().unwrap();
    io.on(
        "say",
        |_: Socket,
         _: Socket,
         _: Socket,
         _: Socket,
         _: Socket,
         _: Socket,
         _: Socket,
         _: Socket,
         _: Socket| async {},
    );
}
