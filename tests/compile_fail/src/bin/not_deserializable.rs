//! The type of an argument must implement `Deserialize`.
//@ this function cannot be a handler here
//@ where `T` implements `serde::Deserialize`

use socketio_server::{Data, Server};

struct Point;

fn main() {
    let io = Server::builder().build().unwrap();
    io.on("move", |Data(point): Data<Point>| async move {
        let _: Point = point;
    });
}
