//! A handler of "connect" has no event, so it takes no data.
//@ an argument of this handler is data of an event, and the handler has none
//@ required for `Data<String>` to implement `Extract<
//@ read the credentials of the client as `Auth<T>`

use socketio_server::{Data, Server};

fn main() {
    let io = Server::builder().build().unwrap();
    io.on_connect(|Data(name): Data<String>| async move {
        let _: String = name;
    });
}
