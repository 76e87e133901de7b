//! A handler whose future is not `Send`.
//@ future cannot be sent between threads safely
//@ `Rc<str>`

use std::rc::Rc;

use socketio_server::{Server, Socket};

fn main() {
    let io = Server::builder().build().unwrap();
    io.on("say", |socket: Socket| async move {
        let text: Rc<str> = "hello".into();
        tokio::task::yield_now().await;
        let _ = socket.emit("said", &*text);
    });
}
